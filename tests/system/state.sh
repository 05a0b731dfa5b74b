#!/bin/bash
# tests/system/state.sh -- the queue that the coordinator holds is the one that counts.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# 8 steps of 64 keys: a queue of 256 rows is full, and has wrapped.
start_daemon
submit "${small[@]}" --method moco_v2 --option K=256 --epochs 2 --ranks 2
finish "$id"
client --json state "$id" >"$dir/state.json" || fail "state failed"
jq -e '.. | objects | select(.name == "moco.queue") |
    .shape == [256, 128] and .filled == 256 and .version == 8 and (.digest | length == 32)' \
    "$dir/state.json" >/dev/null || fail "not a full queue of version 8: $(cat "$dir/state.json")"
client state "$id" | grep -q 'moco.queue' || fail "state prints no moco.queue"
[ -s "$(last_commit "$job")/state.safetensors" ] || fail "the commit holds no state"

# Flip one bit of the queue in the last commit of a job that is to go on.
submit "${small[@]}" --method moco_v2 --option K=256 --epochs 100 --ranks 2 --commit-every 4
wait_for 60 committed "$id" 8 || fail "no commit at step 8"
stop_daemon
no_process || fail "the daemon is stopped, and yet: $(describe)"
file=$(last_commit "$job")/state.safetensors
size=$(stat -c %s "$file")
byte=$(od -An -tu1 -j $((size - 1000)) -N 1 "$file")
# shellcheck disable=SC2059 # the byte is the format
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$file" bs=1 seek=$((size - 1000)) conv=notrunc status=none
start_daemon
finish "$id" FAILED
reason=$(field "$id" reason)
[[ $reason == *state.safetensors* && $reason == *digest* ]] || fail "the reason is '$reason'"
say "$reason"
daemon_lives "a damaged commit"

pass
