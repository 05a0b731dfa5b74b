#!/bin/bash
# tests/system/disk_full.sh -- a disk that fills up pauses the job, and nothing else: with room again it goes on,
# to the bytes of a run that had room all the time.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || skip "it mounts a small tmpfs, which takes root"
mkdir "$dir/small"
mount -t tmpfs -o size=100m tmpfs "$dir/small" 2>/dev/null || skip "no tmpfs can be mounted here"

is() { [ "$(field "$1" state)" = "$2" ]; }
paused_for_space() {
    wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state): $(field "$id" reason)"
    reason=$(field "$id" reason)
    grep -qiE 'space|full' <<<"$reason" || fail "the reason is '$reason'"
    grep -q resume <<<"$reason" || fail "the reason names no remedy: '$reason'"
    say "$reason"
}

# Model and optimiser of a ResNet-18 take about 135 MB: the first commit does not fit.
state=$dir/small/state
start_daemon
submit "${small[@]}" --ranks 2 --max-restarts 0
paused_for_space
daemon_lives "a full disk"
find "$job" -name '*.tmp' | grep . && fail "half-made files are left"
[ -z "$(field "$id" committed_step)" ] || [ "$(field "$id" committed_step)" -le 0 ] ||
    fail "a commit that did not fit is recorded"

# Not a byte is left: submissions are refused, a resumed job is PAUSED again, once, and stays so.
dd if=/dev/zero of="$dir/small/fill" bs=64k 2>/dev/null
refused 1 'space|full' "$bin/akssl-client" submit "${small[@]}"
client resume "$id" >/dev/null 2>&1
paused_for_space
launches=$(grep -c "job $id STARTING" "$dir/daemon.log")
sleep 2
is "$id" PAUSED || fail "job $id did not stay PAUSED"
[ "$(grep -c "job $id STARTING" "$dir/daemon.log")" = "$launches" ] || fail "the job flaps"
daemon_lives "no byte left"

# With room again it goes on when it is told, and so does the daemon.
rm "$dir/small/fill"
mount -o remount,size=1g "$dir/small" || fail "remount failed"
client resume "$id" >/dev/null || fail "resume failed"
finish "$id"
[ "$(field "$id" restarts)" = 0 ] || fail "a full disk counts as a restart"
client verify "$id" || fail "a commit is damaged"
twin=$job
submit "${small[@]}" --ranks 2
finish "$id"
same_run "$twin" "$job"

pass
