# shellcheck shell=bash disable=SC2154,SC2034
# tests/system/two_hosts.sh -- an akssld with two hosts, for launcher `hosts`; sourced behind lib.sh.
#
# They are two network namespaces with addresses and names of their own: akssld and mpirun in one; into the
# other only the agent leads, while the link is up.  Processes there run as another user, so that akssld
# cannot find and end them, as it could not on a real host; they share the disk alone.  Needs root.

command -v setpriv unshare >/dev/null || skip "needs util-linux"
two_hosts

# A remote shell of the site's own.  Without a link it waits, as ssh does, and as ssh it takes no environment along.
# While there is a file `off`, the other host is switched off.
cat >"$dir/agent" <<END
#!/bin/sh
[ "\$1" = 10.77.0.2 ] || { echo "agent: no host '\$1'" >&2; exit 255; }
shift
[ ! -e "$dir/off" ] || { echo "agent: connection refused" >&2; exit 255; }
[ "\$(cat /sys/class/net/v$here/carrier)" = 1 ] || sleep 1000
unset AKSSL_DATA_ROOTS
exec ip netns exec $there unshare --uts sh -c 'hostname $there; exec setpriv --reuid 65534 --regid 65534 \\
    --clear-groups --inh-caps +dac_override --ambient-caps +dac_override sh -c "\$*"' agent "\$@"
END
chmod 755 "$dir/agent" "$dir"

# serve [FLAG...] starts akssld on the first host.
serve() {
    OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24 \
        ip netns exec "$here" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$here" \
        "${akssld:-$bin/akssld}" --state-dir "$state" --socket "$dir/s" --slots 4 --listen 10.77.0.1:7443 \
        --hosts 10.77.0.1:2,10.77.0.2:2 --host-agent "$dir/agent" --host-timeout 4 "$@" >>"$dir/daemon.log" 2>&1 &
    daemon=$!
    wait_for 30 client list || fail "the daemon does not answer"
}
"$bin/akssld" --state-dir "$state" --init-tls --host 10.77.0.1 >/dev/null || fail "no certificates"
