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

client --json state "$id" | jq -e '.tensors[0].insight |
    .occupancy == 1 and .key_age_max == 3 and .key_age_mean == 1.5' >/dev/null ||
    fail "the keys' ages are wrong: $(client --json state "$id")"
client state "$id" --save "$dir/kept" >"$dir/said" || fail "state --save failed"
cmp "$dir/kept" "$(last_commit "$job")/state.safetensors" || fail "not the commit's bytes"
grep -q "state of step 8 saved to $dir/kept" "$dir/said" || fail "it said '$(cat "$dir/said")'"
finished=$id

# Flip one bit of the queue in the last commit of a job that is to go on: it does, from the one before.
submit "${small[@]}" --method moco_v2 --option K=256 --epochs 100 --ranks 2 --commit-every 4
wait_for 60 committed "$id" 8 || fail "no commit at step 8"
# A running job's state is saved as it is now.
client state "$id" --save "$dir/now" >/dev/null || fail "state --save of a running job failed"
[ "$(tensors "$dir/now")" = "$(tensors "$dir/kept")" ] || fail "other tensors: $(tensors "$dir/now")"
[ "$(stat -c %s "$dir/now")" -ge $((256 * 128 * 4)) ] || fail "the file is too short"
refused 2 "cannot be written: No such" "$bin/akssl-client" state "$finished" --save "$dir/none/x"
stop_daemon
no_process || fail "the daemon is stopped, and yet: $(describe)"
file=$(last_commit "$job")/state.safetensors
size=$(stat -c %s "$file")
byte=$(od -An -tu1 -j $((size - 1000)) -N 1 "$file")
# shellcheck disable=SC2059 # the byte is the format
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$file" bs=1 seek=$((size - 1000)) conv=notrunc status=none
start_daemon
set_aside()
{
    grep -q 'goes on from the commit of step .* set aside: .*state.safetensors.* has digest' "$job/log"
}
wait_for 60 set_aside || fail "the damage is not told: $(tail -n 3 "$job/log")"
ls "$job"/commits/aside-step-*/state.safetensors >/dev/null || fail "nothing is set aside"
wait_for 60 committed "$id" 12 || fail "the job does not go on"
say "$(grep 'set aside' "$job/log")"
client cancel "$id" >/dev/null
finish "$id" CANCELLED
daemon_lives "a damaged commit"

pass
