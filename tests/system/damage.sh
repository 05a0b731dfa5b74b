#!/bin/bash
# tests/system/damage.sh -- a bit that flips in the newest commit costs steps, not the job: the run goes on from
# the commit before, to the bytes of its undisturbed twin; verify finds it, and nothing is removed.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

long=("${small[@]}" --method moco_v2 --option K=96 --epochs 6 --ranks 2 --commit-every 4)
is() { [ "$(field "$1" state)" = "$2" ]; }

# flip FILE changes a bit of it; twice is as before.
flip() {
    local at byte
    at=$(($(stat -c %s "$1") - 1000))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    # shellcheck disable=SC2059 # the byte is the format
    printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

start_daemon
submit "${long[@]}"
finish "$id"
reference=$job
client verify "$id" || fail "the reference is damaged"

submit "${long[@]}"
wait_for 100 committed "$id" 8 || fail "no commit at step 8"
client pause "$id" >/dev/null || fail "pause failed"
wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state)"
[ "$(field "$id" committed_step)" -lt 24 ] || fail "the job was paused too late"
newest=$(last_commit "$job")
flip "$newest/state.safetensors"
status=0
client verify "$id" >"$dir/verify" || status=$?
[ "$status" -eq 1 ] || fail "verify ended with $status"
grep -q "state.safetensors' has digest" "$dir/verify" || fail "verify says $(cat "$dir/verify")"
[ "$(client --json verify "$id" | jq .damaged)" = 1 ] || fail "verify --json does not count it"

client resume "$id" >/dev/null || fail "resume failed"
finish "$id"
same_run "$reference" "$job"
[ "$(jq -r .step "$job/metrics.jsonl" | sort -n | uniq -d)" = "" ] || fail "steps are in metrics.jsonl twice"
for log in "$job/log" "$dir/daemon.log"; do
    grep "goes on from the commit of step" "$log" | has "state.safetensors' has digest" ||
        fail "$log does not tell"
done
aside=$job/commits/aside-$(basename "$newest")
[ -s "$aside/state.safetensors" ] || fail "the damaged commit is gone"
client verify "$id" >"$dir/verify" || fail "verify says $(cat "$dir/verify")"
grep -q "^no commit: aside-step-" "$dir/verify" || fail "verify does not list what was set aside"

# No commit is whole: nothing is decided without a person, who begins again.
submit "${long[@]}"
wait_for 100 committed "$id" 8 || fail "no commit at step 8"
client pause "$id" >/dev/null || fail "pause failed"
wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state)"
for commit in "$job"/commits/step-*; do flip "$commit/model.safetensors"; done
client resume "$id" >/dev/null || fail "resume failed"
told() { [[ $(field "$id" reason) == "no commit is whole"* ]] && is "$id" PAUSED; }
wait_for 60 told || fail "job $id is $(field "$id" state): $(field "$id" reason)"
client resume --from-start "$id" >/dev/null || fail "resume --from-start failed"
finish "$id"
same_run "$reference" "$job"
[ "$(find "$job/commits" -name 'aside-step-*' | wc -l)" = 2 ] || fail "not both commits were set aside"

pass
