#!/bin/bash
# tests/system/replay.sh -- replay trains on given views without a daemon; two ranks, same bytes.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
replay() { timeout 120 "$bin/akssl-worker" replay "$@"; }

for method in simclr moco_v2; do
    cat >"$dir/$method.yaml" <<END
method: $method
batch-norm: sync
image-size: 32
batch: 16
shards: 4
optimizer: sgd
lr: 0.05
seed: 3
END
    replay --spec "$dir/$method.yaml" --steps 0 --out "$dir/$method.init" ||
        fail "replay --steps 0 of $method"
    "$peer" views 2 2 16 32 "$dir/views" || fail "no views were made"
    replay --spec "$dir/$method.yaml" --init "$dir/$method.init" --views "$dir/views" \
        --steps 2 --out "$dir/$method.1" || fail "replay of $method"
    timeout 120 mpirun --bind-to none -np 2 "$bin/akssl-worker" replay --spec "$dir/$method.yaml" \
        --init "$dir/$method.init" --views "$dir/views" --steps 2 --out "$dir/$method.2" ||
        fail "replay of $method on 2 ranks"
    cmp "$dir/$method.1" "$dir/$method.2" || fail "$method: 2 ranks give other bytes than 1"
    for key in loss grad.backbone.conv1.weight backbone.conv1.weight backbone.bn1.running_mean \
        projection_head.layers.0.weight; do
        grep -qxF "$key" <(tensors "$dir/$method.1") || fail "$method: no $key in the output"
    done
    say "$method: loss and gradients are the same on 1 and 2 ranks"
done
grep -qxF target.backbone.conv1.weight <(tensors "$dir/moco_v2.1") ||
    fail "moco_v2: no target.* in the output"

refused 2 'views' "$bin/akssl-worker" replay --spec "$dir/simclr.yaml" --steps 1 --out "$dir/o"
refused 2 'step2.view0' "$bin/akssl-worker" replay --spec "$dir/simclr.yaml" --views "$dir/views" \
    --steps 3 --out "$dir/o"
[ -e "$dir/o" ] && fail "a failed replay left its output"
head -c 1000 "$dir/views" >"$dir/cut"
refused 1 "$dir/cut" "$bin/akssl-worker" replay --spec "$dir/simclr.yaml" --views "$dir/cut" \
    --steps 1 --out "$dir/o"

pass
