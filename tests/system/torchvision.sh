#!/bin/bash
# tests/system/torchvision.sh -- the exported backbone in torchvision's resnet18 gives our features.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 -c 'import torch, torchvision, numpy' 2>/dev/null ||
    skip "python3-torch and python3-torchvision are not installed"

start_daemon
submit "${small[@]}" --image-size 28 --epochs 2 --ranks 2
finish "$id"
"$bin/akssl-worker" features --weights "$job/export/backbone.safetensors" \
    --limit-images 256 --out "$dir/features" || fail "features failed"
/usr/bin/python3 "$(dirname "$0")/torchvision_load.py" "$job/export/backbone.safetensors" \
    "$dir/features" "$fashion/t10k-images-idx3-ubyte.gz" || fail "torchvision disagrees"

# The same from a commit's model, on two ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
timeout 120 mpirun --bind-to none -np 2 "$bin/akssl-worker" features --image-size 28 --normalize imagenet \
    --weights "$(last_commit "$job")/model.safetensors" --limit-images 256 --out "$dir/again" ||
    fail "features on 2 ranks failed"
cmp "$dir/features" "$dir/again" || fail "2 ranks give other features"

pass
