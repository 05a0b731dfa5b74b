#!/bin/bash
# tests/bench/accuracy.sh -- do SimCLR and MoCo v2 learn as they do in PyTorch?
#
#     tests/bench/accuracy.sh [BIN_DIR]       about 25 minutes on two cores
#     PEER=peer_torch.py tests/bench/accuracy.sh   the same runs in PyTorch too
#
# Five epochs of 10,000 Fashion-MNIST images, seeds 0, 1, 2, on 1 and on 2 ranks; a row a run.

set -eu

bin=$(cd "${1:-$(dirname "$0")/../../build/bin}" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
export AKSSL_SERVER="unix:$dir/s"
"$bin/akssld" --state-dir "$dir/state" --socket "$dir/s" --slots 2 --log-level warn &
daemon=$!
trap 'kill $daemon; wait $daemon 2>/dev/null || true; rm -rf "$dir"' EXIT
until "$bin/akssl-client" list >/dev/null 2>&1; do
    kill -0 $daemon || exit 1
    sleep 0.2
done

run() { # METHOD SEED RANKS OPTION...
    local method=$1 seed=$2 ranks=$3 job folder
    shift 3
    job=$("$bin/akssl-client" submit --method "$method" --dataset fashion-mnist \
        --limit-images 10000 --image-size 32 --batch 256 --epochs 5 --optimizer adam --lr 1e-3 \
        --weight-decay 1e-6 --augment min_scale=0.2 --batch-norm sync --seed "$seed" --shards 8 \
        --ranks "$ranks" --eval knn,probe --parsable "$@")
    "$bin/akssl-client" wait "$job" >/dev/null
    folder=$dir/state/jobs/$job
    printf 'akssl %s seed %s ranks %s: knn %.2f probe %.2f weights %s\n' "$method" "$seed" "$ranks" \
        "$(sed -n 's/.*"after.knn.top1": \([0-9.]*\).*/\1/p' "$folder/result.json")" \
        "$(sed -n 's/.*"after.probe.top1": \([0-9.]*\).*/\1/p' "$folder/result.json")" \
        "$(sha256sum <"$folder/export/backbone.safetensors" | cut -c1-16)"
}

for seed in 0 1 2; do
    for ranks in 1 2; do
        run simclr "$seed" "$ranks" --option temperature=0.5
        run moco_v2 "$seed" "$ranks" --option K=4096,m=0.99,temperature=0.2
    done
    if [ -n "${PEER:-}" ]; then
        for method in simclr moco_v2; do
            /usr/bin/python3 "$PEER" $method --images 10000 --size 32 --batch 256 --epochs 5 \
                --lr 1e-3 --min-scale 0.2 --seed "$seed"
        done
    fi
done
