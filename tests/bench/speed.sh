#!/bin/bash
# tests/bench/speed.sh -- images a second of the bare training step beside PyTorch, in turn.
#
#     PEER=peer_torch.py tests/bench/speed.sh [BIN_DIR] [ROUNDS]
#
# SimCLR, ResNet-18, ready-made views of 32x32, batch 256, on all cores: akssl as one rank with a
# thread a core and as one rank a core, then the peer with a thread a core.  Prints each round, and
# the ratios of the medians.

set -eu

bin=$(cd "${1:-$(dirname "$0")/../../build/bin}" && pwd)
rounds=${2:-3}
cores=$(nproc)
: "${PEER:?name the peer script: PEER=peer_torch.py $0}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT

rate() { sed -n 's/.*"images_per_s": \([0-9.]*\).*/\1/p'; }
median() { sort -n "$dir/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for round in $(seq "$rounds"); do
    "$bin/akssl-worker" bench --ready-views --seconds 10 | rate >>"$dir/threads"
    mpirun --bind-to none -np "$cores" "$bin/akssl-worker" bench --ready-views --seconds 10 \
        --shards 8 | rate >>"$dir/ranks"
    OMP_NUM_THREADS=$cores OPENBLAS_NUM_THREADS=$cores /usr/bin/python3 "$PEER" simclr \
        --ready-views --images 5120 --epochs 1 --no-eval --threads "$cores" | rate >>"$dir/peer"
    echo "round $round: threads $(tail -n 1 "$dir/threads") ranks $(tail -n 1 "$dir/ranks")" \
        "peer $(tail -n 1 "$dir/peer")"
done
for way in threads ranks; do
    awk -v ours="$(median $way)" -v peer="$(median peer)" -v way=$way \
        'BEGIN { printf "%s: median %.1f images/s, %.2f of the peer'\''s %.1f\n", way, ours, ours / peer, peer }'
done
