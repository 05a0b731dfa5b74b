#!/bin/bash
# tests/system/hosts_kill.sh BIN_DIR -- a job over two hosts whose orted on the other host, and then whose mpirun, is
# killed (OpenMPI's issue 1418: ranks are left there): it goes on, ends with the bytes of a local run, and neither
# host keeps a rank, an orted, a session folder or shared memory.  And one whose other host is switched off, which is no crash.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/two_hosts.sh
. "$(dirname "$0")/two_hosts.sh"

serve --uplink 10.77.0.1:7443
trap 'cleanup; rm -rf "/tmp/ompi.$here".* "/tmp/ompi.$there".* /dev/shm/vader_segment.{"$here","$there"}.*' EXIT

answers() { client --json catalogue | jq -e '.launchers[] | select(.name == "hosts") | .slots == 4'; }
restarted() { [ "$(field "$id" restarts)" -ge "$1" ]; }
on() { # HOST NAME: processes of that name there
    local pid
    for pid in $(ip netns pids "$1"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
    done
}

# kept: what OpenMPI's processes have made on the two.
kept() {
    local host
    for host in "$here" "$there"; do
        compgen -G "/tmp/ompi.$host.*/*"
        compgen -G "/dev/shm/*.$host.*"
    done
}

# of_run ID: its processes, on any host.
of_run() { grep -lsaF -f <(echo "$1") /proc/[0-9]*/cmdline /proc/[0-9]*/environ; }
none_of_run() { [ -z "$(of_run "$1")" ]; }

# leaves_nothing RUN FILES: of the run that was killed.
leaves_nothing() {
    local made=$2 file
    wait_for 20 none_of_run "$1" || fail "of run $1 there are left: $(of_run "$1")"
    for file in $made; do [ ! -e "$file" ] || fail "run $1 leaves $file"; done
    [ ! -e "/dev/shm/akssl-$1" ] || fail "run $1 leaves its folder"
}

wait_for 30 answers || fail "the second host does not answer: $(client catalogue launchers)"
run=("${small[@]}" --method moco_v2 --option K=96 --ranks 4 --epochs 8 --commit-every 2
    --limit-images 128 --batch 32 --shards 4)
submit "${run[@]}" --launcher local
finish "$id"
twin=$job

for what in orted mpirun; do
    submit "${run[@]}" --launcher hosts
    wait_for 60 committed "$id" 2 || fail "job $id does not start on two hosts"
    first=$(basename "$(echo "$job"/run/*.secret)" .secret)
    at=$there
    [ "$what" = orted ] || at=$here
    victim=$(on "$at" "$what")
    [ -n "$victim" ] && [ "$(on "$there" akssl-worker | wc -l)" = 2 ] || fail "job $id is not on both hosts"
    made=$(kept)
    [[ $made == *"/ompi.$there."*"segment.$there."* ]] || skip "it is not known what this MPI keeps: $made"
    kill -KILL "$victim" || fail "no $what to kill"
    wait_for 60 restarted 1 || fail "job $id does not notice that $what was killed: $(field "$id" state)"
    leaves_nothing "$first" "$made"
    finish "$id"
    [ "$(field "$id" restarts)" = 1 ] || fail "one kill restarts it $(field "$id" restarts) times"
    same_run "$twin" "$job"
    each_step_once "$job" 32 8
    say "$what was killed: the same bytes, and nothing is left of that run"
done

# Switched off: what runs there is gone at once, and so is mpirun, long before the host counts as lost.
submit "${run[@]}" --launcher hosts --max-restarts 0
wait_for 60 committed "$id" 2 || fail "job $id does not start on two hosts"
[ "$(cat "$job"/run/*.hosts)" = 10.77.0.1:2,10.77.0.2:2 ] || fail "its ranks are on $(cat "$job"/run/*.hosts)"
touch "$dir/off"
# shellcheck disable=SC2046 # a list
kill -KILL $(ip netns pids "$there")
finish "$id"
[ -z "$(field "$id" restarts)" ] || [ "$(field "$id" restarts)" = 0 ] || fail "the host counts as a crash of job $id"
grep -q "host '10.77.0.2' does not answer: agent: connection refused" "$dir/daemon.log" ||
    fail "the log does not say that the host is gone"
same_run "$twin" "$job"
each_step_once "$job" 32 8
rm -rf "/tmp/ompi.$there".* "/dev/shm/vader_segment.$there".* # what a host loses that is switched off
say "a host was switched off: no crash, and the same bytes"
stop_daemon
wait_for 15 no_process || fail "these processes are left: $(describe)"
[ -z "$(kept)" ] || fail "OpenMPI leaves $(kept)"
pass
