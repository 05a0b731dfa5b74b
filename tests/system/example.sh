#!/bin/bash
# tests/system/example.sh BIN_DIR -- deploy/examples/follow.c as a user has it: compiled against the installed
# headers and library, by pkg-config, and run.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

here=$(cd "$(dirname "$0")/../.." && pwd)
command -v cmake pkg-config cc >/dev/null || skip "needs cmake, pkg-config and a C compiler"
for component in library development; do
    DESTDIR=$dir/root cmake --install "$bin/.." --component $component >"$dir/install" 2>&1 ||
        fail "cmake --install: $(tail -n 3 "$dir/install")"
done
export PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$dir/root" -name akssl-client.pc)")
libraries=$(dirname "$(find "$dir/root" -name libakssl-client.so)")
read -ra flags < <(pkg-config --cflags --libs akssl-client) || fail "pkg-config does not know akssl-client"
[[ "${flags[*]}" == *"-I$dir/root"*"-L$dir/root"* ]] || fail "pkg-config says '${flags[*]}'"
for standard in c99 c11; do
    cc -std=$standard -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror "$here/deploy/examples/follow.c" \
        "${flags[@]}" -Wl,-rpath,"$libraries" -o "$dir/follow" || fail "follow.c does not compile as $standard"
done
grep -q "/akssl/akssl.h" <(cc -E -H "$here/deploy/examples/follow.c" "${flags[@]}" 2>&1 >/dev/null | grep "$dir/root") ||
    fail "it was compiled with other headers than those installed"
ldd "$dir/follow" | has "libakssl-client.so.* => $dir/root" || fail "it is linked with $(ldd "$dir/follow" | grep akssl)"

cat >"$dir/job.yaml" <<'YAML'
method: moco_v2
option: {K: 96}
dataset: fashion-mnist
limit-images: 256
image-size: 16
batch: 64
shards: 8
epochs: 1
YAML
status=0
refused 2 "cannot be reached" env AKSSL_SERVER="unix:$dir/none" "$dir/follow" "$dir/job.yaml"
start_daemon
"$dir/follow" "$dir/job.yaml" seed=3 eval=knn >"$dir/out" || fail "follow ended with $?: $(cat "$dir/out")"
grep -q "^job 1 SUCCEEDED step 4/4 loss [0-9]" "$dir/out" || fail "follow says: $(cat "$dir/out")"
weights=$(sed -n 's/^weights: //p' "$dir/out")
[ -s "$weights" ] || fail "there are no weights at '$weights'"
grep -q "knn" "$dir/out" || fail "follow shows no results: $(cat "$dir/out")"
[ "$(field 1 spec.seed)" = 3 ] || fail "KEY=VALUE does not count"
refused 2 "simclrr" "$dir/follow" "$dir/job.yaml" method=simclrr
refused 2 "no KEY=VALUE" "$dir/follow" "$dir/job.yaml" method

# Ctrl-C ends the watching, not the job; one that is cancelled ends it with 1.
"$dir/follow" "$dir/job.yaml" epochs=100000 >"$dir/out" &
follower=$!
wait_for 60 grep -q "RUNNING step" "$dir/out" || fail "nothing runs: $(cat "$dir/out")"
kill -INT "$follower"
wait "$follower" || fail "follow ended with $? after Ctrl-C"
grep -q "job 2 goes on" "$dir/out" && [ "$(field 2 state)" = RUNNING ] || fail "job 2 does not go on: $(cat "$dir/out")"
client cancel 2 >/dev/null
"$dir/follow" "$dir/job.yaml" epochs=100000 >"$dir/out" &
follower=$!
wait_for 60 grep -q "^job 3" "$dir/out" || fail "no third job: $(cat "$dir/out")"
client cancel 3 >/dev/null
wait "$follower" || status=$?
[ "$status" -eq 1 ] || fail "follow of a job that was cancelled ended with $status"
pass
