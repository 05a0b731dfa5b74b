#!/bin/bash
# tests/fault/life.sh BIN_DIR [ROLE:KIND[:NUMBER]...] -- every call of a job's life that changes a file, from its submission
# to its result.json, fails once, or from there on until a person has seen it.
#
# A job is submitted for each fault, in akssld (ROLE daemon) or in rank 0 (worker).  It is refused
# with a sentence, or it ends with the files and bytes of a twin without faults: by itself, or PAUSED
# with the remedy and then resumed.  KIND is enospc, eio, erofs (one call), full, readonly (that call
# and those after it, until the job is paused or does not get on).  ROLE alone is rank 0 in the
# commit that it makes without akssld.  By default every STRIDE-th call, with AKSSL_LONG=1 each.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"

what=("$@")
[ $# -gt 0 ] || what=({daemon,worker}:{enospc,eio,erofs,full,readonly} alone:{enospc,eio,erofs})
stride=${AKSSL_FAULT_STRIDE:-211}
[ -n "${AKSSL_LONG:-}" ] && stride=1
part train 64
part t10k 64
set=(--dataset "idx:$dir/set" --image-size 16 --batch 64 --shards 2 --method moco_v2
    --backbone "vit_tiny:patch_size=8,depth=1" --option "projection_dim=16,K=96" --batch-norm sync
    --optimizer adam --lr 1e-3 --seed 5 --ranks "${AKSSL_FAULT_RANKS:-1}")
short=("${set[@]}" --epochs 2 --commit-every 2 --probe 1 --eval knn)
long=("${set[@]}" --epochs 120 --commit-every 100000 --keep 1 --map no)
export AKSSL_FAULT_FOLDER=$dir AKSSL_FAULT_LIFE=1
declare -A calls twin count=()
struck=0 missed=0 paused=0 refused=0

start() {
    LD_PRELOAD=$(realpath "$bin/../tests/libfault.so") start_daemon --orphan-timeout 1
}

# arm ROLE KIND NUMBER [FROM]: of the calls that ROLE makes from now on, or from FROM.
arm() {
    echo "$2 $3 ${4:-}" >"$dir/fault.new"
    mv "$dir/fault.new" "$dir/fault.$1"
}

# lift ROLE: what lasts is over; what has not struck does not any more.
lift() {
    rm -f "$dir/fault.$1"
    [ "$1" = worker ] || arm "$1" none 0
}

struck_since() { [ "$(wc -l <"$dir/fired")" -gt "$1" ]; }

jobs_known() { client list --limit 10000 | wc -l; }

# try_submit ROLE KIND FLAG...: refused with a sentence it leaves no job, and is accepted when nothing is wrong any more.
try_submit() {
    local role=$1 known
    shift 2
    known=$(jobs_known)
    if ! id=$(client submit --parsable "$@" 2>"$dir/err"); then
        refused=$((refused + 1))
        [ "$(wc -l <"$dir/err")" -eq 1 ] || fail "a refusal is not a sentence: $(cat "$dir/err")"
        ! gone "$daemon" || fail "akssld is gone at a submission: $(cat "$dir/err")"
        lift "$role"
        [ "$(jobs_known)" = "$known" ] || fail "a refused job is there: $(cat "$dir/err")"
        id=$(client submit --parsable "$@") || fail "a submission is refused after the fault"
    fi
    job=$state/jobs/$id
}

# see_to ROLE KIND until the job has ended: what is PAUSED is resumed.
see_to() {
    local end=$((SECONDS + 90)) patience=$((SECONDS + 8)) now
    until now=$(field "$id" state) && [ "$now" = SUCCEEDED ]; do
        [ "$SECONDS" -lt "$end" ] || fail "job $id is $now: $(field "$id" reason)"
        ! gone "$daemon" || fail "akssld is gone"
        case $now in
        PAUSED)
            field "$id" reason | has 'resume' || fail "no remedy: $(field "$id" reason)"
            paused=$((paused + 1))
            lift "$1"
            client resume "$id" >/dev/null 2>"$dir/err" || say "not yet: $(cat "$dir/err")"
            ;;
        FAILED | CANCELLED | TIMEOUT) fail "job $id is $now: $(field "$id" reason)" ;;
        esac
        [ "$SECONDS" -lt "$patience" ] || lift "$1"
        sleep 0.1
    done
}

result_is_there() { [ "$(jq -r .state "$job/result.json")" = SUCCEEDED ]; }

# is_told: while the disk was read-only, the run's folder could not go.
is_told() { [ "$1" = readonly ] && grep -q "job $id: .*/run' cannot be removed" "$dir/daemon.log"; }

# What a job leaves, without what tells of its way.
files_of() { (cd "$1" && find . -type f ! -path './run/*' ! -name log ! -name '*.steps' | sort); }

# compare TWIN KIND: files, bytes, and each step once.
compare() {
    local file
    wait_for 15 result_is_there || fail "there is no result.json"
    wait_for 15 test ! -e "$job/run" || is_told "$2" || fail "its run folder is left: $(find "$job/run")"
    diff <(files_of "$1") <(files_of "$job") || fail "the files of job $id are not those of its twin"
    same_run "$1" "$job"
    [ ! -e "$1/evaluations.jsonl" ] || cmp "$1/evaluations.jsonl" "$job/evaluations.jsonl" ||
        fail "evaluations differ"
    diff <(jq .results "$1/result.json") <(jq .results "$job/result.json") || fail "results differ"
    for file in "$job"/tensorboard/*/events*; do
        [ "$1" != "$job" ] || event_steps "$file" >"$file.steps"
        diff "$1${file#"$job"}.steps" <(event_steps "$file") || fail "the steps of $file differ"
    done
    wait_for 15 no_run || fail "these processes are left: $(describe)"
    client verify "$id" >/dev/null || fail "a commit is damaged"
}

no_run() { [ -z "$(processes 'akssl-worker*')$(processes mpirun)" ]; }

strike() { # ROLE KIND NUMBER
    local fired
    fired=$(wc -l <"$dir/fired")
    arm "$@"
    try_submit "$1" "$2" "${short[@]}"
    see_to "$1" "$2"
    lift "$1"
    compare "${twin[short]}" "$2"
    note "$fired" "$1:$2"
}

# note FIRED NAME counts a strike.
note() {
    struck_since "$1" || missed=$((missed + 1))
    struck=$((struck + 1))
    count[$2]=$((${count[$2]:-0} + 1))
    daemon_lives "$2"
}

# alone KIND NUMBER: akssld is killed, and rank 0 ends with a commit of its own, which is or is not taken.
alone() {
    local fired
    fired=$(wc -l <"$dir/fired")
    submit "${long[@]}"
    wait_for 30 test -s "$job/metrics.jsonl" || fail "no step is made"
    kill_daemon
    arm worker "$1" "$2" .state.tmp
    wait_for 60 no_run || fail "the run does not end without akssld"
    rm -f "$dir/fault.worker"
    start
    see_to worker "$1"
    compare "${twin[long]}" "$1"
    note "$fired" "alone:$1"
}

# The calls of a job's life, of one that nothing happens to.
count_calls() {
    local role
    : >"$dir/fired"
    arm daemon none 0
    arm worker none 0
    submit "${short[@]}"
    see_to worker none
    twin[short]=$job
    compare "$job" none
    for role in worker daemon; do
        calls[$role]=$(grep -c "^$role " "$dir/trace")
        say "$role: ${calls[$role]} calls a job:" \
            "$(sed -n "s/^$role [0-9]* \([a-z-]*\) .*/\1/p" "$dir/trace" | sort | uniq -c | tr -s ' \n' ' ')"
    done
    lift daemon
}

# Of a commit made alone, and its twin's that nobody leaves.
count_alone() {
    submit "${long[@]}"
    finish "$id"
    twin[long]=$job
    compare "$job" none
    : >"$dir/trace"
    alone none 0
    count=() struck=0 missed=0
    calls[alone]=$(grep -c '^worker .*/run/' "$dir/trace")
    say "alone: ${calls[alone]} calls a commit"
    grep -q 'without akssld for too long, and has committed' "$dir/daemon.log" || fail "it did not commit alone"
}

# plan prints ROLE KIND NUMBER of all strikes.
plan() {
    local entry role kind only number at=$((stride / 2))
    for entry in "${what[@]}"; do
        IFS=: read -r role kind only <<<"$entry"
        [ -z "$only" ] || echo "$role $kind $only"
        for ((number = 1; number <= ${calls[$role]:-0}; number++)); do
            [ -z "$only" ] && [ $((at++ % stride)) -eq 0 ] && echo "$role $kind $number"
        done
    done
}

start
count_calls
[[ " ${what[*]}" != *" alone:"* ]] || count_alone
plan >"$dir/plan"
while read -r role kind number <&3; do
    [ -n "${AKSSL_FAULT_TELL:-}" ] && say "$role $kind $number"
    if [ "$role" = alone ]; then alone "$kind" "$number"; else strike "$role" "$kind" "$number"; fi
done 3<"$dir/plan"
[ "$missed" -le $((struck / 10 + 1)) ] || fail "$missed of $struck faults did not come to pass"
for kind in "${!count[@]}"; do summary+="$kind ${count[$kind]}, "; done
say "$struck faults (${summary%, }), $missed not reached, $refused refusals, $paused pauses; the bytes of the twin"

pass
