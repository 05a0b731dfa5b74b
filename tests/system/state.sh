#!/bin/bash
# tests/system/state.sh -- the queue and the prototypes that the coordinator holds are the ones that count.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# values FILE TENSOR: what a file of tensors holds of one, a number a line.
values() {
    local length from to
    length=$(od -An -tu8 -N 8 "$1")
    read -r from to < <(tail -c +9 "$1" | head -c $((length)) |
        jq -r --arg name "$2" '.[$name] | select(.dtype == "F32") | .data_offsets | "\(.[0]) \(.[1])"')
    tail -c +$((9 + length + from)) "$1" | head -c $((to - from)) | od -An -v -w4 -tf4
}

# norms FILE TENSOR ROWS COLUMNS prints the least, the mean and the greatest length of its rows; fails unless it is
# ROWS x COLUMNS of finite numbers.
norms() {
    values "$1" "$2" | awk -v rows="$3" -v columns="$4" '
        !/^ *-?[0-9.]+(e[-+][0-9]+)?$/ { print "not finite: " $0; exit bad = 1 }
        { sum += $1 * $1 }
        NR % columns == 0 {
            norm = sqrt(sum)
            sum = 0
            total += norm
            if (NR == columns || norm < least) least = norm
            if (norm > most) most = norm
        }
        END {
            if (!bad && NR != rows * columns) { print NR " numbers"; bad = 1 }
            if (bad) exit 1
            printf "%.6f %.6f %.6f\n", least, total / rows, most
        }'
}

# within NUMBER LOW HIGH
within() { awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x ~ /^[-+.0-9e]+$/ && x >= low && x <= high) }'; }

# around NUMBER NUMBER DIFFERENCE
around() { within "$(awk -v x="$1" -v y="$2" 'BEGIN { printf "%.9f", x == "" || y == "" ? 9 : x - y }')" "-$3" "$3"; }

# insight ID TENSOR FIGURE
insight() {
    client --json state "$1" | jq -r --arg tensor "$2" --arg figure "$3" \
        '.tensors[] | select(.name == $tensor) | .insight[$figure] // empty'
}

# 8 steps of 64 keys: a queue of 256 rows is full, and has wrapped.
start_daemon
submit "${small[@]}" --method moco_v2 --option K=256 --epochs 2 --ranks 2
finish "$id"
client --json state "$id" >"$dir/state.json" || fail "state failed"
jq -e '.. | objects | select(.name == "moco.queue") |
    .shape == [256, 128] and .filled == 256 and .version == 8 and (.digest | length == 32)' \
    "$dir/state.json" >/dev/null || fail "not a full queue of version 8: $(cat "$dir/state.json")"
client state "$id" | has 'moco.queue' || fail "state prints no moco.queue"
[ -s "$(last_commit "$job")/state.safetensors" ] || fail "the commit holds no state"

client --json state "$id" | jq -e '.tensors[0].insight |
    .occupancy == 1 and .key_age_max == 3 and .key_age_mean == 1.5' >/dev/null ||
    fail "the keys' ages are wrong: $(client --json state "$id")"
client state "$id" --save "$dir/kept" >"$dir/said" || fail "state --save failed"
cmp "$dir/kept" "$(last_commit "$job")/state.safetensors" || fail "not the commit's bytes"
grep -q "state of step 8 saved to $dir/kept" "$dir/said" || fail "it said '$(cat "$dir/said")'"
all_of_one() { # the queue's keys have length 1, each of them
    local least mean most
    read -r least mean most < <(norms "$1" moco.queue 256 128)
    { within "$least" 0.999 "$mean" && within "$most" "$mean" 1.001; } || fail "keys of lengths $least to $most in $1"
}
all_of_one "$dir/kept"
finished=$id

submit "${small[@]}" --method moco_v2 --option K=256 --epochs 100 --ranks 2 --commit-every 4
wait_for 60 committed "$id" 8 || fail "no commit at step 8"
# A running job's state is saved as it is now.
client state "$id" --save "$dir/now" >/dev/null || fail "state --save of a running job failed"
[ "$(tensors "$dir/now")" = "$(tensors "$dir/kept")" ] || fail "other tensors: $(tensors "$dir/now")"
[ "$(stat -c %s "$dir/now")" -ge $((256 * 128 * 4)) ] || fail "the file is too short"
all_of_one "$dir/now"
[ "$(field "$id" state)" = RUNNING ] || fail "job $id did not run while its state was saved"
refused 2 "cannot be written: No such" "$bin/akssl-client" state "$finished" --save "$dir/none/x"
client cancel "$id" >/dev/null || fail "cancel failed"

# Prototypes: of 64, how many are used (exp of the entropy of the mean assignment, as a part of them), and how sure
# the assignments are: none has more entropy than their mean.
swav=("${small[@]}" --method swav --ranks 2 --option "num_prototypes=64,hidden_dim=64,num_crops=0,use_the_queue=false")
prototypes() {
    local usage entropy least mean most
    usage=$(insight "$1" swav.prototypes prototype_usage)
    entropy=$(insight "$1" swav.prototypes prototype_entropy)
    within "$usage" 0.015625 1 || fail "a part of '$usage' of the prototypes is used"
    within "$entropy" 0 "$(awk -v u="$usage" 'BEGIN { print log(64 * u) + 1e-3 }')" ||
        fail "assignments have an entropy of '$entropy', with $usage of the prototypes used"
    client state "$1" | has '^  prototype_usage [01]' || fail "state prints no usage"
}
submit "${swav[@]}" --epochs 2
finish "$id"
prototypes "$id"
client --json state "$id" | jq -e '.tensors | length == 1 and (.[0] | .shape == [64, 128] and .version == 8)' >/dev/null ||
    fail "not the prototypes of step 8: $(client --json state "$id")"
client state "$id" --save "$dir/prototypes" >/dev/null || fail "state --save failed"
read -r least mean most < <(norms "$dir/prototypes" swav.prototypes 64 128)
for figure in "min_norm $least" "mean_norm $mean" "max_norm $most"; do
    key=${figure% *} want=${figure#* }
    around "$(insight "$id" swav.prototypes "$key")" "$want" 1e-3 ||
        fail "$key is $(insight "$id" swav.prototypes "$key"), and $want in the file"
done
{ within "$least" 0.999 1.001 && within "$most" 0.999 1.001; } || fail "prototypes of lengths $least to $most"
# Both figures are those of the last step.
for figure in prototype_usage,prototype_usage prototype_entropy,teacher_entropy; do
    last=$(jq -r ".${figure#*,} // empty" "$job/metrics.jsonl" | tail -n 1)
    around "$(insight "$id" swav.prototypes "${figure%,*}")" "$last" 1e-5 || fail "${figure%,*} is not $last, of the last step"
done

# Of a run, too.
submit "${swav[@]}" --epochs 100 --commit-every 4
wait_for 60 committed "$id" 12 || fail "no commit at step 12" # to step 8 it is the job before, to the bit
prototypes "$id"
client state "$id" --save "$dir/prototypes.now" >/dev/null || fail "state --save of a running job failed"
said=$(norms "$dir/prototypes.now" swav.prototypes 64 128) || fail "a run's prototypes are not sound: $said"
cmp -s "$dir/prototypes.now" "$dir/prototypes" && fail "a run's prototypes are those of step 8"
client cancel "$id" >/dev/null || fail "cancel failed"

pass
