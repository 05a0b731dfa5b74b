#!/bin/bash
# tests/system/noise.sh -- garbage on the socket, messages too large, clients that vanish.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon
submit "${small[@]}" --epochs 300 --ranks 1
wait_for 60 test -s "$job/metrics.jsonl" || fail "job $id does not get going"

for kind in garbage http half-frame silent; do
    timeout 60 "$peer" "$kind" "$dir/s" || fail "peer $kind ended with $?"
    daemon_lives "$kind"
done
for kind in oversized unpackable unknown-method; do
    timeout 60 "$peer" "$kind" "unix:$dir/s" || fail "peer $kind ended with $?"
    daemon_lives "$kind"
done

# Twenty watchers, each killed in mid-stream.
for _ in $(seq 20); do
    "$bin/akssl-client" watch "$id" >/dev/null 2>&1 &
    watcher=$!
    sleep 0.1
    kill -KILL $watcher
    wait $watcher 2>/dev/null
done
daemon_lives "watchers that vanish"

# One that stops reading must not hold up the job.
"$bin/akssl-client" logs --follow "$id" >/dev/null 2>&1 &
sleeper=$!
kill -STOP $sleeper
steps=$(wc -l <"$job/metrics.jsonl")
more_steps() { [ "$(wc -l <"$job/metrics.jsonl")" -gt $((steps + 10)) ]; }
wait_for 60 more_steps || fail "the job stands still behind a stopped client"
kill -KILL $sleeper
wait $sleeper 2>/dev/null

client cancel "$id" >/dev/null || fail "cancel failed"
client wait "$id" >/dev/null 2>&1
[ "$(field "$id" state)" = CANCELLED ] || fail "the job is $(field "$id" state)"

pass
