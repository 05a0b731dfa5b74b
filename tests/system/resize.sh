#!/bin/bash
# tests/system/resize.sh METHOD [FLAG...] -- 8 ranks, then 2, then 4 in one run (and, for a method with a queue,
# cores that go and come back with the daemon): the bytes of a run on 2 ranks, and each step told once.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

method=$1
long=("${small[@]}" --method "$method" --epochs 8 --commit-every 6 "${@:2}")
slots=8 # more than this machine may have: its ranks share what there is

on() { [ "$(field "$id" ranks)" = "$1" ] && [ "$(field "$id" state)" = RUNNING ] && went_on; }
went_on() { [ "$(field "$id" progress.step)" -gt "$before" ]; }

# resize_to RANKS: in mid-run; it goes on, and that is no restart after a crash.
resize_to() {
    before=$(field "$id" progress.step)
    client resize "$id" --ranks "$1" >"$dir/said" || fail "resize to $1 failed"
    grep -q "resizing to $1 ranks" "$dir/said" || fail "resize said '$(cat "$dir/said")'"
    wait_for 60 on "$1" || fail "job $id is $(field "$id" state) on $(field "$id" ranks), not on $1"
    [ "$(field "$id" restarts)" = 0 ] || fail "a resize counts as a restart"
    say "step $before: $1 ranks"
}

start_daemon
submit "${long[@]}" --ranks 2
finish "$id"
reference=$job

submit "${long[@]}" --ranks 8
before=0
wait_for 100 on 8 || fail "job $id does not run on 8 ranks"
refused 2 "ranks 3 do not divide shards 8" "$bin/akssl-client" resize "$id" --ranks 3
refused 2 "ranks 16 do not divide shards 8" "$bin/akssl-client" resize "$id" --ranks 16
resize_to 2
resize_to 4
if [ "$method" = moco_v2 ]; then
    stop_daemon
    slots=2
    start_daemon
    wait_for 60 on 2 || fail "with 2 cores job $id is $(field "$id" state) on $(field "$id" ranks)"
    [ "$(field "$id" reason)" = "4 ranks were asked for: akssld has 2 cores" ] ||
        fail "the reason is '$(field "$id" reason)'"
    refused 2 "ranks 8 take 8 cores, and akssld has 2" "$bin/akssl-client" resize "$id" --ranks 8
    stop_daemon
    slots=8
    start_daemon
    wait_for 60 on 4 || fail "with 8 cores job $id is $(field "$id" state) on $(field "$id" ranks)"
fi
finish "$id"
[ "$(field "$id" restarts)" = 0 ] || fail "other numbers of ranks count as restarts"
same_run "$reference" "$job"
[ "$(losses "$job" | cut -d' ' -f1 | uniq -d | wc -l)" = 0 ] || fail "steps are told twice"
[ "$(losses "$job" | wc -l)" = 32 ] || fail "not 32 steps: $(losses "$job" | wc -l)"
say "the bytes of 2 ranks throughout"

pass
