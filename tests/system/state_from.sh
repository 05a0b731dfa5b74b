#!/bin/bash
# tests/system/state_from.sh METHOD TENSOR [FLAG...] -- a job whose state starts from another's: on any number
# of ranks, and after a kill, the same bytes; and what cannot be is refused.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

method=$1
tensor=$2
flags=("${small[@]}" --method "$method" "${@:3}")

start_daemon
submit "${flags[@]}" --epochs 2 --commit-every 7
finish "$id"
source=$id
from=$(last_commit "$job")/state.safetensors

# The same spec without the other's state is another run.
submit "${flags[@]}" --ranks 1 --seed 6
finish "$id"
fresh=$job

submit "${flags[@]}" --ranks 1 --seed 6 --state-from "$source" --epochs 4 --commit-every 15
finish "$id"
reference=$job
cmp "$from" "$job/state-from.safetensors" || fail "the copy differs from the source"
[ "$(field "$id" spec.state_digest)" = "$(xxhsum -H2 <"$from" | cut -d' ' -f1)" ] || ! command -v xxhsum >/dev/null ||
    fail "the digest in the spec is not the file's"
[ "$(losses "$fresh" | head -n 1)" != "$(losses "$job" | head -n 1)" ] ||
    fail "the state that was taken changes no loss"

# Its ranks are killed before its first commit, and it starts from that state again, on two.
submit "${flags[@]}" --ranks 2 --seed 6 --state-from "$source" --epochs 4 --commit-every 15
wait_for 60 test -s "$job/metrics.jsonl" || fail "job $id takes no step"
# shellcheck disable=SC2046 # a list
kill -KILL $(processes akssl-worker) || fail "no rank to kill"
finish "$id"
[ "$(field "$id" restarts)" = 1 ] || fail "killed too late to start again"
same_run "$reference" "$job"
say "$tensor of job $source: the bytes of one rank, undisturbed"

refused 2 "method simclr has no state at the coordinator" \
    "$bin/akssl-client" submit "${small[@]}" --state-from "$source"
refused 2 "no job|there is none" "$bin/akssl-client" submit "${flags[@]}" --state-from 99
case $method in
moco_v2)
    refused 2 "moco.queue is 96 x 128 there and 96 x 64 here" "$bin/akssl-client" submit \
        "${flags[@]}" --state-from "$source" --option projection_dim=64
    for length in 64 200; do # another length takes the newest rows that fit
        client submit --dry-run "${flags[@]}" --state-from "$source" --option K=$length >/dev/null ||
            fail "a queue of $length rows is refused"
    done
    ;;
swav)
    refused 2 "swav.prototypes is 64 x 128 there and 32 x 128 here" "$bin/akssl-client" submit \
        "${flags[@]}" --state-from "$source" --option num_prototypes=32
    refused 2 "there is a swav.queue, which this job does not hold" "$bin/akssl-client" submit \
        "${flags[@]}" --state-from "$source" --option use_the_queue=false
    ;;
dino)
    refused 2 "dino.center is 1 x 256 there and 1 x 128 here" "$bin/akssl-client" submit \
        "${flags[@]}" --state-from "$source" --option projection_dim=128
    ;;
esac

pass
