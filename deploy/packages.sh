#!/bin/sh
# deploy/packages.sh -- the Debian packages that akssl needs; names are the same on 12 and 13.
#
#     deploy/packages.sh build run          install what is missing, as root or through sudo
#     deploy/packages.sh --list build run   print the names, one a line
#
# Groups: build (compile it), package (as Debian packages), run (start jobs), test (the default suite), analyse (a second
# compiler, linters, an emulator), peers (PyTorch, for the tests that compare with it).

set -eu

names() {
    case $1 in
    build) echo build-essential cmake ninja-build pkg-config \
        libgrpc-dev libprotobuf-c-dev protobuf-c-compiler libuv1-dev libsqlite3-dev \
        libopenmpi-dev libopenblas-dev libdnnl-dev \
        libssl-dev libyaml-dev libjansson-dev zlib1g-dev libpng-dev libjpeg-dev libwebp-dev \
        libxxhash-dev libmicrohttpd-dev libjs-dygraphs ;;
    package) echo dpkg-dev file ;;
    run) echo openmpi-bin dataset-fashion-mnist ;;
    test) echo check jq openssl python3-grpcio python3-protobuf python3-jsonschema curl \
        gnuplot-nox iproute2 bindfs munge slurmctld slurmd slurm-client ;;
    analyse) echo clang libclang-rt-dev clang-format shellcheck qemu-user ;;
    peers) echo python3-torch python3-torchvision python3-numpy ;;
    *)
        echo "packages.sh: no group '$1': give build, package, run, test, analyse or peers" >&2
        exit 2
        ;;
    esac
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

list=false
if [ "${1:-}" = --list ]; then
    list=true
    shift
fi
[ $# -gt 0 ] || set -- build run
wanted=
for group in "$@"; do
    more=$(names "$group")
    wanted="$wanted $more"
done
if $list; then
    # shellcheck disable=SC2086 # one name a line
    printf '%s\n' $wanted
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "packages.sh: no apt-get here: akssl builds on Debian 12 or 13; elsewhere install" \
        "the equivalents of:$wanted" >&2
    exit 1
fi
missing=
for name in $wanted; do
    installed "$name" || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    root=
elif command -v sudo >/dev/null; then
    root="sudo"
else
    echo "packages.sh: not root and no sudo: ask an administrator to run" \
        "'apt-get install --no-install-recommends$missing'" >&2
    exit 1
fi
echo "packages.sh: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086 # the names are words
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 $missing
