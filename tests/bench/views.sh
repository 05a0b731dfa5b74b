#!/bin/bash
# tests/bench/views.sh -- SimCLR views a second and core, beside torchvision on PIL images, in turn.
#
#     tests/bench/views.sh [BUILD_DIR [ROUNDS]]
#
# Decoded images: 32x32 to 32, 500x375 to 224.  PEERS names the Pythons with torchvision, by spaces
# (/usr/bin/python3); a ratio is to the fastest.  CPU time of one thread; medians.  Prints a table.

set -eu

cd "$(dirname "$0")/../.."
build=${1:-build}
rounds=${2:-3}
read -ra peers <<<"${PEERS:-/usr/bin/python3}"
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cmake --build "$build" --target bench.views >/dev/null

theirs() { # PYTHON HEIGHT WIDTH SIZE
    "$1" - "$2" "$3" "$4" <<'PY'
import sys, time
import numpy as np, torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)
height, width, size = map(int, sys.argv[1:])
row, column = np.mgrid[0:height, 0:width]
image = Image.fromarray(np.stack([(column * 7 + row * 3 + 80 * c) & 255 for c in range(3)], 2).astype(np.uint8))
blur = max(3, size // 20 * 2 + 1)
view = T.Compose([T.RandomResizedCrop(size), T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
                  T.RandomGrayscale(0.2), T.RandomApply([T.GaussianBlur(blur, (0.1, 2.0))], p=0.5), T.ToTensor(),
                  T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
start, count = time.thread_time(), 0
while time.thread_time() - start < 3:
    view(image)
    count += 1
print(round(count / (time.thread_time() - start), 1))
PY
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '| image, view | akssl, views/s | peers | ratio |\n|---|---|---|---|\n'
for work in "32 32 32" "375 500 224"; do
    read -r height width size <<<"$work"
    for _ in $(seq "$rounds"); do
        "$build/tests/bench.views" "$height" "$width" "$size" >>"$dir/$size"
        for i in "${!peers[@]}"; do theirs "${peers[i]}" "$height" "$width" "$size" >>"$dir/$size.$i"; done
    done
    best=0 rates=
    for i in "${!peers[@]}"; do
        rate=$(median "$dir/$size.$i")
        rates+="$rate "
        best=$(awk -v a="$rate" -v b="$best" 'BEGIN { print (a > b ? a : b) }')
    done
    awk -v o="$(median "$dir/$size")" -v b="$best" -v rates="$rates" -v work="${width}x$height, $size" \
        'BEGIN { printf "| %s | %.1f | %s | **%.1f** |\n", work, o, rates, o / b }'
done
