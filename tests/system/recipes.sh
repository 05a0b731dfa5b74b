#!/bin/bash
# tests/system/recipes.sh -- every recipe is a spec that akssld takes, and names that are none are refused.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export AKSSL_RECIPES
AKSSL_RECIPES=$(cd "$(dirname "$0")/../../deploy/recipes" && pwd)

# Each of them, as akssld has it checked.  The batches of the large ones do not fit everywhere; what is checked
# besides does not depend on them.
count=0
for file in "$AKSSL_RECIPES"/*/*.yaml; do
    { grep -v -E '^(batch|shards):' "$file" && printf '%s\n' 'dataset: fashion-mnist' 'batch: 16' 'shards: 8'; } >"$dir/mine.yaml"
    "$bin/akssl-worker" check --spec "$dir/mine.yaml" >"$dir/spec" 2>&1 || fail "${file##*recipes/}: $(cat "$dir/spec")"
    count=$((count + 1))
done
[ $count -ge 20 ] || fail "only $count recipes are in $AKSSL_RECIPES"

start_daemon
# A flag and a file win over it.
echo 'epochs: 70' >"$dir/mine.yaml"
client submit --dry-run --recipe solo-cifar/byol --dataset fashion-mnist --lr 0.5 "$dir/mine.yaml" >"$dir/spec" ||
    fail "a recipe under a file"
for line in 'method: byol' 'epochs: 70' 'lr: 0.5'; do
    grep -qx "$line" "$dir/spec" || fail "'$line' is not in the spec"
done

for recipe in solo-cifar/byolo ../../README '' /etc/passwd solo-cifar; do
    client submit --recipe "$recipe" --dataset fashion-mnist >/dev/null 2>"$dir/error"
    [ $? -eq 2 ] || fail "recipe '$recipe' was not refused"
    grep -q 'solo-cifar/simsiam' "$dir/error" || fail "recipe '$recipe': $(cat "$dir/error")"
done

pass
