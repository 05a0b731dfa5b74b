#!/bin/bash
# tests/bench/photos.sh [BIN_DIR [SECONDS]] -- what decoding and augmenting real photographs takes of a
# training step at 224 x 224, as folder: and packed, in one run.
#
# The photographs are those of Debian's mate-backgrounds (JPEG, 1 to 18 megapixels).  A line is a
# backbone and a form of the set: seconds of a step that go to its images, and their share; for
# folder: in the first epochs, in which each photograph is decoded, in later ones, and in the whole run.  All
# figures are of one run, so that the share also holds on a busy machine.

set -eu -o pipefail

bin=${1:-build/bin}
seconds=${2:-100}
photos=/usr/share/backgrounds/mate
[ -d "$photos/nature" ] || {
    echo "photos.sh: install mate-backgrounds first" >&2
    exit 1
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl-photos.XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/set/photo"
for file in "$photos"/nature/*.jpg "$photos"/abstract/*.jpg; do ln -s "$file" "$dir/set/photo/"; done
"$bin/akssl-worker" pack --dataset "folder:$dir/set" --side 512 --out "$dir/set.akpacked" >&2

# measure BACKBONE SET SECONDS: steps, seconds of all of them, seconds of their images.
measure() {
    "$bin/akssl-worker" bench --method simclr --backbone "$1" --dataset "$2" --image-size 224 --batch 8 --shards 2 \
        --seconds "$3" | jq -r '[.steps + 2, (.seconds_by_kind | add), .seconds_by_kind.augmentation] | @tsv'
}
# line BACKBONE FORM STEPS SECONDS IMAGES
line() { awk -v n="$1" -v f="$2" -v s="$3" -v t="$4" -v i="$5" 'BEGIN { printf "%-28s %-14s %6d %10.2f %10.3f %7.1f%%\n", n, f, s, t / s, i / s, 100 * i / t }'; }
minus() { awk -v a="$1" -v b="$2" 'BEGIN { print a - b }'; }

printf '%-28s %-14s %6s %10s %10s %8s\n' backbone images steps 'step [s]' 'images [s]' share
for backbone in resnet50 vit_small:patch_size=16; do
    read -r few seconds_few images_few < <(measure "$backbone" "folder:$dir/set" "$((seconds / 10))")
    read -r all seconds_all images_all < <(measure "$backbone" "folder:$dir/set" "$seconds")
    line "$backbone" 'folder, first' "$few" "$seconds_few" "$images_few"
    line "$backbone" 'folder, then' $((all - few)) "$(minus "$seconds_all" "$seconds_few")" "$(minus "$images_all" "$images_few")"
    line "$backbone" 'folder, all' "$all" "$seconds_all" "$images_all"
    read -r all seconds_all images_all < <(measure "$backbone" "packed:$dir/set.akpacked" "$((seconds / 3))")
    line "$backbone" packed "$all" "$seconds_all" "$images_all"
done
