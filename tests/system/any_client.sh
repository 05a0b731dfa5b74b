#!/bin/bash
# tests/system/any_client.sh BIN_DIR -- any gRPC client will do: Python's, from the .proto files alone, and
# from nothing but what reflection tells; health.  Needs Debian's python3-grpcio and python3-protobuf.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

here=$(cd "$(dirname "$0")" && pwd)
python=${AKSSL_PYTHON:-/usr/bin/python3}
"$python" -c 'import grpc, google.protobuf' 2>/dev/null ||
    skip "$python has no grpc (Debian's package python3-grpcio)"
command -v protoc-c >/dev/null || skip "no protoc-c (Debian's package protobuf-c-compiler)"

protoc-c -I"$here/../../proto" --descriptor_set_out="$dir/schema.pb" akssl.proto health.proto reflection.proto ||
    fail "the schema does not compile"
"$bin/akssld" --state-dir "$state" --init-tls >/dev/null || fail "no certificates"
start_daemon --listen 127.0.0.1:0
port=$(grep -oP "serves '127.0.0.1:0', port \K\d+" "$dir/daemon.log") || fail "the daemon names no port"
(umask 077 && client token create alice >"$dir/alice") || fail "no token"

"$python" "$here/any_client.py" "$dir/schema.pb" "unix:$dir/s" "127.0.0.1:$port" "$state/tls/ca.crt" "$dir/alice" ||
    fail "a generic client does not get on with akssld"

# Who watches health hears of the end.
"$python" "$here/any_client.py" "$dir/schema.pb" "unix:$dir/s" >"$dir/health" &
watcher=$!
wait_for 30 grep -q serving "$dir/health" || fail "health is not watched"
stop_daemon
wait "$watcher" || fail "the watch of health did not end with UNAVAILABLE"
pass
