#!/bin/bash
# tests/system/same_bits.sh METHOD [FLAG...] -- 1, 2 and 4 ranks, and one that recomputes activations, give the same bytes.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

work=("${small[@]}" --method "$@")

# compare RANKS [FLAG...]
compare() {
    submit "${work[@]}" --ranks "$@"
    finish "$id"
    [ "$(field "$id" ranks)" = "$1" ] || fail "job $id ran on $(field "$id" ranks) ranks"
    same_run "$reference" "$job"
    say "--ranks $*: the bytes of 1"
}

start_daemon
submit "${work[@]}" --ranks 1
finish "$id"
reference=$job
for file in views.png thumbnails.png map.json; do
    [ -s "$job/pictures/$file" ] || fail "job $id has no $file: $(cat "$job/log")"
done
compare 2
compare 4
compare 2 --recompute yes
submit "${work[@]}" --ranks 2 --seed 6
finish "$id"
cmp -s "$(last_commit "$reference")/model.safetensors" "$(last_commit "$job")/model.safetensors" &&
    fail "another seed gave the same weights"

pass
