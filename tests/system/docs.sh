#!/bin/bash
# tests/system/docs.sh BIN_DIR PAGE -- runs the `sh` blocks of deploy/doc/PAGE.md, in order, in one shell that ends at the first failure.
#
# With few and small images; AKSSL_LONG=1 runs the tutorial as it is.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

page=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
command -v gnuplot >/dev/null || skip "no gnuplot (Debian's gnuplot-nox)"
PATH=$(cd "$bin" && pwd):$PATH
export PATH HOME=$dir AKSSL_RECIPES=$top/deploy/recipes TERM=xterm LC_ALL=C.UTF-8

# blocks LANGUAGE prints what is in the fenced blocks of one.
blocks() { awk -v start="^\`\`\`$1\$" '/^```/ { on = !on && $0 ~ start; next } on' "$top/deploy/doc/$page.md"; }

# given: what the pages say is there: CIFAR-10, of random images; a finished job; solo-learn's checkpoint of its backbone.
given() {
    export CIFAR=$dir/cifar JOB CHECKPOINT=$dir/checkpoint.safetensors
    start_daemon
    submit "${small[@]}" --dataset "idx:$dir/set" --method simclr
    finish "$id"
    JOB=$id
    python3 - "$CIFAR" "$job/export/backbone.safetensors" "$CHECKPOINT" <<'PY' || fail "no images or no checkpoint"
import json, os, random, struct, sys
folder, backbone, checkpoint = sys.argv[1:]
os.mkdir(folder)
random.seed(1)
for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
    with open(f"{folder}/{name}.bin", "wb") as f:
        for i in range(120):
            f.write(bytes([i % 10]) + random.randbytes(3072))
with open(backbone, "rb") as f:
    head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    data = f.read()
head.pop("__metadata__")
head = json.dumps({f"backbone.{name}": tensor for name, tensor in head.items()}).encode()
head += b" " * (-len(head) % 8)
with open(checkpoint, "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + data)
PY
}

blocks sh >"$dir/page.sh"
[ "$(grep -c '^[a-z=$(]*akssl' "$dir/page.sh")" -ge 4 ] || fail "$page.md shows hardly any command"
part train 256
part t10k 64
if [ "$page" != tutorial ]; then
    given
elif [ -z "${AKSSL_LONG:-}" ]; then
    export data=idx:$dir/set images=256 epochs=2
fi
(cd "$dir" && timeout "${AKSSL_LONG:+3}600" bash -eu "$dir/page.sh") >"$dir/said" 2>&1 ||
    fail "$page.md ended with $?: $(tail -n 15 "$dir/said")"

if [ "$page" = tutorial ]; then
    for file in views.png pretrain.png map.png classifiers.svg backbone.safetensors backbone.onnx; do
        [ -s "$dir/akssl-tutorial/$file" ] || fail "the tutorial makes no $file"
    done
    grep -q classifier.safetensors "$dir/said" || fail "the tutorial ends without a classifier"
fi
pass
