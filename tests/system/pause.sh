#!/bin/bash
# tests/system/pause.sh METHOD -- a paused job commits, waits through the daemon's ends, and ends, once it is
# resumed, with the bytes of its undisturbed twin.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

method=$1
long=("${small[@]}" --method "$method" --epochs 8 --ranks 2 --commit-every 6)
# The queue that is given back must have wrapped round.
[ "$method" = moco_v2 ] && long+=(--option K=96)

is() { [ "$(field "$1" state)" = "$2" ]; }

start_daemon
submit "${long[@]}"
finish "$id"
reference=$job

submit "${long[@]}"
wait_for 100 committed "$id" 6 || fail "job $id has no commit at step 6"
client pause "$id" || fail "pause failed"
wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state), not PAUSED"
at=$(field "$id" committed_step)
steps=$(field "$id" progress.step)
[ "$at" -lt 32 ] || fail "the job was paused too late"
[ "$at" -ge "$steps" ] || fail "paused at step $steps, and its last commit is $at"
[ "$(field "$id" reason)" = "paused by request" ] || fail "the reason is '$(field "$id" reason)'"
[ -z "$(processes akssl-worker)" ] || fail "paused, and yet: $(describe)"
[ -e "$job/result.json" ] && fail "a paused job has a result.json"
client list | has " PAUSED " || fail "list does not say PAUSED: $(client list)"
client pause "$id" >/dev/null || fail "a second pause failed"

# Its cores are another's meanwhile.
paused=$id
submit "${small[@]}" --method "$method" --ranks 2
finish "$id"
other=$id
id=$paused

stop_daemon
start_daemon
is "$id" PAUSED || fail "after a stop job $id is $(field "$id" state)"
kill_daemon
start_daemon
is "$id" PAUSED || fail "after a kill job $id is $(field "$id" state)"
refused 1 "has ended already" "$bin/akssl-client" pause "$other"
refused 1 "only a PAUSED job is resumed|has ended already" "$bin/akssl-client" resume "$other"
[ "$(field "$id" committed_step)" = "$at" ] || fail "a commit was lost"

client resume "$id" || fail "resume failed"
finish "$id"
[ "$(field "$id" restarts)" = 0 ] || fail "a pause counts as a restart"
same_run "$reference" "$state/jobs/$id"
[ "$(sha256sum <"$reference/export/backbone.safetensors")" = \
    "$(sha256sum <"$state/jobs/$id/export/backbone.safetensors")" ] || fail "the exports' digests differ"
say "paused after step $at: the bytes of the run that was not"

pass
