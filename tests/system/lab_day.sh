#!/bin/bash
# tests/system/lab_day.sh BIN_DIR -- a day in a lab: 3 people with tokens over TLS and 40 jobs on two hosts, with
# a sweep, dependencies, one that makes others stop, a time limit, an upgrade of akssld and a host that is lost
# and comes back.  Every job ends as it should, the cores are shared fairly, and nothing is left running.
# Three minutes on two cores: AKSSL_LONG=1 runs it.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/two_hosts.sh
. "$(dirname "$0")/two_hosts.sh"

[ -n "${AKSSL_LONG:-}" ] || skip "a whole day: AKSSL_LONG=1 runs it"

# as NAME COMMAND...: on the first host, over TLS, with a token.
as() {
    ip netns exec "$here" timeout 300 "$bin/akssl-client" --server 10.77.0.1:7443 --ca "$state/tls/ca.crt" \
        --token-file "$dir/$1" "${@:2}"
}
job_of() { # NAME FLAG...: prints the ids
    as "$1" submit --parsable "${day[@]}" "${@:2}" || fail "$1 cannot submit ${*:2}"
}
expect() { # STATE ID...
    for one in "${@:2}"; do ends[$one]=$1; done
}
is() { [ "$(field "$1" state)" = "$2" ]; }
ended() { [ "$(client list --state CD,F,CA,TO -o id | tail -n +2 | wc -l)" -ge "$1" ]; }
answers() { client --json catalogue | jq -e '.launchers[] | select(.name == "hosts") | .slots == 4'; }
at_step() { [ "$(field "$1" progress.step)" -ge "$2" ]; }
because() { [[ "$(field "$1" reason)" == *"$2"* ]]; }

declare -A ends
people=(alice bob carol)
day=(--method moco_v2 --option K=96 --dataset fashion-mnist --limit-images 128 --image-size 16 --batch 32 --shards 4
    --epochs 3 --optimizer adam --lr 1e-3 --ranks 1)

serve --uplink 10.77.0.1:7443
wait_for 30 answers || fail "the second host does not answer: $(client catalogue launchers)"
for person in "${people[@]}" boss; do
    scope=$([ "$person" = boss ] && echo admin || echo submit)
    (umask 077 && client token create "$person" --scope "$scope" >"$dir/$person") || fail "no token for $person"
done

# look writes down, twice a second, who has jobs that wait, and who has how many cores.
look() {
    while sleep 0.5; do
        client --json list --limit 100 --state PD,R,CF 2>/dev/null | jq -c "{at: $(date +%s.%N), jobs}"
    done
}
look >"$dir/looks" &
looks=$!

# ---- morning: everybody submits, one after the other, and all begin together; who was first must not have it all

mapfile -t sweep < <(job_of alice -H -J sweep --sweep lr=0.001,0.003 --sweep seed=1,2)
plain=([0]="${sweep[*]}")
for i in 1 2 3 4 5 6 7 8 9 10; do plain[0]+=" $(job_of alice -H -J "a$i" --seed "$i")"; done
for i in 1 2 3 4 5 6; do plain[1]+=" $(job_of bob -H -J "b$i" --seed "$i" --ranks 2)"; done
for i in 1 2 3 4 5 6 7 8; do plain[2]+=" $(job_of carol -H -J "c$i" --seed "$i")"; done
for i in 0 1 2; do
    # shellcheck disable=SC2086 # ids
    expect SUCCEEDED ${plain[i]}
    # shellcheck disable=SC2086
    as "${people[i]}" release ${plain[i]} >/dev/null || fail "${people[i]} cannot release ${plain[i]}"
done
first=$(job_of carol -J chain1) second=$(job_of carol -J chain2 --after "$first:ok")
third=$(job_of carol -J chain3 --after "$second:ok,${sweep[0]}:any")
expect SUCCEEDED "$first" "$second" "$third"
held=$(job_of bob -J held -H)
orphan=$(job_of bob -J orphan --after "$held:ok")
either=$(job_of bob -J either --after "$held:any")
expect CANCELLED "$held" "$orphan"
expect SUCCEEDED "$either"
limited=$(job_of alice -J limited --epochs 100000 --commit-every 100000 -t 0:02)
expect TIMEOUT "$limited"
broken=$(job_of bob -J broken --epochs 100000 --commit-every 100000 --max-restarts 0 --priority -1)
expect FAILED "$broken"
paused=$(job_of carol -J paused -H)
expect SUCCEEDED "$paused"
long=$(job_of carol -J long --ranks 2 --epochs 200 --commit-every 1000 --priority -9)
expect SUCCEEDED "$long"
late=$(job_of alice -J late --priority -9)
expect SUCCEEDED "$late"
[ "$(as bob cancel "${sweep[0]}" 2>&1 >/dev/null | grep -c "is alice's")" = 1 ] || fail "bob may cancel alice's job"
as bob cancel "$held" >/dev/null || fail "bob cannot cancel his own job"
as carol pause "$paused" >/dev/null && is "$paused" PAUSED || fail "carol cannot pause her job"

# ---- noon: akssld is upgraded while jobs run and wait

wait_for 200 ended 6 || fail "the day does not get on"
mkdir "$dir/new"
cp "$bin/akssld" "$bin/akssl-worker" "$dir/new/"
leave_daemon
# shellcheck disable=SC2034 # of two_hosts.sh
akssld=$dir/new/akssld
serve --uplink 10.77.0.1:7443
[ "$(readlink "/proc/$daemon/exe")" = "$dir/new/akssld" ] || fail "that is not the new akssld"
say "upgraded with $(client list --state R,CF -o id | tail -n +2 | wc -l) jobs running and \
$(client list --state PD -o id | tail -n +2 | wc -l) waiting"

# ---- afternoon: a host is lost, and comes back; somebody in a hurry

wait_for 200 ended 14 || fail "the day does not get on after the upgrade"
link down
wait_for 60 grep -q "host '10.77.0.2' does not answer" "$dir/daemon.log" || fail "the loss of a host is not noticed"
sleep 3
link up
wait_for 60 answers || fail "the host is back and is not used: $(client catalogue launchers)"
say "a host was lost and is back"

as carol release "$paused" >/dev/null && as carol resume "$paused" >/dev/null || fail "carol cannot resume her job"
wait_for 300 at_step "$broken" 3 || fail "job $broken does not get its turn: $(field "$broken" reason)"
for rank in $(processes akssl-worker); do
    if tr '\0' ' ' <"/proc/$rank/cmdline" 2>/dev/null | has -- "--job $broken "; then
        kill -KILL "$rank"
    fi
done
wait_for 300 at_step "$long" 3 || fail "job $long does not get its turn: $(field "$long" reason)"
hurry=$(as boss submit --parsable "${day[@]}" -J hurry --ranks 4 --priority 9) || fail "the boss cannot submit"
expect SUCCEEDED "$hurry"
wait_for 60 because "$long" "made way for job $hurry" || fail "job $long does not make way: $(field "$long" reason)"

# ---- evening

for one in "${!ends[@]}"; do client wait "$one" >/dev/null; done
for one in "${!ends[@]}"; do
    is "$one" "${ends[$one]}" || fail "job $one ($(field "$one" spec.name)) is $(field "$one" state), not ${ends[$one]}: $(field "$one" reason)"
    restarts=$(field "$one" restarts) # one may have been started just when the host was lost
    [ "${restarts:-0}" -le 1 ] || fail "job $one was restarted $restarts times"
done
count=$(client list -o id | tail -n +2 | wc -l)
[ "$count" -eq 40 ] || fail "there were $count jobs, not 40"
[ "$(client list --state PD,R,CF -o id | tail -n +2 | wc -l)" -eq 0 ] || fail "some jobs have not ended"

# Fair shares: of the cores in use from the beginning on, while each of the three has a job that waits for some.
kill "$looks" && wait "$looks" 2>/dev/null
jq -rn '[inputs | {at, jobs: [.jobs[] | select(.owner != "boss")]}] as $looks
    | ([range($looks | length) | select([$looks[.].jobs[]
        | select(.state == "QUEUED" and .spec.priority == 0 and (.reason | test("^(Priority|Resources):"))) | .owner]
        | unique | length == 3)] | max) as $last
    | [range(1; $last + 1) | ([$looks[.].at - $looks[. - 1].at, 3] | min) as $took
        | $looks[.].jobs[] | select(.state == "RUNNING" or .state == "STARTING") | {owner, used: (.ranks * $took)}]
    | (map(.used) | add) as $all | group_by(.owner)[] | (map(.used) | add) as $used
    | "\(.[0].owner) \($used / $all * 1000 | round / 1000) \($used | round)"' \
    "$dir/looks" >"$dir/shares" || fail "no shares can be told: $(tail -c 600 "$dir/looks")"
say "shares, and core-seconds: $(paste -sd , "$dir/shares")"
[ "$(wc -l <"$dir/shares")" -eq 3 ] || fail "somebody had no share"
awk '{ d = $2 - 1 / 3; if (d > 0.1 || d < -0.1) exit 1 }' "$dir/shares" || fail "the shares are not within 10 % of a third"
pass
