#!/bin/bash
# tests/bench/accuracy.sh -- do the methods learn as they do in PyTorch, and do they learn more when trained longer?
#
#     tests/bench/accuracy.sh [BIN_DIR]            about 25 minutes on two cores
#     PEER=peer_torch.py tests/bench/accuracy.sh   the same runs in PyTorch too
#     METHODS="simclr dino" SEEDS="0 1 2" RANKS=1 PRECISION=bf16 tests/bench/accuracy.sh
#
# Five epochs of 10,000 Fashion-MNIST images at 32x32, batch 256, Adam 1e-3, the heads and options of
# peer_torch.py; kNN (20 neighbours) and a ridge probe on 500 labels, a row a run.  The first row is the
# untrained backbone.

set -eu

cd "$(dirname "$0")/../.."
bin=$(cd "${1:-build/bin}" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
trap 'end_daemon; rm -rf "$dir"' EXIT
own_daemon "$dir/state" "$dir/s" --slots 2

figure() { # FILE NAME
    sed -n "s/.*\"$2\": \([0-9.]*\).*/\1/p" "$1"
}


run() { # METHOD SEED
    local job folder warnings
    job=$("$bin/akssl-client" submit --method "$1" --dataset fashion-mnist --limit-images 10000 \
        --image-size 32 --batch 256 --epochs 5 --optimizer adam --lr 1e-3 --weight-decay 1e-6 \
        --augment min_scale=0.2 --batch-norm sync --seed "$2" --shards 8 --ranks "${RANKS:-2}" --precision "${PRECISION:-fp32}" \
        --eval knn,probe --option "$(peer_options "$1")" --parsable)
    "$bin/akssl-client" wait "$job" >/dev/null
    folder=$dir/state/jobs/$job
    warnings=$(grep -c 'collapse: ' "$folder/log" || true)
    [ "$first" = no ] || printf 'akssl untrained: knn %.2f probe %.2f\n' \
        "$(figure "$folder/result.json" before.knn.top1)" "$(figure "$folder/result.json" before.probe.top1)"
    first=no
    printf 'akssl %s seed %s: knn %.2f probe %.2f, %s collapse warnings, %.0f images/s, weights %s\n' "$1" "$2" \
        "$(figure "$folder/result.json" after.knn.top1)" "$(figure "$folder/result.json" after.probe.top1)" \
        "$warnings" "$(tail -n 1 "$folder/metrics.jsonl" | sed -n 's/.*"images_per_s": \([0-9.]*\).*/\1/p')" \
        "$(sha256sum <"$folder/export/backbone.safetensors" | cut -c1-16)"
}

first=yes
for seed in ${SEEDS:-0}; do
    for method in ${METHODS:-barlow_twins byol dino moco_v2 moco_v3 simclr simsiam swav}; do
        run "$method" "$seed"
        [ -z "${PEER:-}" ] || /usr/bin/python3 "$PEER" "$method" --images 10000 --size 32 --batch 256 --epochs 5 \
            --lr 1e-3 --min-scale 0.2 --seed "$seed"
    done
done
