#!/bin/bash
# tests/bench/compare.sh -- images a second and memory of training steps beside PyTorch, in turn.
#
#     tests/bench/compare.sh [BIN_DIR [ROUNDS [ROW...]]]       minutes a row; ROW: a number of the table below
#
# PEERS names the Pythons whose torch and torchvision are the peers, by spaces (/usr/bin/python3); a ratio is to
# the fastest of them.  PRECISION=bf16: our steps are in bf16, and each peer is measured in that and in single precision.
# One process of a thread a core on either side, in turn; medians of the rounds count.
# Prints a table in Markdown, with the machine.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:-$here/../../build/bin}" && pwd)
rounds=${2:-3}
cores=$(nproc)
precision=${PRECISION:-fp32}
read -ra pythons <<<"${PEERS:-/usr/bin/python3}"
peers=("${pythons[@]}") # a Python, and a flag
[ "$precision" = fp32 ] || peers+=("${pythons[@]/%/ --$precision}")
seconds=${SECONDS_A_RUN:-10}
unset OPENBLAS_CORETYPE DNNL_MAX_CPU_ISA # what would hold either side back
dir=$(mktemp -d "${TMPDIR:-/tmp}/akssl.XXXXXX")
trap 'rm -rf "$dir"' EXIT

rows=(
    "--method simclr --batch 256 --ready-views"
    "--method simclr --batch 256"
    "--method moco_v2 --batch 256"
    "--method byol --batch 256"
    "--method barlow_twins --batch 256 --option projection_dim=2048,hidden_dim=2048"
    "--method swav --batch 256 --option num_prototypes=512,use_the_queue=false,num_crops=0"
    "--method dino --batch 256 --option projection_dim=4096,num_crops=0"
    "--method simsiam --batch 256"
    "--method moco_v3 --batch 256"
    "--method simclr --backbone resnet18_cifar_stem --batch 64 --ready-views"
    "--method simclr --backbone resnet50 --image-size 224 --batch 16 --ready-views"
    "--method simclr --backbone vit_tiny:patch_size=4 --batch 64 --ready-views"
    "--method simclr --backbone vit_small:patch_size=16 --image-size 224 --batch 16 --ready-views"
)

# measure FILE COMMAND...: appends "images_per_s peak_MiB share", the peak of the process, the share of the CPU's peak.
measure() {
    local file=$1
    shift
    /usr/bin/python3 - "$@" >>"$file" <<'PY'
import re, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
rate = re.findall(r'"images_per_s": ([0-9.]+)', done.stdout)
if done.returncode or not rate:
    sys.exit("compare.sh: failed: " + " ".join(sys.argv[1:]))
share = re.findall(r'"share_of_peak": ([0-9.]+)', done.stdout) or ["0"]
print(rate[-1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, share[-1])
PY
}

median() { # FILE COLUMN
    awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

printf '%s, %s cores; %s; ' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$cores" "$("$bin/akssl-worker" --version)"
for peer in "${pythons[@]}"; do "$peer" -c 'import torch; print("PyTorch", torch.__version__, end="; ")'; done
printf '%s, %s rounds of %s s\n\n' "$precision" "$rounds" "$seconds"
printf '| work | akssl, images/s | of peak | peers | ratio | akssl, MiB | the fastest peer, MiB | ratio |\n|---|---|---|---|---|---|---|---|\n'
if [ $# -gt 2 ]; then shift 2; else mapfile -t all < <(seq ${#rows[@]}) && set -- "${all[@]}"; fi
for row in "$@"; do
    read -ra work <<<"${rows[row - 1]}"
    theirs=() skip=false
    for word in "${work[@]}"; do # the peer's heads are those of our options
        if $skip; then skip=false; elif [ "$word" = --option ]; then skip=true; else theirs+=("$word"); fi
    done
    for _ in $(seq "$rounds"); do
        measure "$dir/$row.ours" "$bin/akssl-worker" bench "${work[@]}" --precision "$precision" --seconds "$seconds"
        for i in "${!peers[@]}"; do
            read -ra peer <<<"${peers[i]}"
            measure "$dir/$row.$i" "${peer[0]}" "$here/peer.py" "${theirs[@]}" "${peer[@]:1}" --threads "$cores" \
                --seconds "$seconds"
        done
    done
    best=0 rates=
    for i in "${!peers[@]}"; do
        rates+="$(median "$dir/$row.$i" 1) "
        awk -v a="$(median "$dir/$row.$i" 1)" -v b="$(median "$dir/$row.$best" 1)" 'BEGIN { exit !(a > b) }' && best=$i
    done
    awk -v work="${theirs[*]}" -v o="$(median "$dir/$row.ours" 1)" -v om="$(median "$dir/$row.ours" 2)" \
        -v share="$(median "$dir/$row.ours" 3)" \
        -v p="$(median "$dir/$row.$best" 1)" -v pm="$(median "$dir/$row.$best" 2)" -v rates="$rates" 'BEGIN {
        printf "| %s | %.1f | %.0f %% | %s | **%.2f** | %d | %d | %.2f |\n", work, o, 100 * share, rates, o / p, om, pm, om / pm }'
done
