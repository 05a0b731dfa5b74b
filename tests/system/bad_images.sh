#!/bin/bash
# tests/system/bad_images.sh -- broken images are named and stood in for, alike on 1 rank and 2, or
# fail the job; other images than at submit pause it; sets without labels are refused an evaluation.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ -r "$fashion/train-images-idx3-ubyte.gz" ] || skip "dataset-fashion-mnist is not installed"
"$bin/../tests/system.pixels" "$dir/p" 256 50 || fail "the images cannot be made"
set=$dir/p/folder
breaks() { find "$set/train/$1" -name '*.png' | sort | sed -n "$2p"; }

truncate -s 100 "$(breaks 0 1)"
: >"$(breaks 1 2)"
printf 'no image' >"$(breaks 2 3)"
head -c 300 /dev/urandom >>"$(breaks 3 4)" # behind the end of a PNG: harmless
bomb=$(breaks 4 5)
{
    printf '\211PNG\r\n\32\n\0\0\0\rIHDR\0\0\377\377\0\0\377\377\10\6\0\0\0'
    printf '\0\0\0\0\0\0\0\0IDAT'
} >"$bomb"
"$bin/akssl-worker" data --dataset "folder:$set" --decode >"$dir/out" || fail "data"
[ "$(jq '.bad | length' "$dir/out")" -eq 4 ] || fail "data names $(jq -c .bad "$dir/out")"
jq -r '.bad[] | .wrong' "$dir/out"

start_daemon
client --json submit "${small[@]}" --dataset "folder:$set" --limit-images 0 --dry-run |
    jq -e '.prediction | .memory_gib > 0 and .decoded_images_gib == 0.5' >/dev/null || fail "no memory is foreseen for decoded images"
submit "${small[@]}" --dataset "folder:$set" --limit-images 0 --ranks 1 --epochs 2
finish "$id"
one=$job
submit "${small[@]}" --dataset "folder:$set" --limit-images 0 --ranks 2 --epochs 2
finish "$id"
same_run "$one" "$job"
jq -e '.results["data.bad_images"] == 4' "$job/result.json" >/dev/null ||
    fail "result.json counts $(jq -c .results "$job/result.json")"
for number in 0/ 1/ 2/ 4/; do
    grep -q "bad image '$number" "$job/log" || fail "the log does not name the bad image of class $number"
done
say "$(grep -h 'bad image' "$one/log" | sort | head -n 1)"

submit "${small[@]}" --dataset "folder:$set" --limit-images 0 --ranks 2 --on-bad-image fail \
    --max-restarts 0
finish "$id" FAILED
field "$id" reason | has "on-bad-image skip" || fail "it failed for '$(field "$id" reason)'"
say "$(field "$id" reason)"

# Other images at a resume: the job pauses, and goes on once they are back.
submit "${small[@]}" --dataset "folder:$set" --limit-images 0 --ranks 2 --epochs 2000 --commit-every 2
wait_for 60 committed "$id" 2 || fail "no commit"
# Its ranks keep decoded images together: both have the same memory.
memories() { for pid in $(processes akssl-worker); do awk '/memfd:akssl-images/ { print $5 }' "/proc/$pid/maps"; done; }
[ "$(memories | wc -l) $(memories | sort -u | wc -l)" = "2 1" ] || fail "the ranks keep images in $(memories | xargs)"
client pause "$id" >/dev/null
wait_for 60 test "$(field "$id" state)" || fail "no state"
paused() { [ "$(field "$id" state)" = PAUSED ]; }
wait_for 60 paused || fail "it does not pause"
file=$(breaks 5 1)
mv "$file" "$dir/away.png"
cp "$(breaks 6 1)" "$file"
client resume "$id" >/dev/null || fail "resume"
sees_it() { paused && field "$id" reason | has fingerprint; }
wait_for 60 sees_it || fail "other images are not noticed: $(field "$id" state) $(field "$id" reason)"
say "$(field "$id" reason)"
mv "$dir/away.png" "$file"
client resume "$id" >/dev/null || fail "resume"
runs() { [ "$(field "$id" state)" = RUNNING ]; }
wait_for 60 runs || fail "it does not go on: $(field "$id" reason)"
client cancel "$id" >/dev/null

# Without class folders there are no labels.
mkdir "$dir/flat"
find "$set/train/5" "$set/train/6" "$set/train/7" -name '*.png' -exec cp {} "$dir/flat/" \;
refused 2 'no held-out part|no labels' "$bin/akssl-client" submit "${small[@]}" --batch 16 \
    --limit-images 0 --dataset "folder:$dir/flat" --eval knn
refused 2 'no held-out part|no labels' "$bin/akssl-client" submit "${small[@]}" --batch 16 \
    --limit-images 0 --dataset "folder:$dir/flat" --probe 1
refused 2 'no labels' "$bin/akssl-client" submit "${small[@]}" --batch 16 --limit-images 0 \
    --dataset "folder:$dir/flat,test=$dir/flat" --eval knn
submit "${small[@]}" --batch 16 --limit-images 0 --dataset "folder:$dir/flat"
finish "$id"

# Split files and classes.
find "$set/train" -name '*.png' -printf '%P\n' | sort | sed -n '1~2p' >"$dir/half.txt"
submit "${small[@]}" --batch 16 --limit-images 0 --dataset "folder:$set" --train-list "$dir/half.txt" \
    --classes 5,6-8
finish "$id"
echo 5/nobody.png >>"$dir/half.txt"
refused 2 'nobody' "$bin/akssl-client" submit "${small[@]}" --dataset "folder:$set" \
    --train-list "$dir/half.txt"
refused 2 'no class .shoe' "$bin/akssl-client" submit "${small[@]}" --dataset "folder:$set" \
    --classes shoe

daemon_lives "bad images"
pass
