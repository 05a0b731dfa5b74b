#!/bin/bash
# tests/bench/commits.sh -- what commits and the streaming of state cost a step.
#
#     tests/bench/commits.sh [BIN_DIR] [ROUNDS]      about two minutes a round on two quiet cores
#
# MoCo v2, K=65536 and 128 wide, ResNet-18 at 32x32, batch 256, on all cores, a rank a core:
#   alone    akssl-worker bench: no coordinator
#   stream   a job that does not commit meanwhile: the keys of each step go to akssld
#   commits  the same job with a commit every 50 steps
# A job's figure is the time from its 20th step to its 120th, two commits of which the third way has;
# beside it the processors' time of ranks and akssld, which a busy machine changes less, and what of it
# is not the ranks' first threads, which train: the uplink, its library's threads, akssld.
#
# A machine that others use gets faster and slower by more than a commit costs.  So the three ways take turns,
# and which job is first changes, too; the mean over the rounds is given with its standard error.  And the ten steps behind
# each commit are compared with those around them, of the same run.

set -eu

bin=$(cd "${1:-$(dirname "$0")/../../build/bin}" && pwd)
rounds=${2:-3}
from=${FROM:-20} to=${TO:-120} every=${EVERY:-50}
cores=$(nproc)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
trap 'end_daemon; rm -rf "$dir"' EXIT
own_daemon "$dir/state" "$dir/s" --slots "$cores"

lines() { { wc -l <"$dir/state/jobs/$1/metrics.jsonl"; } 2>/dev/null || echo 0; }

until_step() { # JOB STEP
    while [ "$(lines "$1")" -lt "$2" ]; do
        kill -0 $daemon || exit 1
        sleep 0.5 # to look is work, too
    done
}

# ticks RUN: processors' time so far of akssld and of the run's ranks, and that of their training threads, in
# hundredths of a second.
ticks() {
    local pid sum=0 training=0
    for pid in $daemon $(pgrep -f -- "akssl-worker run .*--run $1"); do
        sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat")))
        [ "$pid" = "$daemon" ] || training=$((training + $(awk '{ print $14 + $15 }' "/proc/$pid/task/$pid/stat")))
    done
    echo "$sum $training"
}

# stamp WAY JOB: when each of its steps is over, in microseconds.
stamp() {
    local line
    stdbuf -oL tail --pid="$daemon" -n 0 -f "$dir/state/jobs/$2/metrics.jsonl" | while read -r line; do
        line=${line#*'"step": '}
        echo "${line%%,*} ${EPOCHREALTIME/./}" >>"$dir/stamps.$1.$2"
    done
}

# behind WAY: what the ten steps behind each commit take more than ten of the median of the twenty before and after;
# of jobs without commits, the same steps.
behind() {
    cat "$dir/stamps.$1".* | awk -v every="$every" '
        function median(from, to, skip_from, skip_to, n, i, j, v, x) {
            for (i = from; i <= to; i++)
                if ((i < skip_from || i > skip_to) && i in d) v[++n] = d[i]
            for (i = 2; i <= n; i++) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x }
            return v[int((n + 1) / 2)]
        }
        function look(c) {
            for (c = every; c <= last - 10; c += every) {
                m = median(c - 19, c + 30, c + 1, c + 10); sum = 0
                for (i = c + 1; i <= c + 10; i++) sum += d[i]
                share = 100 * (sum - 10 * m) / (every * m)
                printf "| %d | %.1f | %.1f | %.2f |\n", c, m / 1000, (sum - 10 * m) / 1000, share
                shares += share
                seen++
            }
            delete d
        }
        $1 < last { look(); before = 0 }
        { if (before) d[$1] = $2 - before; before = $2; last = $1 }
        END { look(); if (seen) printf "| mean | | | %.2f |\n", shares / seen }'
}

job() { # WAY COMMIT_EVERY
    local id run before after of_steps
    id=$("$bin/akssl-client" submit --parsable --method moco_v2 --option K=65536,projection_dim=128 --dataset fashion-mnist \
        --image-size 32 --batch 256 --optimizer sgd --lr 0.06 --epochs 2 --seed 0 --shards 8 --ranks "$cores" \
        --commit-every "$2" --keep 1)
    until_step "$id" "$from"
    stamp "$1" "$id" &
    run=$(basename "$(ls "$dir/state/jobs/$id"/run/*.secret)" .secret)
    of_steps=-$(lines "$id")
    read -ra before <<<"$(ticks "$run")"
    until_step "$id" "$to"
    of_steps=$((of_steps + $(lines "$id")))
    read -ra after <<<"$(ticks "$run")"
    awk 'NR == 1 { step = $1; time = $2 } END { printf "%d\n", ($2 - time) / ($1 - step) }' \
        "$dir/stamps.$1.$id" >>"$dir/$1.wall" # us a step
    echo "$(((after[0] - before[0]) * 10000 / of_steps))" >>"$dir/$1.cpu"
    echo "$(((after[0] - before[0] - after[1] + before[1]) * 10000 / of_steps))" >>"$dir/$1.aside"
    "$bin/akssl-client" cancel "$id" >/dev/null
    "$bin/akssl-client" wait "$id" >/dev/null || true
    rm -rf "$dir/state/jobs/$id/commits"
}

alone() {
    mpirun --bind-to none -np "$cores" "$bin/akssl-worker" bench --method moco_v2 --option K=65536,projection_dim=128 \
        --batch 256 --shards 8 --seconds 20 |
        sed -n 's/.*"images_per_s": \([0-9.]*\).*/\1/p' | awk '{ printf "%d\n", 256e6 / $1 }' >>"$dir/alone.wall"
}

median() { sort -n "$dir/$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

echo '| round | alone, ms a step | stream | commits | stream, ms of processors a step | commits | stream, beside training | commits |'
echo '|---|---|---|---|---|---|---|---|'
row() { # NAME COMMAND: a row of what COMMAND gives for each file
    local file text="| $1 |"
    for file in alone.wall stream.wall commits.wall {stream,commits}.cpu {stream,commits}.aside; do
        text+=" $("$2" "$file" | awk '{ printf "%.1f", $1 / 1000 }') |"
    done
    echo "$text"
}
last() { tail -n 1 "$dir/$1"; }
for round in $(seq "$rounds"); do
    alone
    if [ $((round % 2)) -eq 1 ]; then # in turn, so that a machine that gets slower favours neither
        job stream 1000000
        job commits "$every"
    else
        job commits "$every"
        job stream 1000000
    fi
    row "$round" last
done
row median median
paste "$dir/stream.wall" "$dir/commits.wall" | awk '{ r = 100 * ($2 / $1 - 1); sum += r; squares += r * r } END {
    if (NR > 1) error = sqrt((squares - sum * sum / NR) / (NR - 1) / NR)
    printf "\ncommits over stream, round by round: %+.2f %% of the time, standard error %.2f\n", sum / NR, error }'
awk -v sa="$(median stream.aside)" -v a="$(median alone.wall)" -v s="$(median stream.wall)" -v c="$(median commits.wall)" -v sc="$(median stream.cpu)" \
    -v cc="$(median commits.cpu)" 'BEGIN {
    printf "the medians: %+.2f %% of the time, %+.2f %% of the processors\n", 100 * (c / s - 1), 100 * (cc / sc - 1)
    printf "beside training, without commits: %.2f %% of a step'"'"'s processors\n", 100 * sa / sc
    printf "commits over alone: %+.2f %% of the time\n", 100 * (c / a - 1) }'
printf '\n| commit of step | ms a step around it | ms more in the ten behind it | %% of %s steps |\n|---|---|---|---|\n' "$every"
behind commits
echo
echo "The same steps of the jobs without:"
behind stream
