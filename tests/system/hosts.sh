#!/bin/bash
# tests/system/hosts.sh BIN_DIR -- launcher `hosts`: a job over two hosts ends with the bytes of a local run;
# a host that is cut off is left out, its jobs go on without it, and it is used again when it is back, by them too.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/two_hosts.sh
. "$(dirname "$0")/two_hosts.sh"

refused 1 'cannot reach.*--uplink' ip netns exec "$here" "$bin/akssld" --state-dir "$state" --hosts 10.77.0.2
refused 1 'hosts.*say NAME:SLOTS' "$bin/akssld" --state-dir "$state" --hosts 'a:b:c'
mkdir "$dir/sets"
serve --uplink 10.77.0.1:7443 --data-root "$dir/sets"

says() { [[ $(field "$id" reason) == *"$1"* ]]; }
is_on() { [ "$(cat "$job"/run/*.hosts)" = "$1" ]; }
there() { # ranks on the other host
    local pid found=1
    for pid in $(ip netns pids "$there"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = akssl-worker ] && found=0
    done
    return "$found"
}
not_there() { ! there; }
is() { [ "$(field "$id" state)" = "$1" ]; }
steps() { [ "$(field "$id" progress.step)" -ge "$1" ]; }
answers() { client --json catalogue | jq -e '.launchers[] | select(.name == "hosts") | .slots == 4'; }

wait_for 30 answers || fail "the second host does not answer: $(client catalogue launchers)"
client catalogue launchers

run=("${small[@]}" --method moco_v2 --option K=96 --ranks 4 --epochs 3 --commit-every 2
    --limit-images 128 --batch 32 --shards 4)
submit "${run[@]}" --launcher local
finish "$id"
twin=$job
quick=$id

# Cut off in the middle of a run.
submit "${run[@]}"
wait_for 60 committed "$id" 2 || fail "job $id does not start on two hosts"
is_on 10.77.0.1:2,10.77.0.2:2 || fail "its ranks are on $(cat "$job"/run/*.hosts)"
there || fail "no rank runs on the other host"
confined=0
for pid in $(ip netns pids "$there"); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = akssl-worker ] || continue
    tr '\0' '\n' <"/proc/$pid/environ" | has "^AKSSL_DATA_ROOTS=$dir/sets" && confined=$((confined + 1))
done
[ "$confined" = 2 ] || fail "$confined ranks on the other host keep to --data-root"
link down
wait_for 30 says "akssld has 2 cores" || fail "job $id does not go on without the lost host: $(field "$id" reason)"
wait_for 20 is_on 10.77.0.1:2 || fail "its ranks are on $(cat "$job"/run/*.hosts)"
grep -q "host '10.77.0.2' does not answer: it does not answer in time: it is left out" "$dir/daemon.log" ||
    fail "the log does not say that the host is lost"
wait_for 20 not_there || fail "ranks of the run that is over live on the host that is cut off"
cut=$id cut_job=$job
finish "$cut"

# Who waits is told of the lost host; what holds the cores is long enough not to end meanwhile.
submit "${run[@]}" --epochs 2000
busy=$id
wait_for 60 committed "$busy" 2 || fail "job $busy does not start"
submit "${run[@]}" --epochs 1
wait_for 20 says "Resources: it is next, and takes 2 cores, of which 0 are free; 1 host does not answer" ||
    fail "job $id does not say why it waits: $(field "$id" reason)"
client cancel "$id" "$busy" >/dev/null
[ -z "$(field "$cut" restarts)" ] || [ "$(field "$cut" restarts)" = 0 ] || fail "the lost host counts as a crash"
same_run "$twin" "$cut_job"
say "job $cut went on without the lost host, to the bytes of the local run"

# Back again; and an akssld that is killed finds its run on both hosts.
link up
wait_for 30 answers || fail "the host is back and is not used: $(client catalogue launchers)"
submit "${run[@]}"
wait_for 60 steps 2 || fail "job $id does not start"
is_on 10.77.0.1:2,10.77.0.2:2 || fail "its ranks are on $(cat "$job"/run/*.hosts)"
kill_daemon
serve --uplink 10.77.0.1:7443
finish "$id"
[ -z "$(field "$id" restarts)" ] || [ "$(field "$id" restarts)" = 0 ] || fail "job $id was restarted"
grep -q resizing "$dir/daemon.log" && fail "the run did not keep its places"
same_run "$twin" "$job"
say "job $id ran on both hosts again, through a kill of akssld, to the same bytes"

# Back while a job still runs: that takes both hosts again, once they have been free for 10 s.  It has so many epochs
# that it goes on for more than that with the twin's speed.
took=$(($(field "$quick" ended_ms) - $(field "$quick" started_ms)))
epochs=$((3 * 45000 / took))
[ "$epochs" -ge 80 ] || epochs=80
[ "$epochs" -le 600 ] || epochs=600
long=("${run[@]}" --epochs "$epochs" --commit-every 20)
submit "${long[@]}" --launcher local
finish "$id"
twin=$job
submit "${long[@]}"
wait_for 60 steps 2 || fail "job $id does not start"
is_on 10.77.0.1:2,10.77.0.2:2 || fail "its ranks are on $(cat "$job"/run/*.hosts)"
link down
wait_for 60 is_on 10.77.0.1:2 || fail "its ranks are on $(cat "$job"/run/*.hosts)"
wait_for 60 is RUNNING || fail "job $id is $(field "$id" state) without the lost host"
wait_for 60 says "4 ranks were asked for: akssld has 2 cores" || fail "its reason is '$(field "$id" reason)'"
alone=$(field "$id" progress.step)
link up
wait_for 60 is_on 10.77.0.1:2,10.77.0.2:2 || fail "job $id does not grow: $(field "$id" state) at step $(field "$id" progress.step)"
wait_for 60 is RUNNING || fail "job $id is $(field "$id" state) after it has grown"
there || fail "no rank runs on the host that is back"
grep -q "job $id: resizing to 4 ranks: there are more cores now" "$dir/daemon.log" || fail "the log does not say why it grew"
[ "$(field "$id" ranks)" = 4 ] && [ -z "$(field "$id" reason)" ] || fail "it has $(field "$id" ranks) ranks: $(field "$id" reason)"
grown=$(field "$id" committed_step)
[ "$grown" -gt "$alone" ] || fail "it grew from step $grown, and was at $alone before"
finish "$id"
[ -z "$(field "$id" restarts)" ] || [ "$(field "$id" restarts)" = 0 ] || fail "growth counts as a restart"
same_run "$twin" "$job"
each_step_once "$job" $((4 * epochs)) "$epochs"
say "job $id took both hosts again at step $grown of $((4 * epochs)), to the same bytes"
pass
