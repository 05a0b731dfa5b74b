#!/bin/bash
# tests/packages.sh -- the Debian packages, on a bare Debian in a folder: install, use, upgrade, purge.
#
#     tests/packages.sh bookworm          Debian 12; trixie: Debian 13
#
# First without systemd: the packages install, start nothing and fail at nothing; the quickstart runs by them; a purge
# leaves nothing.  Then with one: systemd is started in the folder, in namespaces of its own.  The unit starts, with all
# of its sandbox; an older version is upgraded with one job running and one queued; a purge ends a
# job that runs, and leaves nothing either.
#
# Root only.  Keeps ${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/bare-SUITE and what it has built.

set -eu -o pipefail

suite=${1:-}
case $suite in
bookworm) release=12 ;;
trixie) release=13 ;;
*)
    echo "usage: tests/packages.sh bookworm|trixie" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
# shellcheck source=tests/debian.sh
. tests/debian.sh
debian_enter tests/packages.sh "$@"

distro=${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}
bare=$distro/bare-$suite
root=$distro/packages-$suite # gone when this ends
ours=(akssld akssl-worker akssl-client libakssl-client0 libakssl-client-dev)
cgroup=
init=

say() { printf 'packages.sh: %s\n' "$*"; }
fail() {
    say "FAILED: $*"
    [ -z "$init" ] || inside journalctl -u akssld --no-pager -n 30 || true
    exit 1
}

cleanup() {
    [ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
    for _ in $(seq 50); do # until the last process is gone from it
        [ -d "$cgroup" ] || break
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
    done
    umount -R -l "$root" 2>/dev/null || true
    [ -n "${AKSSL_TEST_KEEP:-}" ] || rm -rf --one-file-system "$root"
}
trap cleanup EXIT

# inside COMMAND...: in the folder; once systemd runs there, among its processes.
inside() {
    if [ -n "$init" ]; then
        nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup -- env -i \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    else
        debian_run "$root" "$@"
    fi
}

apt() { inside apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >"$root.apt" 2>&1 || {
    cat "$root.apt"
    fail "apt-get $*"
}; }

# debs old|new NAME...: the packages' files, as they are called inside.
debs() {
    local version=$1 name file
    shift
    for name in "$@"; do
        for file in "$root/root/debs/$version/${name}"_*.deb; do echo "${file#"$root"}"; done
    done
}

# ---- the packages, of two versions

packages() {
    say "building the packages for $suite"
    rm -rf "$distro/debs-$suite"
    mkdir -p "$distro/debs-$suite"
    if [ "$(cut -d. -f1 /etc/debian_version)" = "$release" ]; then
        deploy/package.sh --version 0.1.9 --output "$distro/debs-$suite/old" >/dev/null
        deploy/package.sh --output "$distro/debs-$suite/new" >/dev/null
    else
        # shellcheck disable=SC2016 # for the shell in there
        AKSSL_DISTRO_INSIDE='' tests/distro.sh "$suite" --run sh -c '
            rm -rf debs && deploy/package.sh --version 0.1.9 --output debs/old && deploy/package.sh --output debs/new'
        cp -r "$distro/$suite/root/akssl/debs/." "$distro/debs-$suite/"
    fi
}

# What they need but do not bring is installed before, so that what a purge leaves can be seen.
dependencies() {
    local needed
    apt update
    needed=$(inside sh -c 'apt-get -s --no-install-recommends install /root/debs/new/*.deb' |
        awk '$1 == "Inst" && $2 !~ /^(lib)?akssl/ { print $2 }')
    # shellcheck disable=SC2086 # a list
    apt install $needed dataset-fashion-mnist procps "$@"
}

# listing prints every file but those of apt, dpkg and logs.
listing() {
    inside find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
        -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/log \
        -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path /var/lib/systemd/timers \) -prune \
        -o -print | sort
}

nothing_left() {
    listing >"$root.after"
    diff "$root.before" "$root.after" || fail "a purge leaves files (>), or took others' (<)"
    [ ! -e "$root/run/akssl" ] || fail "a purge leaves /run/akssl"
    ! inside getent passwd akssl || fail "a purge leaves the user"
    ! inside getent group akssl || fail "a purge leaves the group"
    [ -z "$(inside find / -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune -o \( -nouser -o -nogroup \) -print)" ] ||
        fail "a purge leaves files of nobody"
    [ -z "$(inside ps -eo comm= | grep -E '^(akssl|mpirun|prte)' || true)" ] || fail "a purge leaves processes"
    [ -z "$(inside sh -c 'ls /dev/shm | grep akssl' || true)" ] || fail "a purge leaves shared memory"
    inside sh -c 'dpkg -l "*akssl*" 2>/dev/null | grep -E "^(rc|ii)"' && fail "dpkg knows them still"
    return 0
}

purge() { apt purge "${ours[@]}"; }

# ---- without systemd

without_systemd() {
    say "installing, without systemd"
    dependencies
    listing >"$root.before"
    # shellcheck disable=SC2046 # a list
    apt install $(debs new "${ours[@]}")
    [ -z "$(inside ps -eo comm= | grep akssl || true)" ] || fail "something was started without systemd"
    [ "$(inside stat -c '%U %a' /var/lib/akssl)" = "akssl 700" ] || fail "/var/lib/akssl is not akssl's alone"
    [[ $(inside ldconfig -p) == *libakssl-client.so.0* ]] || fail "the loader does not know the library"
    say "quickstart, without systemd"
    inside env AKSSL_QUICKSTART_SECONDS="${AKSSL_QUICKSTART_SECONDS:-60}" /usr/share/doc/akssl/quickstart.sh --packaged |
        tee "$root.quickstart"
    grep -q '== SUCCEEDED' "$root.quickstart" || fail "the quickstart did not succeed"
    say "purging"
    purge
    nothing_left
}

# ---- with systemd

# boot starts the folder's systemd with everything of its own: processes, mounts, network, cgroup.
boot() {
    local parent state
    for parent in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        if [ "$(stat -fc %T "$parent")" = cgroup2fs ]; then break; fi
    done
    cgroup=$(mktemp -d "$parent/akssl-packages.XXXXXX" 2>/dev/null) || {
        say "skipped: no cgroup can be made here, so no systemd can be started"
        exit 77
    }
    # shellcheck disable=SC2016 # for the shell in there
    sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net \
        --propagation private -- tests/packages_boot.sh "$2"' boot "$cgroup" "$root" </dev/null >"$root.boot" 2>&1 &
    for _ in $(seq 100); do
        init=$(cat "/proc/$!/task/$!/children" 2>/dev/null | tr -d ' ') || true
        [ -z "$init" ] || state=$(inside systemctl is-system-running --wait 2>/dev/null) || true
        case ${state:-} in running | degraded) return ;; esac # degraded: Debian 13's cannot load modules
        sleep 0.2
    done
    cat "$root.boot"
    fail "systemd does not start: it is ${state:-not there}"
}

wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.3
    done
}

show() { inside akssl-client --json show "$1" | inside jq -r "$2"; }
is() { [ "$(show "$1" .state)" = "$2" ]; }
committed() { [ "$(show "$1" .committed_step)" -ge "$2" ]; }
submit() {
    inside akssl-client submit --parsable --method moco_v2 --dataset fashion-mnist --limit-images 512 --image-size 16 \
        --batch 64 --shards 8 --optimizer adam --lr 1e-3 --weight-decay 1e-6 --seed 5 --ranks 2 --option K=256 "$@"
}
# shellcheck disable=SC2016 # dpkg's, not the shell's
version() { inside dpkg-query -W -f '${Version}' akssld; }
pid_of() { inside systemctl show --property MainPID --value akssld; }
ranks() { inside pgrep -f '^[^ ]*akssl-worker run ' | sort | tr '\n' ' '; } # not akssl-worker check

upgrade() {
    local old ranks
    # shellcheck disable=SC2046 # a list
    apt install $(debs old "${ours[@]}")
    wait_for 20 inside akssl-client list || fail "the unit does not start"
    inside systemctl is-enabled akssld >/dev/null || fail "the unit is not enabled"
    say "one job runs, two wait; upgrading $(version)"
    submit --epochs 8
    submit --epochs 8
    submit --epochs 8 --hold
    wait_for 60 committed 1 8 || fail "job 1 makes no commit"
    old=$(pid_of)
    ranks=$(ranks)
    # shellcheck disable=SC2046 # a list
    apt install $(debs new "${ours[@]}")
    wait_for 20 inside akssl-client list || fail "the upgraded unit does not start"
    [ "$(pid_of)" != "$old" ] || fail "the upgrade did not restart akssld"
    [ "$(ranks)" = "$ranks" ] || fail "ranks '$ranks' before the upgrade, '$(ranks)' after it"
    say "upgraded to $(version): ranks $ranks go on"
    wait_for 10 is 1 RUNNING || fail "job 1 is $(show 1 .state): $(show 1 .reason)"
    for id in 2 3; do is $id QUEUED || fail "job $id is $(show $id .state): the queue is gone"; done
    inside timeout 200 akssl-client wait 1 2 >/dev/null || fail "a job did not succeed"
    [ "$(show 1 .restarts)" = 0 ] || fail "job 1 was restarted"
    for file in model optimizer state; do
        inside sh -c "cmp /var/lib/akssl/jobs/[12]/commits/step-64/$file.safetensors" ||
            fail "$file of the upgraded job is not that of its twin"
    done
}

with_systemd() {
    say "starting systemd in the folder"
    boot
    listing >"$root.before"
    upgrade
    say "removing with a job that runs: it is kept, and goes on after the next install"
    inside akssl-client release 3 >/dev/null
    wait_for 60 committed 3 8 || fail "job 3 makes no commit"
    apt remove akssld
    [ -z "$(ranks)" ] || fail "a removal leaves ranks"
    # shellcheck disable=SC2046 # a list
    apt install $(debs new akssld)
    wait_for 20 is 3 RUNNING || fail "job 3 is $(show 3 .state) after the next install"
    say "purging with a job that runs"
    purge
    nothing_left
    ! inside systemctl status akssld >/dev/null 2>&1 || fail "systemd knows the unit still"
}

packages
debian_make "$suite" "$bare"
rm -rf --one-file-system "$root"
cp -a "$bare" "$root"
mkdir "$root/root/debs"
cp -r "$distro/debs-$suite/." "$root/root/debs/"
debian_mount "$root"
without_systemd
dependencies systemd dbus jq
umount -R -l "$root"
with_systemd
say "passed"
