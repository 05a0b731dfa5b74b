#!/bin/bash
# tests/system/collapse.sh -- a run that collapses says so, and does what its spec says: goes on, pauses, or fails.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# One prototype for all images: nothing is left to learn.
collapsing=("${small[@]}" --method swav --epochs 8 --ranks 2 --commit-every 6
    --option "num_prototypes=1,hidden_dim=64,num_crops=0,use_the_queue=false")
is() { [ "$(field "$1" state)" = "$2" ]; }

start_daemon
submit "${collapsing[@]}" # on-collapse warn is the default
finish "$id"
grep -q 'warn .*collapse: .*no commit from before' "$job/log" || fail "the job's log says nothing of a collapse"
client show "$id" | has 'collapse: ' || fail "show says nothing of it: $(client show "$id")"
[ "$(grep -c 'collapse: ' "$job/log")" = 1 ] || fail "it is not told once"

submit "${collapsing[@]}" --on-collapse pause
wait_for 100 is "$id" PAUSED || fail "job $id is $(field "$id" state), not PAUSED"
field "$id" reason | has '^collapse: ' || fail "the reason is '$(field "$id" reason)'"
at=$(field "$id" committed_step)
[[ $at -ge 20 && $at -lt 32 ]] || fail "paused with its last commit at step $at"
say "paused at step $at: $(field "$id" reason)"

submit "${collapsing[@]}" --on-collapse stop
finish "$id" FAILED
field "$id" reason | has 'collapse: ' || fail "the reason is '$(field "$id" reason)'"
[ "$(field "$id" restarts)" = 0 ] || fail "a collapse was tried again"

# A healthy run of the same length raises nothing.
submit "${small[@]}" --method swav --epochs 8 --ranks 2 --on-collapse stop \
    --option "num_prototypes=64,hidden_dim=64,num_crops=0,use_the_queue=false"
finish "$id"
grep 'collapse: ' "$job/log" && fail "a healthy run was taken for a collapse"

pass
