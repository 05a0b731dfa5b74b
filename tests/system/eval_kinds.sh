#!/bin/bash
# tests/system/eval_kinds.sh -- linear, finetune, knn and embed from a pretrained job: the same bytes
# on 1 and 2 ranks, a killed rank changes nothing, and other programs read what embed writes.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

images=512 held_out=700

figure() { jq -r ".results.\"$2\" // empty" "$1/result.json"; }

# above JOB_FOLDER NAME NUMBER: a result is over what chance gives.
above() {
    local got
    got=$(figure "$1" "$2")
    jq -en "${got:-0} > $3" >/dev/null || fail "$2 is '$got', not above $3"
}

same_results() {
    diff <(jq -S .results "$1/result.json") <(jq -S .results "$2/result.json") ||
        fail "the results of $1 and $2 differ"
}

same_classifier() {
    same_run "$1" "$2"
    cmp "$1/export/classifier.safetensors" "$2/export/classifier.safetensors" ||
        fail "the classifiers of $1 and $2 differ"
    same_results "$1" "$2"
}

# values FILE FROM lists the tensors' bytes of a safetensors file.
values() { tail -c +$((9 + $(od -An -tu8 -N 8 "$1"))) "$1"; }

part train $images
part t10k $held_out
set=(--dataset "idx:$dir/set" --image-size 16 --batch 64 --shards 8 --seed 5)

start_daemon
submit "${set[@]}" --epochs 1 --lr 1e-3 --eval linear,knn,probe
finish "$id"
source=$id
weights=$job/export/backbone.safetensors
for result in before.linear.top1 after.linear.top1 before.knn.top1 after.probe.top1; do
    above "$job" $result 30
done
above "$job" after.linear.top5 80

# ---- classifiers

from=(--from-job "$source" --batch 64 --shards 8 --seed 5)
sgd=(--optimizer sgd --lr 0.1 --weight-decay 0 --schedule cosine)
for flags in "linear --augment recipe=none --epochs 20" "linear --epochs 4" \
    "finetune --epochs 2 --fine-tuning-data-proportion 0.5 --lr 0.01"; do
    for ranks in 1 2; do
        # shellcheck disable=SC2086 # a list
        submit "${from[@]}" "${sgd[@]}" --kind $flags --ranks $ranks
        finish "$id"
        [ "$(field "$id" ranks)" = $ranks ] || fail "job $id ran on $(field "$id" ranks) ranks"
        [ $ranks = 1 ] && reference=$job
    done
    same_classifier "$reference" "$job"
    kind=${flags%% *}
    [ "$(tensors "$job/export/classifier.safetensors" | grep -v __metadata__ | xargs)" = \
        "fc.bias fc.weight" ] || fail "the classifier's tensors"
    if [ "$kind" = linear ]; then
        cmp <(values "$weights") <(values "$job/export/backbone.safetensors") ||
            fail "the frozen backbone has changed"
        above "$job" linear.top1 30
        above "$job" linear.top5 75
    else
        cmp -s <(values "$weights") <(values "$job/export/backbone.safetensors") &&
            fail "the backbone was not trained"
        above "$job" finetune.top5 40
        [ "$(field "$id" progress.total_steps)" = 8 ] || fail "half of $images are 4 batches of 64"
    fi
    above "$job" "$kind.train_loss" 0
    say "$flags: $(figure "$job" "$kind.top1") %, 2 ranks have the bytes of 1"
done

# A killed rank: the same classifier.
long=("${from[@]}" "${sgd[@]}" --kind linear --epochs 60 --commit-every 6 --ranks 2)
submit "${long[@]}"
finish "$id"
reference=$job
submit "${long[@]}"
wait_for 100 committed "$id" 12 || fail "job $id has no commit at step 12"
at=$(field "$id" committed_step)
ranks=$(processes akssl-worker)
# shellcheck disable=SC2086 # a list: take its last
set -- $ranks
[ $# -ge 2 ] || fail "not two ranks: $(describe)"
kill -KILL "${!#}" || fail "no rank to kill"
finish "$id"
[ "$(field "$id" restarts)" -ge 1 ] || fail "killed too late to restart"
same_classifier "$reference" "$job"
say "linear, killed after step $at: the bytes of the run that was not"

# ---- neighbours

for ranks in 1 2; do
    submit --kind knn "${from[@]}" --knn-k 5 --knn-temperature 0.1 --topk 3 --ranks $ranks
    finish "$id"
    [ $ranks = 1 ] && reference=$job
done
same_results "$reference" "$job"
above "$job" knn.top1 40
above "$job" knn.top3 "$(figure "$job" knn.top1)"
[ -z "$(figure "$job" knn.top5)" ] || fail "knn.top5 with --topk 3"
submit --kind knn "${from[@]}" --topk 1000
finish "$id"
above "$job" knn.top10 "$(figure "$job" knn.top1)" # there are ten classes

# ---- features for others

for ranks in 1 2; do
    submit --kind embed "${from[@]}" --ranks $ranks
    finish "$id"
    [ $ranks = 1 ] && reference=$job
done
for file in train_features train_labels test_features test_labels; do
    cmp "$reference/export/$file.npy" "$job/export/$file.npy" || fail "$file.npy differs"
done

# npy FILE: the header's dictionary.
npy() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 934e554d50590100 ] || fail "$1 is no .npy 1.0"
    tail -c +11 "$1" | head -c "$(od -An -tu2 -j 8 -N 2 "$1" | tr -d ' ')" | sed 's/ *$//'
}
array() { tail -c +$((11 + $(od -An -tu2 -j 8 -N 2 "$1"))) "$1"; }
export=$job/export
for row in "train_features '<f4' ($images,512)" "train_labels '<i8' ($images,)" \
    "test_features '<f4' ($held_out,512)" "test_labels '<i8' ($held_out,)"; do
    read -r file type shape <<<"$row"
    want="{'descr': $type, 'fortran_order': False, 'shape': ${shape/,5/, 5}, }"
    [ "$(npy "$export/$file.npy")" = "$want" ] || fail "$file.npy: $(npy "$export/$file.npy")"
done
for pair in "train train" "t10k test"; do
    read -r from_part to_part <<<"$pair"
    diff <(tail -c +9 "$dir/set/$from_part-labels-idx1-ubyte" | od -An -v -tu1 -w1 | tr -d ' ') \
        <(array "$export/${to_part}_labels.npy" | od -An -v -td8 -w8 | tr -d ' ') ||
        fail "the labels of $to_part"
    "$bin/akssl-worker" features --weights "$weights" --dataset "idx:$dir/set" \
        --split "$to_part" --out "$dir/features.safetensors" || fail "features"
    array "$export/${to_part}_features.npy" >"$dir/features"
    cmp -n "$(stat -c %s "$dir/features")" "$dir/features" <(values "$dir/features.safetensors") ||
        fail "embed and features differ on $to_part"
done
if python3 -c 'import numpy' 2>/dev/null; then
    python3 - "$export" $images $held_out <<'PYTHON' || fail "numpy reads something else"
import sys, numpy
folder, sizes = sys.argv[1], {"train": int(sys.argv[2]), "test": int(sys.argv[3])}
for part, size in sizes.items():
    x = numpy.load(f"{folder}/{part}_features.npy", allow_pickle=False)
    y = numpy.load(f"{folder}/{part}_labels.npy", allow_pickle=False)
    assert x.shape == (size, 512) and x.dtype == numpy.float32 and numpy.isfinite(x).all()
    assert y.shape == (size,) and y.dtype == numpy.int64 and 0 <= y.min() and y.max() == 9
PYTHON
    say "numpy reads what embed wrote"
fi

# ---- what is refused

no_start() { refused 2 "$@"; }
no_start 'kind linear needs weights' "$bin/akssl-client" submit "${set[@]}" --kind linear
no_start '3 labelled images, fewer than its 10 classes' \
    "$bin/akssl-client" submit "${from[@]}" --kind embed --limit-images 3
no_start 'fewer than a batch of 64' \
    "$bin/akssl-client" submit "${from[@]}" --kind finetune --fine-tuning-data-proportion 0.05
no_start 'fine-tuning-data-proportion 0 leaves no image' \
    "$bin/akssl-client" submit "${from[@]}" --kind linear --fine-tuning-data-proportion 0
mv "$dir/set/train-labels-idx1-ubyte" "$dir/labels"
for kind in linear finetune knn probe embed; do
    no_start "has no labels: $kind needs them" "$bin/akssl-client" submit "${from[@]}" --kind $kind
done

pass
