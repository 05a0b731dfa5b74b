#!/bin/bash
# tests/system/schedule.sh -- jobs that make way, run out of time, wait for others, are held, edited
# and swept: each for the reason that it says, and without a byte of difference.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

slots=2
long=("${small[@]}" --method moco_v2 --option K=96 --epochs 12 --ranks 2 --commit-every 50)

is() { [ "$(field "$1" state)" = "$2" ]; }
because() { [[ "$(field "$1" reason)" == $2* ]]; }
at_step() { [ "$(field "$1" progress.step)" -ge "$2" ]; }

start_daemon
submit "${long[@]}"
finish "$id"
reference=$job

# What was predicted from that run comes true, within a factor of four on a machine that has other
# things to do.
estimate=$(client --json submit "${long[@]}" --dry-run | jq -r .estimate)
[[ "$estimate" =~ about\ ([0-9.e+]+)\ images/s\ and\ [0-9:]+\ of\ training\ \(as\ job\ $id\) ]] ||
    fail "the estimate is: $estimate"
predicted=${BASH_REMATCH[1]}
[[ "$estimate" == *"would start at once" ]] || fail "with nobody there: $estimate"
client submit "${small[@]}" --method byol --dry-run | has "no recorded run" || fail "byol has not run"
client submit "${long[@]}" --image-size 32 --test-only | has "by the pixels and cores of job $id" ||
    fail "another size is not told by this one"

# A higher priority: the run commits where it is, makes way, and goes on from there.
submit "${long[@]}" -J victim
victim=$id
wait_for 100 at_step "$victim" 3 || fail "job $victim does not train"
submit "${small[@]}" -n 2 --priority 5
vip=$id
wait_for 60 because "$victim" "Resources: " || fail "job $victim does not make way: $(field "$victim" reason)"
grep -q "made way for job $vip" <<<"$(field "$victim" reason)" || fail "it does not say for whom"
committed "$victim" 3 || fail "job $victim made way without a commit"
[ "$(field "$victim" committed_step)" -lt 48 ] || fail "job $victim was over already"
finish "$vip"
finish "$victim"
jq -en --argjson p "$predicted" --argjson r "$(field "$victim" progress.images_per_s)" \
    '$p / $r < 4 and $r / $p < 4' >/dev/null || fail "predicted $predicted images/s, $(field "$victim" progress.images_per_s) came"
say "predicted $predicted images/s, and there were $(field "$victim" progress.images_per_s)"
[ "$(field "$victim" restarts)" = 0 ] || fail "making way counts as a restart"
same_run "$reference" "$state/jobs/$victim"
say "job $victim made way for job $vip: the bytes of the run that did not"

# A time limit: TIMEOUT at a commit, which the next akssld still knows, and resume goes on from.
submit "${long[@]}" -t 0:01
limited=$id
client wait "$limited" >/dev/null && fail "wait of a job that ran out of time ends with 0"
until is "$limited" SUCCEEDED; do
    is "$limited" TIMEOUT || fail "job $limited is $(field "$limited" state): $(field "$limited" reason)"
    because "$limited" "TimeLimit: it has run for 00:00:01" || fail "the reason is $(field "$limited" reason)"
    [ "$(jq -r .state "$job/result.json")" = TIMEOUT ] || fail "result.json does not say TIMEOUT"
    [ -n "${again:-}" ] || { stop_daemon; start_daemon; }
    again=$((${again:-0} + 1))
    [ "$again" -lt 60 ] || fail "job $limited does not come on"
    client resume "$limited" >/dev/null || fail "resume failed"
    client wait "$limited" >/dev/null
done
[ "${again:-0}" -ge 1 ] || fail "job $limited was never out of time"
same_run "$reference" "$state/jobs/$limited"
say "out of time $again times: the bytes of the run that was not"

# Dependencies, holds, edits, sweeps.
submit "${small[@]}" -n 2 -H
first=$id
submit "${small[@]}" -n 2 -d "afterok:$first" -J second
second=$id
submit "${small[@]}" -n 2 --after "$second:any"
third=$id
refused 2 "there is no job 999" "$bin/akssl-client" submit "${small[@]}" --after 999
refused 2 "time 'soon'" "$bin/akssl-client" submit "${small[@]}" --time soon
because "$first" "Held: " || fail "job $first: $(field "$first" reason)"
because "$second" "Dependency: waits for job $first" || fail "job $second: $(field "$second" reason)"
refused 2 "not older than job" "$bin/akssl-client" edit "$second" --after "$third"
client edit "$second" --priority 3 -t 1:00:00 >/dev/null || fail "edit failed"
client --json show "$second" | jq -e '.spec.priority == 3 and .spec.time == "1:00:00"' >/dev/null ||
    fail "the edit is not to be seen"
grep -q "priority: 3" "$state/jobs/$second/spec.yaml" || fail "spec.yaml does not have the edit"
# What was settled at submit by the old values is settled anew.
client edit "$second" --limit-images 192 --optimizer lars >/dev/null || fail "other images are refused"
client --json show "$second" | jq -e '.spec.limit_images == 192 and .spec.exclude_1d == "yes"' >/dev/null ||
    fail "lars without its exclusion: $(client --json show "$second" | jq -c .spec)"
client edit "$second" --limit-images 256 --optimizer adam >/dev/null || fail "the same images are refused"
# Of two edits at once the slower one has to look again.
client edit "$second" --time 2:00:00 >/dev/null 2>"$dir/slow" &
slow=$!
wait_for 10 pgrep -f "akssl-worker check" && client edit "$second" --time 1:00:00 >/dev/null 2>"$dir/quick"
wait "$slow" || has "changed meanwhile" <"$dir/slow" || fail "two edits at once: $(cat "$dir/slow")"
client edit "$second" --time 1:00:00 >/dev/null || fail "edit failed"
client diff "$first" "$second" >"$dir/diff" && fail "diff ends with 0"
grep -q "^priority *0 *3" "$dir/diff" || fail "diff says: $(cat "$dir/diff")"
client cancel "$first" >/dev/null
client wait "$second" >/dev/null && fail "job $second, whose condition cannot come true, succeeds"
is "$second" CANCELLED || fail "job $second is $(field "$second" state)"
because "$second" "Dependency: job $first did not succeed" || fail "job $second: $(field "$second" reason)"
finish "$third"

# One that can never be met is seen behind one that is not met yet.
submit "${small[@]}" -H
going=$id
submit "${small[@]}" -H
dead=$id
submit "${small[@]}" --after "$going,$dead"
client cancel "$dead" >/dev/null
wait_for 10 is "$id" CANCELLED || fail "job $id, which waits for jobs $going and $dead, is $(field "$id" state): $(field "$id" reason)"
because "$id" "Dependency: job $dead did not succeed" || fail "job $id: $(field "$id" reason)"
client submit "${small[@]}" --dry-run --after "$going" | has "depends on jobs" || fail "a dry run says when it would start"
client cancel "$going" >/dev/null

# Other weights are read for how they take images.
submit "${small[@]}" --image-size 24
larger=$id
finish "$larger"
submit -H --kind knn --weights "$reference/export/backbone.safetensors" --dataset fashion-mnist --limit-images 64
client --json show "$id" | jq -e '.spec.image_size == 16' >/dev/null || fail "$(client --json show "$id" | jq -c .spec)"
client edit "$id" --weights "$state/jobs/$larger/export/backbone.safetensors" >/dev/null || fail "other weights are refused"
client --json show "$id" | jq -e '.spec.image_size == 24' >/dev/null || fail "$(client --json show "$id" | jq -c .spec)"
client cancel "$id" >/dev/null

mapfile -t ids < <(client submit --parsable "${small[@]}" --epochs 50 -n 2 -J s --sweep lr=0.01,0.03 --sweep seed=1,2)
[ "${#ids[@]}" -eq 4 ] || fail "a sweep of 2 x 2 made ${#ids[@]} jobs"
[ "$(client list --name s-lr -o name | tail -n 4 | sort | tr -d ' \n')" = \
    "s-lr=0.01-seed=1s-lr=0.01-seed=2s-lr=0.03-seed=1s-lr=0.03-seed=2" ] ||
    fail "the sweep's names: $(client list --name s-lr -o name)"
refused 2 "at most 1000 jobs" "$bin/akssl-client" submit "${small[@]}" --array 0-1000
client top | has "running" || fail "top prints nothing in a pipe"
[ "$(client list --state PD,R,CF -o id | tail -n +2 | wc -l)" -eq 4 ] || fail "states by Slurm's names"
client cancel "${ids[@]}" >/dev/null
for one in "${ids[@]}"; do client wait "$one" >/dev/null; done

# shellcheck disable=SC1090 # what it prints
(. <(client completion bash) && COMP_WORDS=(akssl-client submit --prio) COMP_CWORD=2 &&
    _akssl_client && [ "${COMPREPLY[0]}" = --priority ]) || fail "the completion does not complete"

pass
