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
client state "$id" | has 'moco.queue' || fail "state prints no moco.queue"
[ -s "$(last_commit "$job")/state.safetensors" ] || fail "the commit holds no state"

client --json state "$id" | jq -e '.tensors[0].insight |
    .occupancy == 1 and .key_age_max == 3 and .key_age_mean == 1.5' >/dev/null ||
    fail "the keys' ages are wrong: $(client --json state "$id")"
client state "$id" --save "$dir/kept" >"$dir/said" || fail "state --save failed"
cmp "$dir/kept" "$(last_commit "$job")/state.safetensors" || fail "not the commit's bytes"
grep -q "state of step 8 saved to $dir/kept" "$dir/said" || fail "it said '$(cat "$dir/said")'"
finished=$id

submit "${small[@]}" --method moco_v2 --option K=256 --epochs 100 --ranks 2 --commit-every 4
wait_for 60 committed "$id" 8 || fail "no commit at step 8"
# A running job's state is saved as it is now.
client state "$id" --save "$dir/now" >/dev/null || fail "state --save of a running job failed"
[ "$(tensors "$dir/now")" = "$(tensors "$dir/kept")" ] || fail "other tensors: $(tensors "$dir/now")"
[ "$(stat -c %s "$dir/now")" -ge $((256 * 128 * 4)) ] || fail "the file is too short"
refused 2 "cannot be written: No such" "$bin/akssl-client" state "$finished" --save "$dir/none/x"
client cancel "$id" >/dev/null || fail "cancel failed"

pass
