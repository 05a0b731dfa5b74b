#!/bin/bash
# tests/system/instructions.sh BIN_DIR -- what a run computes with is chosen once, named in its commits, kept when it
# goes on, and asked for by others' specs; where a CPU has not got it the job pauses and says so.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# instructions JOB_FOLDER: what its last commit names.
instructions() {
    head -c 4096 "$(last_commit "$1")/model.safetensors" | grep -ao '"instructions":"[a-z0-9]*"' | cut -d'"' -f4
}

is() { [ "$(field "$1" state)" = "$2" ]; }

start_daemon
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2
finish "$id"
best=$(instructions "$job")
say "this CPU's is $best"
case $best in
avx512) foreign=plain ;;
avx2 | plain) foreign=avx512 ;;
*) fail "the commit names '$best'" ;;
esac

submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2 --instructions "$foreign"
wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state), not PAUSED, with $foreign"
[[ $(field "$id" reason) == *"does not compute with $foreign, as its spec does"* ]] ||
    fail "the reason is '$(field "$id" reason)'"
say "$(field "$id" reason)"
client cancel "$id" >/dev/null

client submit "${small[@]}" --method simclr --instructions mmx 2>"$dir/said" && fail "mmx was taken"
grep -q 'mmx' "$dir/said" || fail "of mmx it says: $(cat "$dir/said")"

if [ "$best" != avx512 ]; then
    say "there is nothing less to compute with here"
    pass
    exit
fi

# Less than the CPU has: other bits, the same on any ranks, and when it goes on.
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 1 --instructions avx2
finish "$id"
reference=$job
[ "$(instructions "$job")" = avx2 ] || fail "the commit names '$(instructions "$job")', not avx2"
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2 --instructions avx2 --commit-every 1
wait_for 60 committed "$id" 1 || fail "job $id does not commit"
client pause "$id" >/dev/null
wait_for 60 is "$id" PAUSED || fail "job $id is $(field "$id" state), not PAUSED"
client resume "$id" >/dev/null
finish "$id"
same_run "$reference" "$job"
say "avx2: the same bytes on 1 rank and on 2 that paused"

pass
