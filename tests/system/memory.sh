#!/bin/bash
# tests/system/memory.sh -- resident memory of ranks and daemon does not grow over 500 steps.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon
submit "${small[@]}" --method moco_v2 --option K=512 --epochs 50 --ranks 2 --commit-every 100 \
    --image-size 8 --batch 8 --shards 2
at_step() { [ "$(wc -l <"$job/metrics.jsonl")" -ge "$1" ]; }
rss() {
    local pid
    for pid in $(processes 'akssl-worker') $daemon; do
        awk -v pid="$pid" '/^VmRSS/ { print pid, $2 }' "/proc/$pid/status"
    done
}

wait_for 120 at_step 120 || fail "no 120 steps in two minutes"
rss >"$dir/before"
wait_for 300 at_step 620 || fail "no 620 steps"
rss >"$dir/after"
say "resident KiB before and after 500 steps:"
join "$dir/before" "$dir/after" | tee "$dir/both"
[ "$(wc -l <"$dir/both")" -ge 3 ] || fail "not two ranks and a daemon"
# 4 MiB: what an allocator may keep of a commit or a log's page; a leak of 8 KiB a step shows.
awk '$3 - $2 > 4096 { print "process " $1 " grew by " $3 - $2 " KiB"; bad = 1 } END { exit bad }' \
    "$dir/both" || fail "memory grows"
client cancel "$id" >/dev/null
client wait "$id" >/dev/null 2>&1

pass
