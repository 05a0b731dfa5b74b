#!/bin/bash
# tests/system/web.sh BIN_DIR -- page, JSON and metrics by HTTP: what is served, to whom, with which headers; what is
# refused.  tests/web.sh looks at the page in a browser.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || skip "no curl: deploy/packages.sh test"

port_of() { grep -oP 'page and metrics at https?://[^:]*:\K\d+' "$dir/daemon.log" | tail -n 1; }
get() { curl -sS --path-as-is --max-time 20 "$@"; }
# answers STATUS PATTERN CURL_ARGUMENT...: the status, and what the body says.
answers() {
    local want=$1 pattern=$2 got
    shift 2
    got=$(get -o "$dir/body" -w '%{http_code}' "$@")
    [ "$got" = "$want" ] || fail "$* answers $got, not $want: $(head -c 300 "$dir/body")"
    grep -qE -- "$pattern" "$dir/body" || fail "$* answers '$(head -c 300 "$dir/body")', which lacks '$pattern'"
}

# ---- nothing unless asked for

slots=2
start_daemon
grep -q 'page and metrics' "$dir/daemon.log" && fail "a page is served that nobody asked for"
stop_daemon
refused 1 'certificate.*init-tls' "$bin/akssld" --state-dir "$state" --socket "$dir/s" --http 0.0.0.0:0
start_daemon --http 127.0.0.1:0
port=$(port_of)
url=http://127.0.0.1:$port

# ---- what is served

submit "${small[@]}" --epochs 2 --method simclr --name 'a "name" <b>&\'
finish "$id"
submit "${small[@]}" --epochs 100000 --method moco_v2 --option K=256
wait_for 60 test -s "$job/metrics.jsonl" || fail "job $id writes no metrics"

answers 200 '^ok$' "$url/healthz"
for path in / /akssl.js /akssl.css /chart.js /dygraph.min.js /dygraph.min.css /pictures.js /icon.svg /api/jobs/1/pictures/ /api/jobs/1/pictures/views.png /api/jobs /api/jobs/1 /api/jobs/1/curves /api/jobs/1/log /api/jobs/1/state /metrics /healthz /nothing; do
    get -D "$dir/headers" -o /dev/null "$url$path"
    for header in "content-security-policy: default-src 'none'; script-src 'self'" 'x-content-type-options: nosniff' \
        'x-frame-options: deny' 'cross-origin-resource-policy: same-origin' 'cache-control: no-store' 'referrer-policy: no-referrer'; do
        grep -qiF -- "$header" "$dir/headers" || fail "$path lacks '$header'"
    done
    grep -qiE "unsafe|access-control" "$dir/headers" && fail "$path lets others in: $(cat "$dir/headers")"
done
get "$url/" >"$dir/page"
grep -qE '(src|href)="(https?:)?//' "$dir/page" && fail "the page asks another host"
grep -qiE '<script[^>]*>[^<]|<style| style=| on[a-z]+=' "$dir/page" && fail "the page has inline code, which its policy forbids"

get "$url/api/jobs" | jq -e '(.jobs | length) == 2 and .jobs[0].id == 2 and .jobs[1].state == "SUCCEEDED"
    and .jobs[1].spec.name == "a \"name\" <b>&\\" and .jobs[1].progress.step == 8 and .cores.local.all == 2' >/dev/null ||
    fail "/api/jobs: $(get "$url/api/jobs")"
get "$url/api/jobs?limit=1" | jq -e '(.jobs | map(.id) == [2]) and .running == []' >/dev/null || fail "limit is not kept"
client submit -H "${small[@]}" >/dev/null
get "$url/api/jobs?limit=1" | jq -e '(.jobs | map(.id) == [3]) and (.running | map(.id) == [2])' >/dev/null ||
    fail "newer jobs hide one that runs"
client cancel 3 >/dev/null
get "$url/api/jobs?before=2" | jq -e '.jobs | map(.id) == [1]' >/dev/null || fail "before is not kept"
get "$url/api/jobs/1" | jq -e '(.yaml | contains("method: simclr")) and .results == {}' >/dev/null || fail "/api/jobs/1"
# Every step as it is in the file; then four of two steps each, which hold their least and greatest.
get "$url/api/jobs/1/curves?points=1000" | jq -c '.series.loss | [.step, .mean] | transpose' >"$dir/points"
jq -s -c 'map([.step, .loss])' "$state/jobs/1/metrics.jsonl" >"$dir/lines"
jq -n -e --slurpfile a "$dir/points" --slurpfile b "$dir/lines" '[$a[0], $b[0]] | transpose
    | length == 8 and all(.[]; .[0][0] == .[1][0] and (.[0][1] - .[1][1] | fabs) < 1e-6)' >/dev/null || fail "a curve is not its file's"
get "$url/api/jobs/1/curves?points=4" | jq -e '.series.loss | .step == [2, 4, 6, 8] and
    ([.min, .mean, .max] | transpose | all(.[]; .[0] <= .[1] and .[1] <= .[2]))' >/dev/null || fail "4 points of 8 steps"
queue_is_full() { get "$url/api/jobs/2/state" | jq -e '.tensors | length == 1 and (.[0] | .name == "moco.queue" and .shape == [256, 128]
    and .occupancy == 1 and .key_age_max == 3 and .version >= 4)'; } # 4 steps of 64 keys, the newest of this one
wait_for 30 queue_is_full || fail "a queue: $(get "$url/api/jobs/2/state")"
answers 200 '^\{"tensors":\[\]\}$' "$url/api/jobs/1/state"

# ---- pictures: those of a run that is over, and of one that goes on; none that is no picture

answers 200 '^\{"pictures":\["views.png","thumbnails.png","map.json"\]\}$' "$url/api/jobs/1/pictures/"
answers 200 '^\{"pictures":\["views.png"\]\}$' "$url/api/jobs/2/pictures/"
for file in views.png thumbnails.png map.json; do
    got=$(get -o "$dir/body" -w '%{content_type}' "$url/api/jobs/1/pictures/$file")
    cmp "$dir/body" "$state/jobs/1/pictures/$file" || fail "$file is not the file's"
    [ "$got" = "$([ "$file" = map.json ] && echo application/json || echo image/png)" ] || fail "$file is said to be $got"
done
jq -e '(.images == 256 and .of == 256) and (.classes | length) == 10 and ([.index, .label, .x, .y, .tsne_x, .tsne_y, .neighbours, .cosine] | all(length == 256))
    and (.neighbours | all(length == 10 and all(. >= 0 and . < 256)))' "$dir/body" >/dev/null || fail "map.json: $(head -c 300 "$dir/body")"
answers 404 'no map.json yet' "$url/api/jobs/2/pictures/map.json"
answers 404 'no picture' "$url/api/jobs/1/pictures/spec.yaml"
answers 404 'nothing is served' "$url/api/jobs/1/pictures/..%2fspec.yaml"
answers 404 'no picture' "$url/api/jobs/1/pictures/.."
answers 404 'nothing is served' "$url/api/jobs/1/pictures/../spec.yaml"
answers 404 'job 77: there is none' "$url/api/jobs/77/pictures/"

get "$url/metrics" >"$dir/metrics"
for line in 'akssl_jobs{state="RUNNING"} 1' 'akssl_jobs_ended_total{state="SUCCEEDED"} 1' 'akssl_cores_used{launcher="local"} 2' \
    'akssl_job_collapsed{id="2"} 0'; do
    grep -qF "$line" "$dir/metrics" || fail "/metrics lacks '$line'"
done
deploy=$(dirname "$0")/../../deploy
# What dashboard and alerts ask for is there.
{ jq -r '.panels[].targets[].expr, .templating.list[].query.query?' "$deploy/grafana/akssl.json" && grep expr: "$deploy/prometheus/akssl.rules.yml"; } |
    grep -oE '\b(akssl|process)_[a-z_]+' | sort -u >"$dir/asked"
[ "$(wc -l <"$dir/asked")" -gt 10 ] || fail "the dashboard asks for nothing"
while read -r family; do
    grep -q "^# TYPE $family " "$dir/metrics" || fail "/metrics has no $family, which deploy/grafana or deploy/prometheus asks for"
done <"$dir/asked"
if command -v promtool >/dev/null; then
    promtool check metrics <"$dir/metrics" || fail "promtool does not like /metrics"
    promtool check config "$deploy/prometheus/prometheus.yml" >"$dir/out" || fail "prometheus.yml: $(cat "$dir/out")"
    promtool test rules "$deploy/prometheus/akssl.rules.test.yml" >"$dir/out" 2>&1 || fail "alerts: $(cat "$dir/out")"
else
    say "no promtool: metrics and alerts are not checked by it"
fi

# ---- bounds: a file of a million lines, and of garbage; a log of which the end is told

set=$state/jobs/1
cp "$set/metrics.jsonl" "$dir/kept"
{ printf 'no line\n{"step": 1, "loss": nan, "x": 1e999, "y\n{"step": -5, "loss": 1}\n'; yes '{"step": 7, "loss": 2.5}' | head -n 3; printf '{"step": 9, "lo'; } >"$set/metrics.jsonl"
answers 200 '^\{"series":\{"loss":\{"step":\[7\],"mean":\[2.5\]\}\}\}$' "$url/api/jobs/1/curves"
printf '{"step": 1, "loss": 1}\n\0\n' >"$set/metrics.jsonl"
answers 200 '^\{"series":\{"loss":\{"step":\[1\],"mean":\[1.0\]\}\}\}$' "$url/api/jobs/1/curves" # what a crash leaves hides nothing
awk 'BEGIN { for (i = 1; i <= 1000000; i++) printf "{\"step\": %d, \"epoch\": 1.5, \"loss\": %.6f}\n", i, 1 + i / 1e6 }' >"$set/metrics.jsonl"
get "$url/api/jobs/1/curves?points=50" >"$dir/body"
jq -e '.series.loss | (.step | length) > 40 and .step[-1] == 1000000 and .min[0] < 1.001 and .max[-1] == 2' "$dir/body" >/dev/null ||
    fail "a million steps: $(head -c 300 "$dir/body")"
[ "$(stat -c %s "$dir/body")" -lt 20000 ] || fail "50 points take $(stat -c %s "$dir/body") bytes"
cp "$dir/kept" "$set/metrics.jsonl"
seq 1 100000 >"$set/log"
answers 200 '^100000$' "$url/api/jobs/1/log"
[ "$(stat -c %s "$dir/body")" -le 65536 ] && [ "$(tail -n 1 "$dir/body")" = 100000 ] && [ "$(head -n 1 "$dir/body" | wc -c)" -ge 6 ] ||
    fail "the end of a log: $(head -c 100 "$dir/body")"

# ---- what is refused

answers 404 'nothing is served' "$url/nothing"
answers 404 'nothing is served' "$url/../akssld.db"
answers 404 'nothing is served' "$url/%2e%2e/akssld.db"
answers 404 'nothing is served' "$url/api/jobs/1/../../../etc/passwd"
answers 404 'nothing is served' "$url/api/jobs/01"
answers 404 'nothing is served' "$url/api/jobs/99999999999999999999"
answers 404 'job 77: there is none' "$url/api/jobs/77"
answers 404 'job 77: there is none' "$url/api/jobs/77/log"
answers 404 'job 77: there is none' "$url/api/jobs/77/state"
answers 400 'limit: give a number' "$url/api/jobs?limit=0"
answers 400 'limit: give a number' "$url/api/jobs?limit=1e3"
answers 400 'points: give a number' "$url/api/jobs/1/curves?points=1001"
answers 400 'bytes: give a number' "$url/api/jobs/1/log?bytes=-1"
answers 405 'GET or HEAD' -X POST "$url/api/jobs"
answers 405 'GET or HEAD' -X DELETE "$url/api/jobs/1"
answers 413 'no body' -X GET -d x=y "$url/"
answers 403 'loopback' -H 'Host: rebound.example' "$url/api/jobs"
answers 403 'loopback' -H 'Host: 127.0.0.1.example' "$url/api/jobs"
answers 200 jobs -H 'Host: localhost:9' "$url/api/jobs"
got=$(get -o /dev/null -w '%{http_code}' "$url/$(printf 'a%.0s' {1..40000})")
[ "$got" = 414 ] || [ "$got" = 431 ] || fail "a path of 40000 bytes is answered $got"
got=$(get -o /dev/null -w '%{http_code}' -H "X: $(printf 'a%.0s' {1..60000})" "$url/")
[ "$got" = 431 ] || fail "a header of 60000 bytes is answered $got"
for bytes in '\0\0\0\0\r\n\r\n' 'GET\r\n\r\n' 'GET / HTTP/9.9\r\n\r\n' '\x16\x03\x01\x02\x00\x01\x00' 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' \
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' 'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n' 'GET / HTTP/1.1\r\n'; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf '%b' "$bytes" >&3 && timeout 0.2 head -c 500 <&3 >"$dir/body") 2>/dev/null
    head -n 1 "$dir/body" | has 'HTTP/1.1 200' && fail "'$bytes' is answered: $(head -c 200 "$dir/body")"
done
# More connections than there are places: those that ask for nothing are no obstacle for long, and akssld lives.
python3 - "$port" <<'END' || fail "too many connections"
import socket, sys
held = []
for _ in range(300):
    one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
    held.append(one)
END
wait_for 10 get -f -o /dev/null "$url/healthz" || fail "no answer after 300 connections"
daemon_lives "what was refused"
[ "$(client --json list | jq '.jobs | length')" = 3 ] || fail "a request has made a job"

client cancel 2 >/dev/null

# The sheet is the one that akssl-worker views draws: of 8 images, all of them.
submit "${small[@]}" --limit-images 8 --batch 8 --method simclr
finish "$id"
"$bin/akssl-worker" views --dataset fashion-mnist --image-size 16 --images 8 --seed 5 --out "$dir/sheet.png" || fail "no sheet"
cmp "$dir/sheet.png" "$job/pictures/views.png" || fail "the views of a job are not those of akssl-worker views"
# Pictures that nobody takes are held up to a bound, and others are served meanwhile.
cp "$job/pictures/views.png" "$dir/kept.png"
head -c 8000000 /dev/urandom >"$job/pictures/views.png"
for _ in {1..12}; do
    get -N --limit-rate 1000 "$url/api/jobs/$id/pictures/views.png" -o /dev/null 2>/dev/null &
    takers+=($!)
done
sleep 2
answers 200 '^ok$' "$url/healthz"
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
[ "$rss" -lt 150000 ] || fail "12 pictures of 8 MB that nobody takes: akssld has $rss kB"
kill "${takers[@]}"
wait "${takers[@]}"
wait_for 20 get -f -o /dev/null "$url/api/jobs/1/pictures/views.png" || fail "no picture after slow readers have gone"
head -c 9000000 /dev/zero >"$job/pictures/views.png"
answers 429 'is over 8388608 bytes' "$url/api/jobs/$id/pictures/views.png"
cp "$dir/kept.png" "$job/pictures/views.png"

# ---- it stops while somebody looks

get -N --limit-rate 1000 "$url/api/jobs/1/log" -o /dev/null 2>/dev/null &
looker=$!
stop_daemon
wait "$looker"
get "$url/healthz" >/dev/null 2>&1 && fail "a page is served by no daemon"

# ---- beyond loopback: TLS and a token

"$bin/akssld" --state-dir "$state" --init-tls >/dev/null || fail "no certificates"
start_daemon --http 0.0.0.0:0
url=https://127.0.0.1:$(port_of)
ca=(--cacert "$state/tls/ca.crt")
(umask 077 && client token create reader --scope read >"$dir/token")
bearer="Authorization: Bearer $(tr -d '\n' <"$dir/token")"
answers 200 '^ok$' "${ca[@]}" "$url/healthz"
for path in / /akssl.js /api/jobs /api/jobs/1/curves /metrics; do
    answers 401 'asks for a token' "${ca[@]}" "$url$path"
    answers 200 . "${ca[@]}" -H "$bearer" "$url$path"
    answers 200 . "${ca[@]}" -u "any:$(cat "$dir/token")" "$url$path"
done
get "${ca[@]}" -D "$dir/headers" -o /dev/null "$url/"
grep -qi '^www-authenticate: Basic' "$dir/headers" || fail "a browser is not told to ask for a token"
for wrong in 'Bearer nonsense' 'Basic !!!' 'Basic QQ==' 'Digest x' 'Bearer' "$(sed 's/.$/x/' <<<"${bearer#*: }")"; do
    answers 401 token "${ca[@]}" -H "Authorization: $wrong" "$url/api/jobs"
done
grep -q '"call":"/api/jobs","outcome":"not known here"' "$state/audit.jsonl" || fail "a wrong token is not in audit.jsonl"
client token revoke 1 >/dev/null
answers 401 'revoked' "${ca[@]}" -H "$bearer" "$url/api/jobs"
get "http${url#https}/" >"$dir/body" 2>/dev/null
[ -s "$dir/body" ] && fail "something is served without TLS"
grep -rqF "$(cut -c 1-40 "$dir/token")" "$state/audit.jsonl" "$dir/daemon.log" && fail "a token is in a log"

pass
