#!/bin/bash
# tests/system/hung_directory.sh BIN_DIR -- the list of users hangs, as with LDAP: akssld answers, nobody is taken for
# another, and who is known goes on.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
    setpriv --reuid=65534 --clear-groups "$bin/akssl-client" --version >/dev/null 2>&1 ||
    skip "needs root, setpriv, and programs that others may run"
[ "$(getent passwd 65534 | cut -d : -f 1)" = nobody ] || skip "uid 65534 is not nobody"

as() { # UID COMMAND...
    local uid=$1
    shift
    setpriv --reuid="$uid" --clear-groups timeout 60 "$bin/akssl-client" "$@"
}
answers() { timeout 2 "$bin/akssl-client" list >/dev/null || fail "akssld does not answer while the list of users hangs"; }
start() { LD_PRELOAD=$(realpath "$bin/../tests/libdirectory.so") start_daemon --socket-mode 666; }
quiet=("${small[@]}" --method simclr --hold)

chmod 711 "$dir"
start
root=$(client submit --parsable "${quiet[@]}") || fail "root cannot submit"
touch "$dir/hang-65534"
as 65534 submit --parsable "${quiet[@]}" >"$dir/out" 2>"$dir/err" &
waiting=$!
sleep 0.5
for _ in 1 2 3 4; do
    answers
    sleep 0.25
done
timeout 2 setpriv --reuid=65534 --clear-groups "$bin/akssl-client" list >/dev/null || fail "nobody may not even look"
status=0
wait "$waiting" || status=$?
[ "$status" -eq 1 ] && grep -q 'who uid 65534 is (no answer within 8 s)' "$dir/err" ||
    fail "a submission by nobody, whose name is not told, ended with $status: $(cat "$dir/out" "$dir/err")"
say "$(cat "$dir/err")"
as 65534 cancel "$root" 2>"$dir/err" && fail "somebody without a name has cancelled root's job"
jq -es 'all(.[]; .outcome == "ok" or .who == "uid:65534")' "$state/audit.jsonl" >/dev/null || fail "the audit log knows more"

as 65534 submit --parsable "${quiet[@]}" >"$dir/out" 2>"$dir/err" & # held until the list is back
waiting=$!
sleep 1
rm "$dir/hang-65534"
wait "$waiting" || fail "nobody cannot submit once the list is back: $(cat "$dir/err")"
mine=$(cat "$dir/out")
[ "$(field "$mine" owner)" = nobody ] || fail "nobody's job is $(field "$mine" owner)'s"
touch "$dir/hang-65534" # who is known is asked about no more
refused 1 "job $root is root's" setpriv --reuid=65534 --clear-groups "$bin/akssl-client" cancel "$root"
timeout 2 setpriv --reuid=65534 --clear-groups "$bin/akssl-client" cancel "$mine" >/dev/null || fail "nobody cannot cancel"

# An administrator has work to do just then.
stop_daemon
touch "$dir/hang-0"
start
client release "$root" >/dev/null || fail "root may do nothing while the list hangs"
timeout 2 "$bin/akssl-client" cancel "$root" >/dev/null || fail "root waits each time"
as 65534 submit "${quiet[@]}" >"$dir/out" 2>&1 &
waiting=$!
sleep 0.5
began=$SECONDS
stop_daemon # with lookups that hang
[ $((SECONDS - began)) -lt 10 ] || fail "akssld took $((SECONDS - began)) s to end"
wait "$waiting" && fail "a submission was accepted by an akssld that ended"
rm "$dir"/hang-*
pass
