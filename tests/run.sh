#!/bin/sh
# tests/run.sh -- installs what is missing, builds the release preset and runs the default suite.
#
#     tests/run.sh                      all of it, into build/
#     tests/run.sh --no-install -R rpc  no package manager; what follows goes to ctest

set -eu

cd "$(dirname "$0")/.."
if [ "${1:-}" = --no-install ]; then
    shift
else
    deploy/packages.sh build run test
fi

mkdir -p build
log=build/build.log
jobs=$(nproc)
start=$(date +%s)
cmake --preset release -DAKSSL_TESTS=ON >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
cmake --build --preset release -j "$jobs" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
built=$(date +%s)
echo "run.sh: built in $((built - start)) s"

# What a test that is killed leaves behind goes with this folder.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/akssl-run.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch" # other users' programs are tested too
status=0
# Tests of whole runs take two places, one at a time, and wait half of it: a small test, or one that waits for most of its
# time, goes beside each.
TMPDIR=$scratch ctest --test-dir build --output-on-failure --no-tests=error -j 3 "$@" || status=$?
echo "run.sh: tests took $(($(date +%s) - built)) s; logs are in build/Testing/Temporary"
exit $status
