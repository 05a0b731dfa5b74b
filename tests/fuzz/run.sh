#!/bin/bash
# tests/fuzz/run.sh -- fuzzes each target for some time, one after the other.
#
#     tests/fuzz/run.sh [SECONDS [NAME...]]     60 s each of all of them
#
# Builds the preset fuzz into build-fuzz.  What is new is kept in build-fuzz/corpus/NAME and goes on
# from there next time; the corpus of the tree stays as it is.  A finding ends that target: its
# input is build-fuzz/findings/NAME-*, and the script fails at the end.
#
# build-fuzz/seconds/NAME has the processor's seconds that NAME has run since its last finding, the
# figure printed last.  `chrt --idle 0 tests/fuzz/run.sh ...` leaves the processors to others.

set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
shift
build="build-fuzz"

command -v clang >/dev/null || deploy/packages.sh analyse || exit 1
mkdir -p "$build"
if ! { cmake --preset fuzz && cmake --build --preset fuzz; } >"$build/build.log" 2>&1; then
    tail -n 40 "$build/build.log"
    exit 1
fi
[ $# -gt 0 ] || for folder in tests/fuzz/corpus/*/; do set -- "$@" "$(basename "$folder")"; done

# The inputs' files live in memory; nothing of the caller's environment gets into them.
scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/akssl-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$build/findings" "$build/seconds"
TIMEFORMAT='%U %S'
interrupted=72 # libFuzzer's code when a signal ends it
bad=
for name in "$@"; do
    mkdir -p "$build/corpus/$name"
    dictionary=tests/fuzz/dictionary/$name
    flags=(-max_total_time="$seconds" -timeout=200 -rss_limit_mb=3072 -malloc_limit_mb=9000
        -print_final_stats=1 -artifact_prefix="$build/findings/$name-")
    [ ! -f "$dictionary" ] || flags+=(-dict="$dictionary")
    log=$build/findings/$name.log
    used=$({ time env -i PATH="$PATH" TMPDIR="$scratch" nice -n 10 "$build/tests/fuzz.$name" "${flags[@]}" \
        "$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; } 2>&1)
    code=$?
    sum=$build/seconds/$name
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf '%-12s %9s runs, %5s edges covered' "$name" "${runs:-?}" "${covered:-?}"
    if [ $code -eq 0 ] || [ $code -eq $interrupted ]; then
        echo "$used $(cat "$sum" 2>/dev/null)" | awk '{ printf "%.0f\n", $1 + $2 + $3 }' >"$sum.new"
        mv "$sum.new" "$sum"
        printf ', %6s s in all\n' "$(cat "$sum")"
    else
        echo 0 >"$sum"
        printf ', FINDING: see %s\n' "$log"
        grep -E '^SUMMARY|does not hold' "$log"
        bad="$bad $name"
    fi
done
if [ -n "$bad" ]; then
    printf 'findings in:%s; replay one with build-fuzz/tests/fuzz.NAME FILE\n' "$bad"
    exit 1
fi
