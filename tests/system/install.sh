#!/bin/bash
# tests/system/install.sh -- cmake --install, into a folder: every part is there, and the programs run from there.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

root=$dir/root
DESTDIR=$root cmake --install "$bin/.." >"$dir/install.log" || fail "cmake --install: $(tail -n 5 "$dir/install.log")"
bin=$(dirname "$(find "$root" -name akssld -path '*/bin/*')") || fail "akssld is not installed"
prefix=$(dirname "$bin")

for file in bin/akssl-client bin/akssl-worker include/akssl/akssl.h share/akssl/akssl.proto \
    share/man/man1/akssl-client.1 share/man/man7/akssl-json.7 share/akssl/output.schema.json share/man/man8/akssld.8 share/man/man8/akssl-worker.8 \
    share/bash-completion/completions/akssl-client lib/systemd/system/akssld.service lib/sysusers.d/akssld.conf \
    lib/tmpfiles.d/akssld.conf share/doc/akssl/LICENSE share/doc/akssl/UPGRADING.md share/doc/akssl/tutorial.md share/doc/akssl/examples/moco.yaml \
    share/doc/akssl/examples/follow.c; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
grep -q "^ExecStart=${prefix#"$root"}/bin/akssld " "$prefix/lib/systemd/system/akssld.service" || fail "the unit starts another akssld"
library=$(find "$prefix" -name 'libakssl-client.so.*.*.*')
readelf -d "$library" | has 'SONAME.*\[libakssl-client\.so\.[0-9]*\]' || fail "'$library' has no SONAME"

start_daemon
client --version | has akssl-client || fail "the installed client does not run"
client submit --dry-run "$prefix/share/doc/akssl/examples/moco.yaml" >/dev/null || fail "the example is refused"
# tests/system/example.sh compiles a C program by the installed headers, and runs it.
pass
