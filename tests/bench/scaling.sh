#!/bin/bash
# tests/bench/scaling.sh [BUILD_DIR [ROUNDS]] -- two ranks beside one, and what more of them would do.
#
# Measures steps on one rank and on two, in turn: strong scaling (the same job) and weak scaling (the same images a rank), and
# latency and bandwidth of what ranks exchange (bench.exchange); then prints what the cost model of scaling.md makes of it
# for 1 to 64 nodes.  PREFIX="chrt -r 1" has the ranks go before other work on the machine.  MODEL=FILE: the model alone, on
# the measurements that an earlier run left in KEEP=FILE.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
rounds=${2:-3}
seconds=${SECONDS_A_RUN:-3}
read -ra prefix <<<"${PREFIX:-}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT
keep=${KEEP:-$dir/measured}

# name; flags; batch of one rank; features a view, where the loss gathers them
works=(
    "ResNet-18 @32;--backbone resnet18;256"
    "CIFAR stem @32;--backbone resnet18_cifar_stem;64"
    "ResNet-50 @224;--backbone resnet50 --image-size 224;16"
    "ViT-tiny/4 @32;--backbone vit_tiny:patch_size=4;64"
)

ranks() { # RANKS COMMAND...
    mpirun -np "$1" --bind-to none --mca mpi_yield_when_idle 1 --mca pml ob1 "${extra[@]}" "${prefix[@]}" "${@:2}"
}
extra=()

# step RANKS SHARDS BATCH FLAG...: appends to the work's file of that kind "ms exposed waits gathers MiB_gathered MiB buckets", a step
step() {
    ranks "$1" "$build/bin/akssl-worker" bench --method simclr --ready-views --shards "$2" --threads-per-shard 1 \
        --batch "$3" --seconds "$seconds" "${@:4}" | tail -n 1 |
        jq -r '(.steps + 2) as $n | .exchange as $e | [.seconds / .steps * 1000, $e.exposed_within_backward / $n * 1000,
            $e.exposed_behind_backward / $n * 1000, $e.exposed_parameters / $n * 1000, $e.gathers_seconds / $n * 1000,
            $e.gathers / $n, $e.gathers_mib / $n, $e.mib / $n, $e.buckets, $e.mib_within_backward / $e.mib] | @tsv'
}

medians() { # FILE: of each column
    awk '{ for (i = 1; i <= NF; i++) v[i, NR] = $i; n = NF } END { for (i = 1; i <= n; i++) { m = NR
        for (a = 1; a <= m; a++) s[a] = v[i, a]
        for (a = 2; a <= m; a++) for (b = a; b > 1 && s[b - 1] > s[b]; b--) { t = s[b]; s[b] = s[b - 1]; s[b - 1] = t }
        printf "%s%.6g", (i > 1 ? "\t" : ""), s[int((m + 1) / 2)] } print "" }' "$1"
}

measure() {
    local work name flags batch
    for work in "${works[@]}"; do
        IFS=';' read -r name flags batch <<<"$work"
        read -ra flags <<<"$flags"
        for _ in $(seq "$rounds"); do
            step 1 2 "$batch" "${flags[@]}" >>"$dir/one"
            step 2 2 "$batch" "${flags[@]}" >>"$dir/strong"
            step 1 1 "$((batch / 2))" "${flags[@]}" >>"$dir/half"
            step 1 1 "$((batch / 8))" "${flags[@]}" >>"$dir/few"
        done
        for kind in one strong half few; do
            printf '%s\t%s\t%s\t%s\n' "$name" "$batch" "$kind" "$(medians "$dir/$kind")"
        done
        rm -f "$dir/one" "$dir/strong" "$dir/half" "$dir/few"
    done
    printf 'exchange\tmemory\t%s\n' "$(ranks 2 "$build/tests/bench.exchange" | tail -n 1)"
    extra=(--mca btl "self,tcp")
    printf 'exchange\ttcp\t%s\n' "$(ranks 2 "$build/tests/bench.exchange" | tail -n 1)"
}

if [ -n "${MODEL:-}" ]; then keep=$MODEL; else measure >"$keep"; fi

printf '## Measured\n\n%s, %s cores; medians of %s\n\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$rounds"
printf '| work, batch | 1 rank, ms a step | 2 ranks | strong | weak | exposed: in backward, behind, parameters, ms | gathers, ms (count) | of gradients within backward |\n|---|---|---|---|---|---|---|---|\n'
awk -F '\t' '$1 == "exchange" { next }
    $3 == "one" { one = $4 } $3 == "strong" { ms = $4; within = $5; behind = $6; out = $7; gathers = $8; count = $9; share = $13 }
    $3 == "half" { half = $4 }
    $3 == "few" { printf "| %s, %d | %.1f | %.1f | **%.2f** | %.2f | %.1f, %.1f, %.1f | %.1f (%d) | %d %% |\n", $1, $2, one, ms, one / ms, 2 * half / ms, within,
        behind, out, gathers, count, 100 * share }' "$keep"
printf '\nWhat ranks exchange, in shared memory and by TCP on the loopback device:\n\n'
awk -F '\t' '$1 == "exchange" { print "    " $2 ": " $3 }' "$keep"
gather=$(awk -F '\t' '$2 == "memory" { print $3 }' "$keep" | jq -r '"\(.gather_us["8"]) \(.gather_us["65536"])"')
printf '\n## Predicted\n'
awk -F '\t' -v gather="$gather" -f "$here/scaling.awk" "$keep"
