#!/bin/bash
# tests/system/disk_full.sh -- a disk that fills up during a commit fails the job, not the daemon.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || skip "it mounts a small tmpfs, which takes root"
mkdir "$dir/small"
mount -t tmpfs -o size=100m tmpfs "$dir/small" 2>/dev/null || skip "no tmpfs can be mounted here"

# Model and optimiser of a ResNet-18 take about 135 MB: the first commit does not fit.
state=$dir/small/state
start_daemon
submit "${small[@]}" --ranks 2 --max-restarts 0
finish "$id" FAILED
reason=$(field "$id" reason)
grep -qiE 'space|full' <<<"$reason" || fail "the reason is '$reason'"
say "$reason"
daemon_lives "a full disk"
find "$job" -name '*.tmp' | grep . && fail "half-made files are left"
[ -z "$(field "$id" committed_step)" ] || [ "$(field "$id" committed_step)" -le 0 ] ||
    fail "a commit that did not fit is recorded"

# With room again the daemon goes on as if nothing had been.
mount -o remount,size=1g "$dir/small" || fail "remount failed"
submit "${small[@]}" --ranks 2
finish "$id"

pass
