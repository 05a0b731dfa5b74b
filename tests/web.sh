#!/bin/bash
# tests/web.sh [BIN_DIR [FOLDER]] -- the page in headless Chromium: it opens, updates live, compares, outlives a restart of
# akssld, is used by keyboard, fits a phone, is readable dark and light, writes no error to the console.
#
# Screenshots of each view go to FOLDER (build/web).  Skipped (77) without Debian's chromium and python3-websocket.

bin=$(realpath "${1:-$(dirname "$0")/../build/bin}")
out=$(realpath -m "${2:-$bin/../web}")
set -- "$bin"
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/system/lib.sh"

python=/usr/bin/python3
command -v chromium >/dev/null || skip "no chromium: apt-get install chromium"
$python -c 'import websocket' 2>/dev/null || skip "no python3-websocket: apt-get install python3-websocket"
mkdir -p "$out" || fail "no folder '$out'"
rm -rf "$out/profile" "$out/restart"
trap 'rm -rf "$out/profile" "$out/restart"; cleanup' EXIT

port_of() { grep -oP 'page and metrics at http://[^:]*:\K\d+' "$dir/daemon.log" | tail -n 1; }

slots=2
start_daemon --http 127.0.0.1:0
port=$(port_of)
submit "${small[@]}" --epochs 100000 --method simclr --name '<img src=x onerror=broken=1>'
submit "${small[@]}" --epochs 25 --method moco_v2 --option K=256 --priority 1 --probe 5 --eval knn
finish "$id"
wait_for 60 test -s "$state/jobs/1/metrics.jsonl" || fail "job 1 writes no metrics"

$python "$(dirname "$0")/web.py" chromium "http://127.0.0.1:$port/" "$out" \
    opens_list escapes updates_live compares shows_state shows_views shows_map map_by_keyboard by_keyboard zooms on_a_phone dark_and_light outlives_restart &
look=$!
# The last step asks for a restart; the page has to come back by itself.
wait_for 200 test -e "$out/restart" -o ! -d "/proc/$look" || fail "the page was not looked at in time"
if [ -e "$out/restart" ]; then
    leave_daemon
    sleep 3
    start_daemon --http "127.0.0.1:$port"
fi
wait "$look" || fail "the page (screenshots in $out)"
say "screenshots in $out"
pass
