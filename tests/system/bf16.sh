#!/bin/bash
# tests/system/bf16.sh BIN_DIR -- precision bf16 is named in commits and gives the same bytes on 1 rank and on 2 of which
# one was killed; it is refused where instructions leave it out, and the job pauses where the CPU does.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

is() { [ "$(field "$1" state)" = "$2" ]; }

start_daemon
refused 2 "precision bf16 needs AVX512_BF16, which instructions avx2 leave out" \
    "$bin/akssl-client" submit "${small[@]}" --method simclr --precision bf16 --instructions avx2
say "refused with avx2"

if ! grep -qw avx512_bf16 /proc/cpuinfo; then
    submit "${small[@]}" --method simclr --precision bf16
    wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state), not PAUSED, without AVX512_BF16"
    [[ $(field "$id" reason) == *"AVX512_BF16"* ]] || fail "the reason is '$(field "$id" reason)'"
    say "$(field "$id" reason)"
    pass
    exit
fi

# compare METHOD [FLAG...]: 1 rank, and 2 of which one is killed.
compare() {
    local reference ranks run=("${small[@]}" --precision bf16 --epochs 4 --commit-every 2 --method "$@")
    submit "${run[@]}" --ranks 1
    finish "$id"
    reference=$job
    head -c 4096 "$(last_commit "$job")/model.safetensors" | has -a '"precision":"bf16"' ||
        fail "the commits of job $id do not name bf16"
    submit "${run[@]}" --ranks 2
    wait_for 100 committed "$id" 4 || fail "job $id has no commit at step 4"
    ranks=$(processes akssl-worker)
    # shellcheck disable=SC2086 # a list: take its last
    set -- $ranks
    [ $# -ge 2 ] || fail "not two ranks: $(describe)"
    kill -KILL "${!#}" || fail "no rank to kill"
    finish "$id"
    [ "$(field "$id" restarts)" -ge 1 ] || fail "killed too late to restart"
    same_run "$reference" "$job"
}

compare moco_v2 --option K=256
say "ResNet-18: the same bytes on 1 rank and on 2, one of them killed"
compare simclr --backbone vit_tiny:patch_size=4,depth=3
say "ViT-tiny: the same"

pass
