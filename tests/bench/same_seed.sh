#!/bin/bash
# tests/bench/same_seed.sh -- akssl and PyTorch on one seed: the peer's own first weights and views in both.
#
#     PEER=peer_torch.py tests/bench/same_seed.sh [BIN_DIR]        METHODS, SEEDS and RANKS as accuracy.sh has them
#
# RANKS is PyTorch's threads too; two scripts with 1 are quicker than one with 2.  With PEER_TRAINS=no PyTorch only draws.
#
# The run of accuracy.sh: five epochs of 10,000 Fashion-MNIST images, batch 256, Adam 1e-3.  The peer draws its
# weights and views as it always does; akssl-worker replay trains from the same ones, and the peer's own
# evaluation judges both backbones.  A run needs 1.3 GB in TMPDIR while it lasts.

set -eu -o pipefail

cd "$(dirname "$0")/../.."
bin=$(cd "${1:-build/bin}" && pwd)
: "${PEER:?"same_seed.sh: PEER=peer_torch.py names the PyTorch script"}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks=${RANKS:-2}
flags=(--images 10000 --size 32 --batch 256 --epochs 5 --lr 1e-3 --min-scale 0.2)

torch() { (unset OPENBLAS_CORETYPE && /usr/bin/python3 tests/bench/same_seed.py "$@" "${flags[@]}" --seed "$seed" --threads "$ranks"); }
figures() { jq -r '"knn \(.knn20_top1) probe \(.ridge_500_labels_top1)"'; }

run() { # METHOD
    local ours theirs
    if [ "${PEER_TRAINS:-yes}" = yes ]; then
        torch keep "$PEER" "$dir" "$1" >"$dir/peer.json"
        theirs=$(figures <"$dir/peer.json")
    else
        torch draw "$PEER" "$dir" "$1"
        theirs='not run'
    fi
    printf '%s\n' "method: $1" 'backbone: resnet18' 'image-size: 32' 'batch: 256' 'shards: 8' 'batch-norm: sync' \
        'optimizer: adam' 'lr: 1e-3' 'weight-decay: 1e-6' "option:" >"$dir/spec.yaml"
    peer_options "$1" | tr ',' '\n' | sed 's/^/  /; s/=/: /' >>"$dir/spec.yaml"
    mpirun -np "$ranks" --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "$bin/akssl-worker" replay \
        --spec "$dir/spec.yaml" --init "$dir/init" --views "$dir/views" --steps 195 --out "$dir/out"
    ours=$(torch judge "$PEER" "$dir/out" | figures)
    printf '%-14s seed %s: akssl %s, PyTorch %s\n' "$1" "$seed" "$ours" "$theirs"
    rm "$dir/init" "$dir/views" "$dir/out"
}

for seed in ${SEEDS:-0}; do
    for method in ${METHODS:-barlow_twins byol dino moco_v2 moco_v3 simclr simsiam swav}; do run "$method"; done
done
