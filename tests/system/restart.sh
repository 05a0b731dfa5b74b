#!/bin/bash
# tests/system/restart.sh WHAT METHOD [FLAG...] -- akssld goes and comes while a job runs: the run goes on, and the
# job ends with the bytes of one whose daemon stayed.
#   kills    kill -9 it 3 times (AKSSL_LONG=1: 20), then replace its program and start that; steps
#            advance while it is down, metrics.jsonl has each once
#   alone    it stays away: the run commits by itself and ends, and the next one takes that up
#   failing  as alone, and before that time is over all ranks fail: rank 0 keeps the commit that it holds
#   broken   it is killed together with the guard; then a run whose secret was changed meanwhile

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

what=$1
method=$2
times=3
[ -n "${AKSSL_LONG:-}" ] && times=20
epochs=12
[ "$what" = kills ] && epochs=$((8 + 4 * times))
long=("${small[@]}" --method "$method" --epochs "$epochs" --ranks 2 --commit-every 6 "${@:3}")
[ "$method" = moco_v2 ] && long+=(--option K=512)

steps() { wc -l 2>/dev/null <"$job/metrics.jsonl" || echo 0; }
has_steps() { [ "$(steps)" -ge "$1" ]; }
is_running() { [ "$(field "$id" state)" = RUNNING ]; }
run_id() { basename "$(ls "$job"/run/*.secret)" .secret; }

# goes_on: five more steps without a daemon.
goes_on() {
    local from
    from=$(steps)
    wait_for 100 has_steps $((from + 5)) || fail "no step after $from while the daemon was away"
}

# came_back N: the run has come back N times.
came_back() { [ "$(grep -c 'has come back' "$dir/daemon.log")" -ge "$1" ]; }

# went_on RUN: the job is still in that run, and never was in another.
went_on() {
    [ "$(run_id)" = "$1" ] || fail "run $1 has become $(run_id)"
    [ "$(field "$id" restarts)" = 0 ] || fail "the run was started again: $(field "$id" reason)"
}

kills() {
    local run before
    wait_for 100 has_steps 4 || fail "job $id does not begin"
    wait_for 100 is_running || fail "job $id is not RUNNING"
    run=$(run_id)
    for ((i = 0; i < times; i++)); do
        kill_daemon
        goes_on
        start_daemon
        wait_for 60 is_running || fail "job $id is not RUNNING"
        wait_for 60 came_back $((i + 1)) || fail "the run does not come back"
        went_on "$run"
    done
    before=$(steps)
    leave_daemon
    cp "$bin/akssld" "$dir/bin/akssld.new" && mv "$dir/bin/akssld.new" "$dir/bin/akssld"
    goes_on
    start_daemon
    wait_for 60 came_back $((times + 1)) || fail "the run does not come back to the new program"
    went_on "$run"
    say "$times kills and an upgrade, at step $before of $((epochs * 4))"
    finish "$id"
    [ "$(field "$id" restarts)" = 0 ] || fail "the run was started again"
}

# taken_up: the run ends by itself, and the next akssld goes on from the commit that it made.
taken_up() {
    local at
    wait_for 100 no_process || fail "the run does not end by itself: $(describe)"
    compgen -G "$job/run/*.commit" >/dev/null || fail "there is no manifest: $(ls "$job/run")"
    at=$(sed -n 's/^step //p' "$job"/run/*.commit)
    start_daemon
    committed "$id" "$at" || wait_for 30 committed "$id" "$at" || fail "the commit of step $at is lost"
    finish "$id"
    [ "$(field "$id" restarts)" = 0 ] || fail "that was a crash: $(field "$id" reason)"
    say "committed alone at step $at"
}

alone() {
    wait_for 100 has_steps 9 || fail "job $id does not begin"
    kill_daemon
    taken_up
}

failing() {
    local last
    wait_for 100 has_steps 9 || fail "job $id does not begin"
    kill_daemon
    goes_on
    wait_for 100 has_steps 14 || fail "no commit is held"
    dd if=/dev/zero of="$dir/small/filler" bs=1M 2>/dev/null # metrics.jsonl finds no room
    sleep 2
    rm "$dir/small/filler"
    last=$(steps)
    sleep 1
    [ "$(steps)" = "$last" ] || fail "a full disk stops no rank"
    taken_up
}

broken() {
    local guard secret
    wait_for 100 committed "$id" 6 || fail "job $id has no commit"
    guard=$(pgrep -f -- "--guard $job/run/$(run_id).exit")
    kill_daemon
    # shellcheck disable=SC2086 # a list: the guard, and nothing that it has started
    kill -KILL $guard || fail "no guard to kill"
    wait_for 30 no_process || fail "the guard was killed, and yet: $(describe)"
    start_daemon
    wait_for 60 is_running || fail "job $id is not RUNNING again"
    kill_daemon
    secret=$(ls "$job"/run/*.secret)
    printf '%064d' 0 >"$secret"
    start_daemon
    finish "$id"
    grep -q 'the secret is no current run' "$job/log" || fail "a wrong secret was let in"
}

if [ "$what" = failing ]; then
    mkdir "$dir/small" && mount -t tmpfs -o size=1500m none "$dir/small" 2>/dev/null || skip "needs to mount a tmpfs"
    state=$dir/small/state
fi
mkdir "$dir/bin" && cp "$bin/akssld" "$bin/akssl-client" "$dir/bin" && ln -s "$bin/akssl-worker" "$dir/bin/" ||
    fail "no copies of the programs"
bin=$dir/bin
start_daemon
submit "${long[@]}"
finish "$id"
reference=$job
case $what in
alone) orphan=2 ;;
failing) orphan=20 ;;
*) orphan= ;;
esac
if [ -n "$orphan" ]; then
    stop_daemon
    start_daemon --orphan-timeout "$orphan"
fi
submit "${long[@]}"
"$what"
same_run "$reference" "$job"
each_step_once "$job" $((epochs * 4)) "$epochs"

pass
