#!/bin/bash
# tests/system/same_pixels.sh -- the same images as IDX files, PNG folder, tar shards and packed file
# train to the same bytes and the same accuracy, on 1 rank or 2.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ -r "$fashion/train-images-idx3-ubyte.gz" ] || skip "dataset-fashion-mnist is not installed"
"$bin/../tests/system.pixels" "$dir/p" 300 100 || fail "the images cannot be made"

# Three shards of GNU tar, in its own format and in pax, one with folders and a name of over 100 bytes.
mkdir "$dir/tar"
long=$(printf 'a%.0s' {1..120})
shard() { # NAME FORMAT FIRST LAST
    (cd "$dir/p/samples/${1%%-*}" && seq -f %05.0f "$3" "$4" | sed 's/.*/&.png\n&.cls/' |
        tar --format="$2" --sort=name -cf "$dir/tar/$1.tar" -T -) || fail "tar"
}
shard train-0 gnu 0 99
shard train-1 pax 100 199
mkdir "$dir/long" "$dir/long/$long"
for i in $(seq -f %05.0f 200 299); do
    mv "$dir/p/samples/train/$i".* "$dir/long/$long/"
done
tar -C "$dir/long" --format=gnu --sort=name -cf "$dir/tar/train-2.tar" "$long" || fail "tar"
shard val-0 ustar 0 99

"$bin/akssl-client" pack "folder:$dir/p/folder" "$dir/set.akpacked" >"$dir/out" || fail "pack"
grep -q '300 training and 100 held-out' "$dir/out" || fail "pack said $(cat "$dir/out")"
refused 2 "no data set 'nowhere:1'" "$bin/akssl-client" pack nowhere:1 "$dir/other.akpacked"
mkdir "$dir/alone" && cp "$bin/akssl-client" "$dir/alone"
refused 1 'akssl-worker cannot be run here' /usr/bin/env PATH=/nowhere "$dir/alone/akssl-client" pack fashion-mnist "$dir/other.akpacked"
[ -e "$dir/other.akpacked" ] && fail "something was packed"

# same JOB JOB: losses, weights and optimiser; an export also says where its images came from.
same() {
    diff <(raw_losses "$1") <(raw_losses "$2") || fail "the losses of $1 and $2 differ"
    for file in model optimizer; do
        cmp "$(last_commit "$1")/$file.safetensors" "$(last_commit "$2")/$file.safetensors" ||
            fail "$file differs"
    done
    diff <(jq -S .results "$1/result.json") <(jq -S .results "$2/result.json") ||
        fail "the accuracies of $1 and $2 differ"
}

start_daemon
job_on() {
    submit "${small[@]}" --limit-images 0 --eval knn --probe-labels 100 --method simclr "$@"
    finish "$id"
}
job_on --dataset "idx:$dir/p/idx" --ranks 1
reference=$job
[ "$(raw_losses "$job" | wc -l)" -ge 4 ] || fail "the reference has $(raw_losses "$job" | wc -l) steps"
jq -e '.results | length >= 2' "$job/result.json" >/dev/null || fail "no accuracies in result.json"
ranks=2
for set in "folder:$dir/p/folder" "tar:$dir/tar/train-{0..2}.tar,test=$dir/tar/val-0.tar" \
    "tar:$dir/tar" "packed:$dir/set.akpacked" "packed:$dir/first.akpacked,from=folder:$dir/p/folder"; do
    job_on --dataset "$set" --ranks $ranks
    same "$reference" "$job"
    say "${set%%:*} on $ranks ranks: the bytes of idx"
    ranks=$((3 - ranks))
done
[ -s "$dir/first.akpacked" ] || fail "the first use packed nothing"

# A folder's images come class by class: few labels are of all classes nevertheless.
mkdir -p "$dir/sorted/train" "$dir/sorted/val"
for class in 0 1 2; do
    cp -r "$dir/p/folder/train/$class" "$dir/sorted/train/"
    cp -r "$dir/p/folder/val/$class" "$dir/sorted/val/"
done
job_on --dataset "folder:$dir/sorted" --batch 32 --probe-labels 12 --eval probe --ranks 2
jq -e '.results["after.probe.top1"] > 55' "$job/result.json" >/dev/null ||
    fail "12 labels of 3 classes give $(jq -c .results "$job/result.json")"
# Classes by number, of which the held-out part lacks the highest.
part train 300
part t10k 100
classes=$(od -An -v -tu1 -w1 -j 8 "$dir/set/t10k-labels-idx1-ubyte" | sort -n | tail -n 1 | tr -d ' ')
[ "$classes" = 9 ] || fail "the held-out labels end at $classes"
printf '\0\0\x08\x01\0\0\0\144' >"$dir/labels"
tail -c +9 "$dir/set/t10k-labels-idx1-ubyte" | tr '\011' '\010' >>"$dir/labels"
mv "$dir/labels" "$dir/set/t10k-labels-idx1-ubyte"
job_on --dataset "idx:$dir/set" --classes 7-9 --batch 32 --eval knn --ranks 1
"$bin/akssl-client" pack "idx:$dir/set" "$dir/nines.akpacked" --classes 9 >"$dir/out" 2>&1 &&
    fail "a held-out part without its class was left out: $(cat "$dir/out")"

pass
