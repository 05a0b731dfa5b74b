#!/bin/bash
# tests/bench/load.sh BIN_DIR [CLIENTS SECONDS WATCHES] -- many people at once beside two training jobs.
#
# CLIENTS people (half on the unix socket, half by TLS with tokens) each submit a job, look at it and at
# the list three times, watch it and cancel it, once every twenty seconds, for SECONDS; then WATCHES watches are open at once.  No call may
# fail, and akssld may neither keep memory nor descriptors.  Prints what people waited for; with
# AKSSL_LOAD_P99=MS it also fails where the 99th percentile of the unary calls is over MS.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"

clients=${1:-200} seconds=${2:-120} watches=${3:-1000}
cycle=$((clients < 100 ? 2000 : 20000)) # a few people in a short time ask more often
load=$bin/../tests/bench.load
tls=$state/tls
grown=6144 # kB that akssld may have more at the end than after a first round, SQLite's cache of 2048 among it

at_step() { [ "$(field "$1" progress.step)" -ge "$2" ]; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
files() { find "/proc/$daemon/fd" -mindepth 1 | wc -l; }
files_are() { [ "$(files)" -le "$1" ]; }
same_files() { wait_for 20 files_are "$before" || fail "akssld keeps $(files) files open; it had $before before $1"; }

round() { # SECONDS
    "$load" clients "$clients" "$1" "$cycle" "127.0.0.1:$port" "$tls/ca.crt" "$dir/tokens" >"$dir/out" 2>"$dir/err" ||
        fail "$(cat "$dir/err" "$dir/out")"
    same_files "$clients clients called"
}

# ---- a daemon on both doors, and two jobs that train all the while

"$bin/akssld" --state-dir "$state" --init-tls >/dev/null || fail "no certificates"
# shellcheck disable=SC2034 # of lib.sh
slots=2
start_daemon --listen 127.0.0.1:0 --rate 1000
port=$(grep -oP "serves '127.0.0.1:0', port \K\d+" "$dir/daemon.log") || fail "the daemon names no port"
mkdir "$dir/tokens"
for i in 0 1 2 3 4 5 6 7 8 9; do
    (umask 077 && client token create "u$i" >"$dir/tokens/$i") || fail "no token"
done
train=("${small[@]}" --epochs 100000 --commit-every 1000 -n 1 --priority 9)
submit "${train[@]}" --method simclr
one=$id
submit "${train[@]}" --method moco_v2 --option K=96
two=$id
for id in $one $two; do wait_for 120 at_step "$id" 2 || fail "job $id does not train"; done
steps() { echo $(($(field "$one" progress.step) + $(field "$two" progress.step))); }

# ---- people

before=$(files)
round "$((seconds / 4 < 10 ? seconds : seconds / 4))" # what is made once is made now
first=$(memory)
at=$(steps)
round "$seconds"
last=$(memory)
say "$(cat "$dir/out")"
say "akssld has $first kB after a first round and $last kB at the end; $(files) files before and after;" \
    "the two jobs took $(($(steps) - at)) steps meanwhile"
[ "$(jq .errors "$dir/out")" = 0 ] && [ "$(jq .unary.count "$dir/out")" -ge "$clients" ] || fail "too few calls"
[ "$last" -le $((first + grown)) ] || fail "akssld has grown by $((last - first)) kB"
[ -z "${AKSSL_LOAD_P99:-}" ] || jq -e ".unary.p99_ms < $AKSSL_LOAD_P99" "$dir/out" >/dev/null ||
    fail "the 99th percentile is over $AKSSL_LOAD_P99 ms"

# ---- watches

"$load" watches "$watches" "$((seconds / 4 < 5 ? 5 : seconds / 4))" "$one" "$two" >"$dir/out" 2>"$dir/err" ||
    fail "$(cat "$dir/err" "$dir/out")"
say "$(cat "$dir/out")"
same_files "$watches watches were open"
for id in $one $two; do
    [ "$(field "$id" state)" = RUNNING ] || fail "job $id is $(field "$id" state): $(field "$id" reason)"
    [ "$(field "$id" restarts)" = "" ] || [ "$(field "$id" restarts)" = 0 ] || fail "job $id was restarted"
    client cancel "$id" >/dev/null
    finish "$id" CANCELLED
done
pass
