#!/bin/bash
# tests/bench/photos.sh [BIN_DIR [SECONDS]] -- what decoding and augmenting real photographs takes of a
# training step at 224 x 224, as folder: and packed, in one run.
#
# The photographs are those of Debian's mate-backgrounds (JPEG, 1 to 18 megapixels).  A line is a
# backbone and a form of the set: seconds of a step that go to its images, and their share.  Both are
# of one run, so that the share also holds on a busy machine.

set -eu -o pipefail

bin=${1:-build/bin}
seconds=${2:-30}
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

printf '%-28s %-8s %10s %10s %8s\n' backbone images 'step [s]' 'images [s]' share
for backbone in resnet50 vit_small:patch_size=16; do
    for set in "folder:$dir/set" "packed:$dir/set.akpacked"; do
        "$bin/akssl-worker" bench --method simclr --backbone "$backbone" --dataset "$set" \
            --image-size 224 --batch 8 --shards 2 --seconds "$seconds" |
            jq -r --arg backbone "$backbone" --arg set "${set%%:*}" '
                (.seconds_by_kind | add) as $all | (.steps + 2) as $steps |
                [$backbone, $set, $all / $steps, .seconds_by_kind.augmentation / $steps,
                 100 * .seconds_by_kind.augmentation / $all] | @tsv' |
            while IFS=$'\t' read -r name form step images share; do
                printf '%-28s %-8s %10.2f %10.3f %7.1f%%\n' "$name" "$form" "$step" "$images" "$share"
            done
    done
done
