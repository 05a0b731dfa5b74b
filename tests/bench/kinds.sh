#!/bin/bash
# tests/bench/kinds.sh [BIN_DIR [EPOCHS]] -- do all kinds of data sets train to the same accuracy on the same images?
#
# The first 10,000 training images of Fashion-MNIST and all held-out ones, as IDX files, a folder of PNG, tar shards and
# a packed file; SimCLR on a ResNet-18, kNN and a ridge probe on all labels: a row of accuracy.md's table each, with
# digests of all losses, bit for bit, and of the weights.  It fails when a kind differs from the first.

set -eu -o pipefail

cd "$(dirname "$0")/../.."
bin=$(cd "${1:-build/bin}" && pwd)
epochs=${2:-5}
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
# shellcheck source=tests/bench/lib.sh
. tests/bench/lib.sh
trap 'end_daemon; rm -rf "$dir"' EXIT
own_daemon "$dir/state" "$dir/s" --slots 2

"$bin/../tests/system.pixels" "$dir/set" 10000 10000
mkdir "$dir/tar"
for part in train val; do # a shard a thousand samples
    for shard in 0 1 2 3 4 5 6 7 8 9; do
        (cd "$dir/set/samples/$part" && seq -f %05.0f $((shard * 1000)) $((shard * 1000 + 999)) | sed 's/.*/&.png\n&.cls/' |
            tar --sort=name -cf "$dir/tar/$part-$shard.tar" -T -)
    done
done
"$bin/akssl-client" pack "folder:$dir/set/folder" "$dir/set.akpacked" >&2

figure() { jq -r ".results[\"$1\"]" "$folder/result.json"; }
losses() { # the losses as floats, from TensorBoard's file: text would round them
    python3 - "$folder/tensorboard/metrics/events.out.tfevents.akssl" <<'PY'
import re, sys
with open(sys.argv[1], "rb") as f:
    data = f.read()
print(b"".join(re.findall(rb"\n\x04loss\x15(.{4})", data, re.S)).hex())
PY
}

echo '| images | kNN before | kNN after | probe | losses | weights |'
echo '|---|---|---|---|---|---|'
first=
for set in "idx:$dir/set/idx" "folder:$dir/set/folder" "tar:$dir/tar" "packed:$dir/set.akpacked"; do
    job=$("$bin/akssl-client" submit --parsable --method simclr --dataset "$set" --image-size 28 --batch 256 --epochs "$epochs" \
        --optimizer adam --lr 1e-3 --weight-decay 1e-6 --augment min_scale=0.2 --option temperature=0.5 \
        --shards 8 --eval knn,probe --probe-labels 10000)
    "$bin/akssl-client" wait "$job" >&2
    folder=$dir/state/jobs/$job
    # An export says in its metadata where its images came from: what counts is its tensors.
    row=$(printf '%.2f | %.2f | %.2f | %.8s | %.8s' "$(figure before.knn.top1)" "$(figure after.knn.top1)" "$(figure after.probe.top1)" \
        "$(losses | sha256sum)" "$(sha256sum <"$(find "$folder/commits" -name 'step-*' | sort -V | tail -n 1)/model.safetensors")")
    echo "| \`${set%%:*}:\` | $row |"
    [ "${first:=$row}" = "$row" ] || { echo "kinds.sh: ${set%%:*} differs from idx" >&2; exit 1; }
done
