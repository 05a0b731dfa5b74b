#!/bin/bash
# tests/cpu.sh [BIN_DIR] -- --instructions avx2 gives the bits of a CPU that has no more, whatever CPU computes.
#
# Two steps of a ResNet and of a vision transformer, here and on the Haswell of Debian's qemu-user.
# A minute or three; ends with 77, skipped, where there is no qemu-x86_64 or this CPU has no AVX2.

set -eu

cd "$(dirname "$0")/.."
bin=${1:-build/bin}
emulator=$(command -v qemu-x86_64) || { echo "cpu.sh: skipped: there is no qemu-x86_64" && exit 77; }
grep -qw avx2 /proc/cpuinfo || { echo "cpu.sh: skipped: this CPU has no AVX2" && exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# Views: any numbers do, the same each time.
/usr/bin/python3 - "$dir/views" <<'END'
import array, json, random, struct, sys

BATCH, SIDE, STEPS = 4, 32, 2
chance, header, data = random.Random(1), {}, array.array("f")
for step in range(STEPS):
    for view in (0, 1):
        begin = 4 * len(data)
        data.extend(chance.gauss(0, 1) for _ in range(BATCH * 3 * SIDE * SIDE))
        header[f"step{step}.view{view}"] = {"dtype": "F32", "shape": [BATCH, 3, SIDE, SIDE], "data_offsets": [begin, 4 * len(data)]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data.tobytes())
END

for backbone in resnet18 vit_tiny:patch_size=16; do
    printf 'method: dino\nbackbone: %s\ndataset: fashion-mnist\nbatch: 4\nshards: 2\nepochs: 1\ninstructions: avx2\n' "$backbone" >"$dir/spec"
    printf 'option:\n  num_crops: 0\n  hidden_dim: 64\n  projection_dim: 1024\n' >>"$dir/spec"
    replay=("$bin/akssl-worker" replay --spec "$dir/spec" --views "$dir/views" --steps 2)
    "${replay[@]}" --out "$dir/here"
    "$emulator" -cpu Haswell "${replay[@]}" --out "$dir/there" 2>"$dir/said" || {
        cat "$dir/said"
        exit 1
    }
    cmp "$dir/here" "$dir/there" || { echo "cpu.sh: FAILED: $backbone: an older CPU computes other bits" && exit 1; }
    echo "cpu.sh: $backbone: $(sha256sum <"$dir/here" | cut -c1-16) on both"
done
echo "cpu.sh: passed"
