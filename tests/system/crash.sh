#!/bin/bash
# tests/system/crash.sh WHAT METHOD [FLAG...] -- kill it mid-run: the job ends with the bytes of a run that
# nobody killed.  WHAT: rank (kill -9 one rank), launcher (kill -9 mpirun), daemon (kill -9 it and
# start it again), stop (SIGINT it and start it again).

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

what=$1
method=$2
long=("${small[@]}" --method "$method" --epochs 8 --ranks 2 --commit-every 6 "${@:3}")
# A step's numbers must not depend on the queue's start alone: let it wrap round.
[ "$method" = moco_v2 ] && long+=(--option K=512)

start_daemon
submit "${long[@]}"
finish "$id"
reference=$job

submit "${long[@]}"
wait_for 100 committed "$id" 12 || fail "job $id has no commit at step 12"
at=$(field "$id" committed_step)

# What ranks share lies in the run's own folder, which goes with the run however it ends.
run=$(basename "$(echo "$job"/run/*.secret)" .secret)
for rank in $(processes akssl-worker); do
    elsewhere=$(grep -o '/dev/shm/.*' "/proc/$rank/maps" | grep -v "^/dev/shm/akssl-$run/" || true)
    [ -z "$elsewhere" ] || fail "a rank has memory that a kill would leave: $elsewhere"
done
case $what in
rank)
    ranks=$(processes akssl-worker)
    # shellcheck disable=SC2086 # a list: take its last
    set -- $ranks
    [ $# -ge 2 ] || fail "not two ranks: $(describe)"
    kill -KILL "${!#}" || fail "no rank to kill"
    ;;
launcher)
    launcher=$(processes mpirun | head -n 1)
    [ -n "$launcher" ] || launcher=$(processes prterun | head -n 1)
    [ -n "$launcher" ] || fail "no launcher: $(describe)"
    kill -KILL "$launcher"
    ;;
daemon)
    before=$(client --json list | jq -S '.jobs | map({id, name: .spec.name, submitted_ms})')
    kill_daemon
    start_daemon
    after=$(client --json list | jq -S '.jobs | map({id, name: .spec.name, submitted_ms})')
    [ "$before" = "$after" ] || fail "the list changed: $before, then $after"
    [ "$(field "$id" state)" != SUCCEEDED ] || fail "the daemon was killed too late"
    ;;
stop)
    stop_daemon
    no_process || fail "the daemon is stopped, and yet: $(describe)"
    start_daemon
    committed "$id" "$at" || fail "a commit was lost"
    [ "$(field "$id" state)" != SUCCEEDED ] || fail "the daemon was stopped too late"
    ;;
esac
finish "$id"
case $what in
rank | launcher) [ "$(field "$id" restarts)" -ge 1 ] || fail "killed too late to restart" ;;
esac
[ ! -e "/dev/shm/akssl-$run" ] || fail "the run's shared memory is left: $(ls -R "/dev/shm/akssl-$run")"
same_run "$reference" "$job"
say "killed after step $at: the bytes of the run that was not"

pass
