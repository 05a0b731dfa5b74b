#!/bin/bash
# tests/system/security.sh BIN_DIR -- akssld on TCP: TLS, tokens, owners, roots; what is refused, and that
# nothing secret is told.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

tls=$state/tls
unix=$AKSSL_SERVER
serve() { # FLAG...: a daemon with TLS on a port of its own
    start_daemon --listen 127.0.0.1:0 "$@"
    port=$(grep -oP "serves '127.0.0.1:0', port \K\d+" "$dir/daemon.log" | tail -n 1)
    [ -n "$port" ] || fail "the daemon names no port"
    echo "$port" >"$dir/port"
}

token() { # NAME USER FLAG...: makes $dir/NAME
    (umask 077 && client token create "$2" "${@:3}" >"$dir/$1") || fail "no token for $2"
}

# $dir/as NAME COMMAND...: over TCP, with a token; a program, for `refused`
cat >"$dir/as" <<END
#!/bin/sh
token=$dir/\$1
shift
exec "$bin/akssl-client" --server "127.0.0.1:\$(cat "$dir/port")" --ca "$tls/ca.crt" --token-file "\$token" "\$@"
END
chmod 700 "$dir/as"
as() { "$dir/as" "$@"; }

quiet=(--dataset fashion-mnist --limit-images 256 --image-size 16 --batch 64 --shards 8 --epochs 1000)

# ---- certificates

"$bin/akssld" --state-dir "$state" --init-tls --host lab.example >/dev/null || fail "no certificates"
for file in ca.key ca.crt server.key server.crt; do
    [ "$(stat -c %a "$tls/$file")" = 600 ] || fail "$file has mode $(stat -c %a "$tls/$file")"
done
before=$(sha256sum "$tls/ca.crt")
"$bin/akssld" --state-dir "$state" --init-tls >/dev/null || fail "no second server certificate"
[ "$before" = "$(sha256sum "$tls/ca.crt")" ] || fail "a second --init-tls has made another CA"
refused 1 'chmod 600' sh -c "chmod 644 $tls/server.key && exec $bin/akssld --state-dir $state --socket $dir/s --listen 127.0.0.1:0"
chmod 600 "$tls/server.key"

# ---- tokens

slots=2
serve
token alice alice
token bob bob
token reader carol --scope read
token root dave --scope admin
token short erin --expires 1s
as alice list >/dev/null || fail "alice's token is not taken"

anonymous=("$bin/akssl-client" --server "127.0.0.1:$port" --ca "$tls/ca.crt")
refused 1 'asks for a token' "${anonymous[@]}" list
sed "s/./$([ "$(cut -c 70 "$dir/alice")" = 0 ] && echo 1 || echo 0)/70" "$dir/alice" >"$dir/wrong" && chmod 600 "$dir/wrong"
refused 1 'none of akssld' "$dir/as" wrong list
echo nonsense >"$dir/nonsense" && chmod 600 "$dir/nonsense"
refused 1 'no token' "$dir/as" nonsense list
sleep 1.2
refused 1 'expired' "$dir/as" short list
refused 1 'may only read' "$dir/as" reader submit "${small[@]}" --method simclr
refused 1 'may only submit' "$dir/as" alice token list
refused 1 'may only submit' "$dir/as" alice admin backup "$dir/stolen"
[ ! -e "$dir/stolen" ] && [ ! -e "$dir/stolen.part" ] || fail "a refused backup leaves a folder"
as root token list | has erin || fail "an administrator's token lists no tokens"
refused 3 'no CA signed' "$bin/akssl-client" --server "127.0.0.1:$port" --token-file "$dir/alice" list
refused 3 'cannot be reached' "$bin/akssl-client" --server "plaintext:127.0.0.1:$port" --token-file "$dir/alice" list
chmod 644 "$dir/alice"
refused 1 'chmod 600' "$dir/as" alice list
chmod 600 "$dir/alice"

# ---- owners

id=$(as alice submit --parsable "${quiet[@]}" --method simclr) || fail "alice cannot submit"
[ "$(field "$id" owner)" = alice ] || fail "job $id is $(field "$id" owner)'s, not alice's"
as bob list | has alice || fail "bob does not see alice's job"
for verb in cancel pause resume hold release requeue "resize --ranks 1"; do
    # shellcheck disable=SC2086 # words
    refused 1 "job $id is alice's" "$dir/as" bob $verb "$id"
done
refused 1 'only administrators raise' "$dir/as" bob submit "${small[@]}" --method simclr --priority 1
ranked=$(as alice submit --parsable "${small[@]}" --method simclr -H --priority -3) || fail "alice cannot submit"
refused 1 'only administrators raise' "$dir/as" alice edit "$ranked" --priority 1
as root edit "$ranked" --priority 7 >/dev/null && as alice edit "$ranked" --priority 5 >/dev/null ||
    fail "alice cannot lower what an administrator has raised"
as alice cancel "$ranked" >/dev/null || fail "alice cannot cancel her job"
as alice pause "$id" >/dev/null || fail "alice cannot pause her job"

# A watch ends when its token is revoked.
as alice watch "$id" >"$dir/watch" 2>&1 &
watcher=$!
sleep 1
row=$(client --json token list | jq '.tokens[] | select(.user == "alice") | .id')
client token revoke "$row" >/dev/null || fail "the token cannot be revoked"
refused 1 'revoked' "$dir/as" alice cancel "$id"
wait_for 10 gone "$watcher" || fail "a watch goes on after its token was revoked"
wait "$watcher" && fail "the watch ended well"
grep -q revoked "$dir/watch" || fail "the watch says '$(cat "$dir/watch")'"
as root cancel "$id" >/dev/null || fail "an administrator cannot cancel alice's job"

# ---- the audit log, and that no secret is told

audit=$state/audit.jsonl
jq -es 'length > 10' "$audit" >/dev/null || fail "the audit log is not lines of JSON"
told() { jq -es "any(.[]; $1)" "$audit" >/dev/null || fail "the audit log has no line with $1"; }
told '.who == "alice" and .call == "/akssl.v1.Lab/Submit" and .outcome == "ok" and .job == '"$id"
told '.who == "bob" and .call == "/akssl.v1.Lab/Cancel" and .outcome == "not permitted"'
told '.who == "" and .outcome == "not known here" and (.from | startswith("127.0.0.1:"))'
told '.who == "dave" and .job == '"$id"' and .outcome == "ok"'
for secret in alice bob reader root short; do
    ! grep -rqsF -- "$(cat "$dir/$secret")" "$state" "$dir/daemon.log" || fail "$secret's token is on the disk"
done

# ---- a run's secret is in a file alone, and is good for that run alone

AKSSL_SERVER=$unix
submit "${quiet[@]}" --method simclr --ranks 2
wait_for 120 committed "$id" 0 || fail "job $id does not start"
secret=$(cat "$job"/run/*.secret)
[ "$(stat -c %a "$job"/run/*.secret)" = 600 ] || fail "others can read the run's secret"
for process in $(processes); do
    ! grep -qsaF -- "$secret" "/proc/$process/cmdline" "/proc/$process/environ" ||
        fail "process $process shows its run's secret"
done
! grep -rqsF --exclude=*.secret -- "$secret" "$state" "$dir/daemon.log" || fail "the run's secret was written down"
client cancel "$id" >/dev/null
finish "$id" CANCELLED
stop_daemon

# ---- roots

mkdir -p "$dir/data/inside" "$dir/outside"
cp -r "$fashion" "$dir/data/inside/set"
cp -r "$fashion" "$dir/outside/set"
ln -s "$dir/outside/set" "$dir/data/inside/link"
mkdir "$dir/data/inside/files"
ln -s "$dir"/outside/set/* "$dir/data/inside/files/"
serve --data-root "$dir/data"
token alice alice
within=("${small[@]:2}" --method simclr)
allowed() { as alice submit --dry-run --dataset "idx:$1" "${within[@]}" >/dev/null || fail "$1 is refused"; }
denied() { refused 1 'outside the folders' "$dir/as" alice submit --dataset "idx:$1" "${within[@]}"; }
allowed "$dir/data/inside/set"
as alice submit --dry-run "${small[@]}" --method simclr >/dev/null || fail "Debian's own set is refused"
denied "$dir/outside/set"
denied "$dir/data/inside/../../outside/set"
denied "$dir/data/inside/link"
denied "$dir/data/inside/files"
denied "$tls"
denied "$dir/nowhere"
denied "$dir/data/nowhere/../../nowhere"
refused 2 'absolute' "$dir/as" alice submit --dataset idx:data "${within[@]}"
refused 1 'outside the folders' "$dir/as" alice submit "${small[@]}" --method simclr --init-backbone "$dir/outside/set/x"
refused 1 'outside the folders' "$bin/akssl-client" --server "$unix" submit --dataset "idx:$dir/outside/set" "${within[@]}"
stop_daemon

serve
token alice alice
refused 1 'without --data-root' "$dir/as" alice submit --dataset "idx:$dir/data/inside/set" "${within[@]}"
# Nor by way of a folder that all may read: a pattern, a file to be made, a path that goes up.
mkdir -p "$state/jobs/77/commits"
tar -C "$dir/outside" -cf "$dir/outside/faces.tar" set
for place in "tar:$state/jobs/{../../../outside/faces}.tar" "packed:$state/jobs/77/commits/step-9,from=fashion-mnist"; do
    refused 1 'without --data-root' "$dir/as" alice submit --dataset "$place" "${within[@]}"
done
[ ! -e "$state/jobs/77/commits/step-9" ] || fail "a file was made in another job's folder"
for name in faces.tar none.tar; do # whether it is there is not told
    refused 1 'without --data-root' "$dir/as" alice submit --dataset "tar:$state/jobs/../../outside/$name" "${within[@]}"
done
rm -r "$state/jobs/77"
stop_daemon

# ---- how often: a second's worth at --rate 1 is one call, and four may come at once

serve --rate 1
token alice alice
for _ in 1 2 3 4; do as alice list >/dev/null; done
for _ in 1 2 3 4 5 6; do as alice list >/dev/null 2>"$dir/err" || break; done
grep -q 'slow down' "$dir/err" || fail "ten calls at --rate 1 are not too many: $(cat "$dir/err")"
for _ in 1 2 3 4 5 6 7 8; do client list >/dev/null || fail "an administrator calls too often"; done
stop_daemon

# ---- on the socket a person is their uid

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
    setpriv --reuid=65534 --clear-groups "$bin/akssl-client" --version >/dev/null 2>&1; then
    chmod 711 "$dir"
    start_daemon --socket-mode 666
    nobody=(setpriv --reuid=65534 --clear-groups "$bin/akssl-client" --server "$unix")
    submit "${quiet[@]}" --method simclr --ranks 2
    mine=$("${nobody[@]}" submit --parsable "${small[@]}" --method simclr) || fail "nobody cannot submit"
    [ "$(field "$mine" owner)" = nobody ] || fail "nobody's job is $(field "$mine" owner)'s"
    refused 1 "job $id is root's" "${nobody[@]}" cancel "$id"
    refused 1 'may only submit' "${nobody[@]}" token create nobody --scope admin
    refused 1 'without --data-root' "${nobody[@]}" submit --dataset idx:/etc "${within[@]}"
    "${nobody[@]}" cancel "$mine" >/dev/null || fail "nobody cannot cancel their own job"
    client cancel "$id" >/dev/null
    finish "$id" CANCELLED
    stop_daemon
    chmod 700 "$dir"
else
    say "other users are not tried: needs root, setpriv, and programs that others may run"
fi

# ---- certificates of callers

"$bin/akssld" --state-dir "$state" --init-tls --client alice >/dev/null || fail "no certificate for alice"
serve --client-ca "$tls/ca.crt"
refused 3 'cannot be reached' "$dir/as" alice list
as alice list --cert "$tls/alice.crt" --key "$tls/alice.key" >/dev/null || fail "alice's certificate is not taken"
stop_daemon
refused 1 'init-tls --client worker' "$bin/akssld" --state-dir "$state" --socket "$dir/s" \
    --listen 127.0.0.1:0 --uplink localhost:1 --client-ca "$tls/ca.crt"

# ---- ranks over TLS, certificates and all, give the bytes of the socket

"$bin/akssld" --state-dir "$state" --init-tls --client worker >/dev/null || fail "no certificate for ranks"
start_daemon
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2
finish "$id"
one=$job
stop_daemon
port=$((20000 + $$ % 20000))
start_daemon --listen "127.0.0.1:$port" --uplink "localhost:$port" --client-ca "$tls/ca.crt"
submit "${small[@]}" --method moco_v2 --option K=96 --ranks 2
finish "$id"
same_run "$one" "$job"
stop_daemon

# ---- without TLS, by its long name

refused 1 'one of them' "$bin/akssld" --state-dir "$state" --listen 127.0.0.1:0 --listen-insecure-plaintext 127.0.0.1:0
: >"$dir/daemon.log"
start_daemon --listen-insecure-plaintext 127.0.0.1:0
port=$(grep -oP "port \K\d+" "$dir/daemon.log")
grep -q 'warn.*NO TLS' "$dir/daemon.log" || fail "the daemon does not warn"
refused 1 'asks for a token' "$bin/akssl-client" --server "plaintext:127.0.0.1:$port" list
refused 3 'cannot be reached' "$bin/akssl-client" --server "127.0.0.1:$port" list

pass
