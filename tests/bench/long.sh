#!/bin/bash
# tests/bench/long.sh -- what longer training buys: 20 epochs of all 60,000 Fashion-MNIST images.
#
#     tests/bench/long.sh STATE_DIR [BIN_DIR]      hours; METHODS="simclr swav" chooses, RANKS=1 runs two at once, PRECISION=bf16
#
# ResNet-18 (torchvision's stem) at 32x32, batch 256, Adam 1e-3 after one epoch of warm-up, half a cosine to 0;
# kNN, a ridge probe on 500 labels and logistic regression on all labels before, every 5 epochs, and after.
# It can be stopped at any time and called again: STATE_DIR keeps the jobs, which go on from their last commits.

set -eu

state=${1:?"STATE_DIR: where the jobs are kept"}
cd "$(dirname "$0")/../.."
bin=$(cd "${2:-build/bin}" && pwd)
mkdir -p "$state"
state=$(cd "$state" && pwd)
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
trap end_daemon EXIT
own_daemon "$state" "$state/s" --slots 2

submit() { # METHOD OPTIONS
    local job
    [ ! -f "$state/$1.job" ] || return 0
    job=$("$bin/akssl-client" submit --name "$1" --method "$1" --dataset fashion-mnist --image-size 32 --batch 256 \
        --epochs 20 --optimizer adam --lr 1e-3 --schedule cosine --warmup-epochs 1 --weight-decay 1e-6 \
        --augment min_scale=0.2 --batch-norm sync --seed 0 --shards 8 --ranks "${RANKS:-2}" --precision "${PRECISION:-fp32}" --keep 1 --commit-every 117 \
        --eval knn,probe,linear --probe 5 --option "$2" --parsable)
    echo "$job" >"$state/$1.job"
}

for method in ${METHODS:-simclr swav dino byol}; do
    case $method in
    simclr) submit simclr temperature=0.2 ;;
    swav) submit swav hidden_dim=2048,projection_dim=128,num_prototypes=512,use_the_queue=false,freeze_prototypes_niters=234,num_crops=0 ;;
    dino) submit dino projection_dim=4096,momentum_teacher=0.996,num_crops=0 ;;
    byol) submit byol hidden_dim=4096,moving_average_decay=0.99 ;;
    *) echo "long.sh: no such method here: '$method'" >&2; exit 1 ;;
    esac
done
for method in ${METHODS:-simclr swav dino byol}; do
    job=$(cat "$state/$method.job")
    "$bin/akssl-client" wait "$job" >/dev/null
    echo "== $method: before and after, then each evaluation in between"
    cat "$state/jobs/$job/result.json"
    cat "$state/jobs/$job/evaluations.jsonl"
done
