#!/bin/bash
# tests/system/away.sh BIN_DIR -- akssld goes away and comes back while somebody looks: who follows a job goes on, and
# who asks while it stops hears its own sentence.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

start_daemon

# ---- followed over a restart, before there is a word in the log

submit "${small[@]}" --hold
"$bin/akssl-client" logs -f "$id" >"$dir/log" 2>"$dir/log.err" &
logs=$!
"$bin/akssl-client" wait "$id" >"$dir/wait" 2>"$dir/wait.err" &
waits=$!
sleep 1
back() { [ "$(grep -c 'is back' "$dir/wait.err")" -ge "$1" ]; }
for i in 1 2; do
    leave_daemon
    sleep 1
    start_daemon
    wait_for 30 back "$i" || fail "wait has not found akssld again: $(cat "$dir/wait.err")"
    kill -0 "$logs" || fail "logs -f has ended: $(cat "$dir/log.err")"
done
echo word >>"$job/log"
client release "$id" >/dev/null || fail "job $id is not released"
wait "$waits" || fail "wait ended with $?: $(cat "$dir/wait.err")"
wait "$logs" || fail "logs -f ended with $?: $(cat "$dir/log.err")"
grep -q SUCCEEDED "$dir/wait" || fail "wait said: $(cat "$dir/wait")"
client logs "$id" | cmp - "$dir/log" || fail "logs -f has another log"
grep -q word "$dir/log" || fail "logs -f has lost a word"

# ---- asked while it stops: its ranks do not answer, so that this takes a while

submit "${small[@]}" --epochs 1000
wait_for 60 committed "$id" 0 || fail "job $id commits nothing"
mapfile -t ranks < <(processes akssl-worker)
kill -STOP "${ranks[@]}"
kill -INT "$daemon"
wait_for 10 has 'stopping' "$dir/daemon.log" || fail "akssld does not stop"
refused 1 'is stopping: submit again' "$bin/akssl-client" submit "${small[@]}"
grep -q 'start one' "$dir/err" && fail "another akssld is to be started"
refused 1 'is stopping' "$bin/akssl-client" submit --wait "${small[@]}"
kill -CONT "${ranks[@]}"
wait_for 60 gone "$daemon" || fail "akssld does not end"
wait "$daemon" || fail "akssld ended with $?"
daemon=
refused 3 'start one with' "$bin/akssl-client" list
pass
