#!/bin/bash
# tests/fault/commit.sh BIN_DIR [ROLE:KIND...] -- every call of a commit that changes a file, in rank 0 and in
# akssld, is the last one before a death, or fails: what is found then is a whole commit, always.
#
# One job of a step a commit.  Rank 0 waits before each of its commits until it is told which call
# of it gets which fault; then what died is started again, what was paused resumed, and what is
# there is looked at.  In the end the job has the bytes of a twin without faults.  KIND is kill
# (before the call), after, torn (half of a write, then dead), power (dead, and what was not flushed
# is gone), short (half of a write), enospc, eio, erofs.  By default every STRIDE-th call, with
# AKSSL_LONG=1 each.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"

what=("$@")
[ $# -gt 0 ] || what=({worker,daemon}:{kill,after,torn,power,short,enospc,eio,erofs})
stride=61
[ -n "${AKSSL_LONG:-}" ] && stride=1
part train 64
part t10k 64
long=(--dataset "idx:$dir/set" --image-size 16 --batch 64 --shards 2 --method moco_v2
    --backbone "vit_tiny:patch_size=8,depth=1" --option "projection_dim=16,K=96" --batch-norm sync
    --optimizer adam --lr 1e-3 --seed 5 --ranks "${AKSSL_FAULT_RANKS:-1}" --keep 2 --max-restarts 100)
export AKSSL_FAULT_FOLDER=$dir
declare -A calls count=()
struck=0 missed=0 paused=0

start() {
    LD_PRELOAD=$(realpath "$bin/../tests/libfault.so") start_daemon
    echo "$daemon" >"$dir/daemon.pid"
}

# tell ROLE KIND NUMBER lets rank 0 go through its gate.
tell() {
    rm -f "$dir/waiting"
    if [ "$1" = daemon ]; then
        echo "$2 $3" >"$dir/fault.daemon"
        set -- worker none 0
    fi
    echo "$2 $3" >"$dir/fault.new"
    mv "$dir/fault.new" "$dir/fault.$1"
}

# at_gate waits until rank 0 is before a commit, and the one before that is made; what dies meanwhile is
# started again, what is paused is resumed.
at_gate() {
    local end=$((SECONDS + 120)) polls=0 now
    until [ -e "$dir/waiting" ] && ! gone "$daemon" && settled 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || fail "job $id does not get to its next commit"
        sleep 0.05
        if gone "$daemon"; then
            wait "$daemon" 2>/dev/null
            # shellcheck disable=SC2046 # a list
            [ "$1" != power ] || { kill -KILL $(processes) 2>/dev/null; rm -f "$dir/waiting"; }
            start
        elif [ $((++polls % 10)) -eq 0 ]; then
            now=$(field "$id" state)
            case $now in
            PAUSED)
                field "$id" reason | has 'resume it' || fail "no remedy: $(field "$id" reason)"
                paused=$((paused + 1))
                client resume "$id" >/dev/null || fail "resume failed"
                ;;
            FAILED | CANCELLED | SUCCEEDED) fail "job $id is $now: $(field "$id" reason)" ;;
            esac
        fi
    done
}

# settled: of the commit before that of rank 0's last step.
settled() {
    local steps
    steps=$(wc -l <"$job/metrics.jsonl")
    [ "$steps" -le 1 ] || committed "$id" $((steps - 1))
}

# look BEFORE: the newest commit is BEFORE's or the next; all are whole, and none is mixed.
look() {
    local steps step now
    client --json verify "$id" >"$dir/verify" || fail "a commit is damaged: $(cat "$dir/verify")"
    steps=$(jq -r '.commits[].step' "$dir/verify")
    now=$(sort -n <<<"$steps" | tail -n 1)
    [ "$now" -eq "$1" ] || [ "$now" -eq $(($1 + 1)) ] || fail "the commit is of step $now, not $1"
    for step in $steps; do
        grep -aoh -m 1 '"step":"[0-9]*"' "$job/commits/step-$step"/{model,optimizer,state}.safetensors
    done | uniq -c | sed 's/^ *//' >"$dir/mixed"
    # No process substitution: bash may wait for ever for one whose number an earlier process had.
    for step in $steps; do echo "3 \"step\":\"$step\""; done >"$dir/whole"
    diff "$dir/whole" "$dir/mixed" ||
        fail "files of different steps are in one commit"
    ! grep -q 'damaged' "$dir/daemon.log" || fail "a commit was given up"
}

fired() { [ "$(wc -l <"$dir/fired")" -gt "$1" ]; }

strike() { # ROLE KIND NUMBER
    local before fired
    tell worker none 0 # a commit in peace, so that a restart is one with progress
    at_gate none
    before=$(field "$id" committed_step)
    fired=$(wc -l <"$dir/fired")
    tell "$@"
    at_gate "$2"
    if wait_for 2 fired "$fired"; then # it may be in what akssld does when it has answered
        at_gate "$2"
    else
        missed=$((missed + 1))
        rm -f "$dir/fault.daemon"
    fi
    struck=$((struck + 1))
    count[$1:$2]=$((${count[$1:$2]:-0} + 1))
    look "$before"
}

begin() { # STEPS
    submit "${long[@]}" --epochs "$1" --commit-every "$2"
    : >"$dir/fired"
    rm -f "$dir/open" "$dir/waiting"
}

end() {
    touch "$dir/open"
    finish "$id"
}

# The calls of one commit: those of the sixth, which prunes another.
count_calls() {
    local role
    begin 8 1
    for _ in 1 2 3 4 5; do
        at_gate none
        tell worker none 0
    done
    at_gate none
    : >"$dir/trace"
    tell worker none 0
    at_gate none
    for role in worker daemon; do
        calls[$role]=$(sed -n "s/^$role [0-9]* \([a-z]*\) .*/\1/p" "$dir/trace" | tr '\n' ' ')
        say "$role: $(wc -w <<<"${calls[$role]}") calls a commit:" \
            "$(tr ' ' '\n' <<<"${calls[$role]}" | sed '/^$/d' | sort | uniq -c | tr -s ' \n' ' ')"
    done
    end
}

# plan prints ROLE KIND NUMBER of all strikes.
plan() {
    local entry role kind number at=0
    for entry in "${what[@]}"; do
        role=${entry%:*} kind=${entry#*:} number=0
        for call in ${calls[$role]}; do
            number=$((number + 1))
            case $kind:$call in
            torn:*write | short:*write) ;;
            torn:* | short:*) continue ;;
            esac
            [ $((at++ % stride)) -eq 0 ] && echo "$role $kind $number"
        done
    done
}

start
count_calls
plan >"$dir/plan"
strikes=$(wc -l <"$dir/plan")
steps=$((2 * strikes + 4))

begin "$steps" 1
at_gate none
while read -r role kind number <&3; do strike "$role" "$kind" "$number"; done 3<"$dir/plan"
end
faulty=$job

begin "$steps" "$steps"
end
same_run "$job" "$faulty"
[ "$missed" -le $((strikes / 10)) ] || fail "$missed of $strikes faults did not come to pass"
for kind in "${!count[@]}"; do summary+="$kind ${count[$kind]}, "; done
say "$struck faults (${summary%, }), $missed not reached, $paused pauses; the bytes of the twin"

pass
