#!/bin/bash
# tests/system/same_bits.sh METHOD [FLAG...] -- 1, 2 and 4 ranks, and two runs, give the same bytes.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon
submit "${small[@]}" --method "$@" --ranks 1
finish "$id"
reference=$job
for file in views.png thumbnails.png map.json; do
    [ -s "$job/pictures/$file" ] || fail "job $id has no $file: $(cat "$job/log")"
done
for ranks in 2 4 2; do
    submit "${small[@]}" --method "$@" --ranks $ranks
    finish "$id"
    [ "$(field "$id" ranks)" = $ranks ] || fail "job $id ran on $(field "$id" ranks) ranks"
    same_run "$reference" "$job"
    say "$ranks ranks: the bytes of 1"
done
submit "${small[@]}" --method "$@" --ranks 2 --seed 6
finish "$id"
cmp -s "$(last_commit "$reference")/model.safetensors" "$(last_commit "$job")/model.safetensors" &&
    fail "another seed gave the same weights"

pass
