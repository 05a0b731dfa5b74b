#!/bin/bash
# tests/bench/photos.sh [BIN_DIR [SECONDS]] -- what decoding and augmenting real photographs takes of a
# training step at 224 x 224, as folder: and packed, in one run.
#
# The photographs are those of Debian's mate-backgrounds (JPEG, 1 to 18 megapixels).  A line is a
# backbone and a form of the set: seconds of a step in which threads decode and augment its images, and their share; `idle`, the
# share in which a thread stood still for want of an image; for folder: in the first epochs, in which each photograph is
# decoded, in later ones, and in the whole run.  All figures are of one run, so that the shares also hold on a busy machine.

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
ln -s "$photos"/nature/*.jpg "$photos"/abstract/*.jpg "$dir/set/photo/"
"$bin/akssl-worker" pack --dataset "folder:$dir/set" --side 512 --out "$dir/set.akpacked" >&2

# measure BACKBONE SET SECONDS: steps, seconds of all of them, of their images, of threads without one.
measure() {
    "$bin/akssl-worker" bench --method simclr --backbone "$1" --dataset "$2" --image-size 224 --batch 8 --shards 2 \
        --seconds "$3" | jq -r '[.steps + 2, (.seconds_by_kind | add), .seconds_by_kind.augmentation, .seconds_idle_for_images] | @tsv'
}
# line BACKBONE FORM STEPS SECONDS IMAGES IDLE
line() {
    awk -v n="$1" -v f="$2" -v s="$3" -v t="$4" -v i="$5" -v w="$6" \
        'BEGIN { printf "%-28s %-14s %6d %10.2f %10.3f %7.1f%% %7.1f%%\n", n, f, s, t / s, i / s, 100 * i / t, 100 * w / t }'
}
minus() { awk -v a="$1" -v b="$2" 'BEGIN { print a - b }'; }

printf '%-28s %-14s %6s %10s %10s %8s %8s\n' backbone images steps 'step [s]' 'images [s]' share idle
for backbone in resnet50 vit_small:patch_size=16; do
    read -r few few_s few_images few_idle < <(measure "$backbone" "folder:$dir/set" "$((seconds / 10))")
    read -r all all_s all_images all_idle < <(measure "$backbone" "folder:$dir/set" "$seconds")
    line "$backbone" 'folder, first' "$few" "$few_s" "$few_images" "$few_idle"
    line "$backbone" 'folder, then' $((all - few)) "$(minus "$all_s" "$few_s")" "$(minus "$all_images" "$few_images")" "$(minus "$all_idle" "$few_idle")"
    line "$backbone" 'folder, all' "$all" "$all_s" "$all_images" "$all_idle"
    read -r all all_s all_images all_idle < <(measure "$backbone" "packed:$dir/set.akpacked" "$((seconds / 3))")
    line "$backbone" packed "$all" "$all_s" "$all_images" "$all_idle"
done
