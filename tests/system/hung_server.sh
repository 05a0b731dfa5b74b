#!/bin/bash
# tests/system/hung_server.sh BIN_DIR -- a file server with data sets hangs: akssld answers, jobs elsewhere train,
# and who submitted a job on it is told.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] && [ -w /dev/fuse ] && command -v bindfs >/dev/null || skip "needs root, /dev/fuse and bindfs"
served=$dir/served
server=
leave() {
    exec 2>/dev/null
    [ -z "$server" ] || kill -KILL "$server"
    umount -l "$served"
    cleanup
}
trap leave EXIT

part train 256
part t10k 64
mkdir "$served"
bindfs -f "$dir/set" "$served" &
server=$!
wait_for 10 mountpoint -q "$served" || skip "no file systems of programs here"
sleep 2.5 # a check's answer about files that have just changed is not kept

slots=3
start_daemon --data-root "$dir"
on_server=("${small[@]}" --dataset "idx:$served")
submit "${on_server[@]}"
finish "$id"
submit "${small[@]}" --epochs 1000 --ranks 1
going=$id
wait_for 60 committed "$going" 0 || fail "job $going commits nothing"

# hang: nobody gets an answer from the server until it goes on; two submissions ask it: one whose answer akssld has kept,
# and a new one.
hang() {
    kill -STOP "$server"
    sleep 1.5 # the kernel knows for a second what it was told
    waiting=()
    for seed in 5 6; do
        client submit --parsable "${on_server[@]}" --seed "$seed" >"$dir/out.$seed" 2>"$dir/err.$seed" &
        waiting+=($!)
    done
}

hang
before=$(tail -n 1 "$state/jobs/$going/metrics.jsonl" | jq .step)
for _ in $(seq 20); do
    sleep 0.25
    timeout 2 "$bin/akssl-client" list >/dev/null || fail "akssld does not answer while the file server hangs"
done
after=$(tail -n 1 "$state/jobs/$going/metrics.jsonl" | jq .step)
[ "$after" -gt "$before" ] || fail "job $going stands still at step $after"
submit "${small[@]}"
finish "$id"
for i in 0 1; do
    seed=$((i + 5)) status=0
    wait "${waiting[i]}" || status=$?
    [ "$status" -eq 1 ] || fail "a submission on a server that hangs ended with $status: $(cat "$dir/err.$seed")"
    grep -qE "did not answer within 8 s|took over 20 s" "$dir/err.$seed" || fail "it said: $(cat "$dir/err.$seed")"
    say "$(cat "$dir/err.$seed")"
done
kill -CONT "$server"
submit "${on_server[@]}"
finish "$id"

hang # and akssld ends all the same
sleep 1
began=$SECONDS
stop_daemon
[ $((SECONDS - began)) -lt 30 ] || fail "akssld took $((SECONDS - began)) s to end"
for i in 0 1; do
    wait "${waiting[i]}" && fail "a submission was accepted by an akssld that ended"
done
kill -CONT "$server"
pass
