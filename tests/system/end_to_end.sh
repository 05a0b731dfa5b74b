#!/bin/bash
# tests/system/end_to_end.sh -- a small job from submission to weights, as a person would run it.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon
client --json catalogue | jq -e '.methods | map(.name) | index("simclr") and index("moco_v2")' \
    >/dev/null || fail "the catalogue lacks simclr or moco_v2"

# A dry run resolves the spec and makes no job.
client submit --dry-run "${small[@]}" >"$dir/dry" || fail "--dry-run was refused"
grep -q 'batch-norm' "$dir/dry" || fail "--dry-run does not show the resolved spec"
[ "$(client --json list | jq '.jobs | length')" = 0 ] || fail "--dry-run made a job"

submit "${small[@]}" --limit-images 512 --epochs 2 --ranks 2 --name first --eval knn,probe \
    --option temperature=0.5 --augment min_scale=0.2
timeout 200 "$bin/akssl-client" watch "$id" >"$dir/watch" || fail "watch ended with $?"
grep -q SUCCEEDED "$dir/watch" || fail "watch does not say SUCCEEDED: $(tail -n 3 "$dir/watch")"
grep -q loss "$dir/watch" || fail "watch shows no loss"
finish "$id"

[ -e "$job/log" ] || fail "no log"
for file in spec.yaml metrics.jsonl result.json export/backbone.safetensors \
    commits/step-16/model.safetensors commits/step-16/optimizer.safetensors; do
    [ -s "$job/$file" ] || fail "no $job/$file: $(find "$job" -type f)"
done
find "$state" -name '*.tmp' | grep . && fail "half-made files are left"

# metrics.jsonl: one object a step.
[ "$(wc -l <"$job/metrics.jsonl")" -eq 16 ] || fail "not one line a step: $(cat "$job/metrics.jsonl")"
jq -se 'map(has("step") and has("epoch") and has("loss") and has("lr") and has("images_per_s")) | all' \
    "$job/metrics.jsonl" >/dev/null || fail "a step lacks a key: $(head -n 1 "$job/metrics.jsonl")"
jq -se '[.[].step] == [range(1; 17)]' "$job/metrics.jsonl" >/dev/null ||
    fail "steps are not 1 to 16: $(losses "$job")"
jq -se 'map(.loss > 0 and .loss < 20 and .images_per_s > 0 and .lr == 0.001) | all' \
    "$job/metrics.jsonl" >/dev/null || fail "odd values: $(head -n 2 "$job/metrics.jsonl")"

# Numbers as people write them: no 82.459999999999994.
for text in "$(cat "$job/result.json")" "$(client --json catalogue)"; do
    [[ ! $text =~ [0-9]*\.[0-9]{16,} ]] || fail "a number is written as ${BASH_REMATCH[0]}"
done

# result.json and the reply of Show name the accuracies, before and after.
for key in before.knn.top1 after.knn.top1 before.probe.top1 after.probe.top1; do
    jq -e --arg key "$key" '.. | objects | select(has($key)) | .[$key] | . > 10 and . <= 100' \
        "$job/result.json" >/dev/null || fail "no $key in $(cat "$job/result.json")"
    client show "$id" | has "$key" || fail "show lacks $key: $(client show "$id")"
done
[ "$(field "$id" weights)" = "$job/export/backbone.safetensors" ] || fail "show names no weights"

# The spec in the folder, submitted again, is the same job.
client submit --dry-run "$job/spec.yaml" >"$dir/again" 2>&1 ||
    fail "the job's own spec.yaml is refused: $(cat "$dir/again")"

# The other commands.
client list | has first || fail "list lacks the job's name"
client logs "$id" >"$dir/logs" || fail "logs failed"
cmp -s "$dir/logs" "$job/log" || fail "logs are not the job's log"
client wait "$id" >/dev/null || fail "wait on a finished job ended with $?"

# Kinds of their own: evaluate what the first job exported, two ways.
submit --kind knn --dataset fashion-mnist --limit-images 512 --image-size 16 --from-job 1
finish "$id"
submit --kind probe --dataset fashion-mnist --limit-images 512 \
    --weights "$state/jobs/1/export/backbone.safetensors"
finish "$id"
[ -s "$job/result.json" ] || fail "an evaluation wrote no result.json"

# A failed job's code is 1; a cancelled one's too.
submit "${small[@]}" --epochs 200
wait_for 60 test -s "$job/metrics.jsonl" || fail "job $id does not get going"
client cancel "$id" >/dev/null || fail "cancel failed"
status=0
client wait "$id" >/dev/null 2>&1 || status=$?
[ $status -eq 1 ] || fail "wait on a cancelled job ended with $status, not 1"
[ "$(field "$id" state)" = CANCELLED ] || fail "the job is $(field "$id" state), not CANCELLED"

pass
