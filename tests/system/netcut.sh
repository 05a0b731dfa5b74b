#!/bin/bash
# tests/system/netcut.sh BIN_DIR [CUTS] -- a job's ranks on another host, whose network is cut and comes
# back: the run goes on, and ends with the bytes of its twin that nobody disturbed.
#
# Two hosts are two network namespaces with a pair of interfaces between them: akssld in one, mpirun and
# the ranks in the other.  They share the disk, and reach akssld by TLS alone.  Needs root.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

cuts=${1:-2}
two_hosts

mpirun_there
start_daemon --adopt-timeout 300

step() { # the last step that the ranks have written down
    tail -n 1 "$job/metrics.jsonl" 2>/dev/null | jq -r '.step // 0' 2>/dev/null || echo 0
}
heard() { # that akssld hears of steps after STEP, or of the end
    local known
    known=$(field "$id" progress.step)
    [ "${known:-0}" -gt "$1" ] || [ "$(field "$id" state)" = SUCCEEDED ]
}

# As many epochs as take about long enough for the cuts on this machine.
run=("${small[@]}" --method moco_v2 --option K=96 --ranks 2 --keep 1000)
submit "${run[@]}" --epochs 4
finish "$id"
took=$(($(field "$id" ended_ms) - $(field "$id" started_ms)))
epochs=$((4 * 25000 * cuts / took))
[ "$epochs" -ge 8 ] || epochs=8
[ "$epochs" -le 2000 ] || epochs=2000
say "4 epochs take $took ms: $epochs for $cuts cuts"
run+=(--epochs "$epochs" --commit-every "$epochs") # four commits

submit "${run[@]}"
finish "$id"
twin=$job

submit "${run[@]}"
wait_for 120 heard 0 || fail "job $id does not start"
for ((cut = 1; cut <= cuts; cut++)); do
    link down
    before=$(step)
    sleep $((cut % 2 ? 4 : 20)) # the second is long enough to be noticed by both ends
    after=$(step)
    [ "$(field "$id" state)" = RUNNING ] || fail "job $id is $(field "$id" state) while its network is cut"
    link up
    say "cut $cut: the ranks went from step $before to $after without akssld"
    [ $((cut % 2)) -eq 1 ] || [ "$after" -gt "$before" ] ||
        fail "the run stood still while its network was cut"
    wait_for 90 heard "$after" || fail "akssld hears nothing of the run after its network came back"
done
finish "$id"
[ "$(field "$id" restarts)" = "" ] || [ "$(field "$id" restarts)" = 0 ] || fail "job $id was restarted"
same_run "$twin" "$job"
say "job $id went on through $cuts cuts, with the bytes of its twin"
pass
