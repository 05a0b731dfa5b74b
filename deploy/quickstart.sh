#!/bin/sh
# deploy/quickstart.sh -- from a bare Debian to a trained backbone, in ten minutes on two cores.
#
# Installs packages, builds, starts a private daemon, trains a ResNet-18 by SimCLR on Fashion-MNIST
# with two MPI ranks, prints accuracies before and after, and stops the daemon.  It can be run
# again: jobs are kept side by side in ${AKSSL_QUICKSTART_DIR:-~/.local/share/akssl-quickstart}.
#
#     deploy/quickstart.sh --packaged
#
# does so by the akssld of the Debian packages, as root: the one that systemd has started, or, where there
# is no systemd, one that it starts as the user akssl and stops again.  It needs dataset-fashion-mnist installed.
#
# AKSSL_QUICKSTART_SECONDS (560) is what it may take in all.

set -eu

start=$(date +%s)
images=20000
budget=${AKSSL_QUICKSTART_SECONDS:-560} # build included
daemon=
last=$(mktemp)

say() {
    printf '\n== %s\n' "$*"
}

stop() {
    rm -f "$last"
    [ -n "$daemon" ] || return 0
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' HUP INT TERM

answers() {
    akssl-client list >/dev/null 2>&1
}

await() {
    tries=0
    until answers; do
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ] || ! kill -0 "$daemon" 2>/dev/null; then
            echo "quickstart.sh: the daemon does not answer in $state: see what it said above" >&2
            exit 1
        fi
        sleep 0.2
    done
}

build_own() {
    cd "$(dirname "$0")/.."
    say "Packages"
    deploy/packages.sh build run

    say "Build, into build/bin"
    mkdir -p build
    cmake --preset release -DAKSSL_TESTS=OFF >build/build.log 2>&1 || { cat build/build.log >&2; exit 1; }
    cmake --build --preset release >build/build.log 2>&1 ||
        { cat build/build.log >&2; exit 1; }
    PATH=$PWD/build/bin:$PATH
}

start_own() {
    state=${AKSSL_QUICKSTART_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/akssl-quickstart}
    say "A daemon of your own, in $state"
    mkdir -p "$state"
    AKSSL_SERVER=unix:$state/akssld.sock
    export AKSSL_SERVER
    akssld --state-dir "$state" --slots 2 --on-term stop --log-level warn &
    daemon=$!
    await
    # What an earlier run was stopped in would go on, and take the cores.
    for old in $(akssl-client list --state QUEUED,STARTING,RUNNING,PAUSED -o id | tail -n +2); do
        akssl-client cancel "$old" >/dev/null
        akssl-client wait "$old" >/dev/null 2>&1 || true
    done
}

start_packaged() {
    state=/var/lib/akssl
    if [ "$(id -u)" -ne 0 ] || [ ! -d "$state" ]; then
        echo "quickstart.sh: --packaged is for root, where the package akssld is installed" >&2
        exit 1
    fi
    AKSSL_SERVER=unix:/run/akssl/akssld.sock
    export AKSSL_SERVER
    if answers; then
        say "The packaged daemon, as systemd has started it"
        return
    fi
    say "The packaged daemon, as the user akssl"
    setpriv --reuid akssl --regid akssl --init-groups env HOME="$state" akssld --state-dir "$state" \
        --socket /run/akssl/akssld.sock --socket-mode 660 --log-level warn &
    daemon=$!
    await
}

case ${1:-} in
--packaged) start_packaged ;;
'')
    build_own
    start_own
    ;;
*)
    echo "usage: deploy/quickstart.sh [--packaged]" >&2
    exit 2
    ;;
esac

# As many epochs as the rest of the time allows, by a measurement of five seconds.
rate=$(akssl-worker bench --method simclr --seconds 5 |
    sed -n 's/.*"images_per_s": \([0-9]*\).*/\1/p')
left=$((budget - ($(date +%s) - start) - 90))
epochs=$((${rate:-0} * left / images))
[ "$epochs" -ge 1 ] || epochs=1
[ "$epochs" -le 10 ] || epochs=10

say "SimCLR, ResNet-18, $images images of Fashion-MNIST, 2 ranks, $epochs epochs at about $rate images/s"
akssl-client submit --name quickstart --method simclr --backbone resnet18 \
    --dataset fashion-mnist --limit-images "$images" --image-size 32 --batch 256 \
    --epochs "$epochs" --optimizer adam --lr 1e-3 --schedule cosine --weight-decay 1e-6 \
    --augment min_scale=0.2 --eval knn,probe --shards 8 --ranks 2 --parsable >"$last" ||
    exit 1
job=$(cat "$last")
akssl-client watch "$job"

result=$state/jobs/$job/result.json
figure() {
    sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$result" | awk '{ printf "%.1f", $1 }'
}
say "$(sed -n 's/.*"state": "\([A-Z]*\)".*/\1/p' "$result") in $(($(date +%s) - start)) s"
printf '%-44s %8s %8s\n' "accuracy on the 10000 test images, per cent" before after
printf '%-44s %8s %8s\n' "20 nearest neighbours (all labels)" "$(figure before.knn.top1)" "$(figure after.knn.top1)"
printf '%-44s %8s %8s\n' "linear probe on 500 labels" "$(figure before.probe.top1)" "$(figure after.probe.top1)"
printf '\nweights, by torchvision'\''s names: %s\n' "$state/jobs/$job/export/backbone.safetensors"
printf 'log, metrics and commits: %s\n' "$state/jobs/$job"
