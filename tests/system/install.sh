#!/bin/bash
# tests/system/install.sh -- cmake --install, into a folder: every part is there, the programs run from there, and a C
# program is built by the installed headers and pkg-config file alone, and talks to the installed daemon.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

for program in cc pkg-config; do command -v $program >/dev/null || skip "no $program"; done
root=$dir/root
DESTDIR=$root cmake --install "$bin/.." >"$dir/install.log" || fail "cmake --install: $(tail -n 5 "$dir/install.log")"
bin=$(dirname "$(find "$root" -name akssld -path '*/bin/*')") || fail "akssld is not installed"
prefix=$(dirname "$bin")

for file in bin/akssl-client bin/akssl-worker include/akssl/akssl.h share/akssl/akssl.proto \
    share/man/man1/akssl-client.1 share/man/man8/akssld.8 share/man/man8/akssl-worker.8 \
    share/bash-completion/completions/akssl-client lib/systemd/system/akssld.service lib/sysusers.d/akssld.conf \
    lib/tmpfiles.d/akssld.conf share/doc/akssl/LICENSE share/doc/akssl/UPGRADING.md share/doc/akssl/examples/moco.yaml; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
grep -q "^ExecStart=${prefix#"$root"}/bin/akssld " "$prefix/lib/systemd/system/akssld.service" || fail "the unit starts another akssld"
library=$(find "$prefix" -name 'libakssl-client.so.*.*.*')
readelf -d "$library" | grep -q 'SONAME.*\[libakssl-client\.so\.[0-9]*\]' || fail "'$library' has no SONAME"

start_daemon
client --version | grep -q akssl-client || fail "the installed client does not run"
client submit --dry-run "$prefix/share/doc/akssl/examples/moco.yaml" >/dev/null || fail "the example is refused"
cat >"$dir/count.c" <<'END'
#include <akssl/akssl.h>
#include <stdio.h>

int main(void)
{
    akssl_client *client = NULL;

    if (akssl_client_open(&client, NULL) < 0) {
        fprintf(stderr, "%s\n", akssl_last_error());
        return 1;
    }
    printf("%s at %s\n", akssl_version(), akssl_client_server(client));
    akssl_client_close(client);
    return 0;
}
END
pc=$(dirname "$(find "$prefix" -name akssl-client.pc)")
flags=$(PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$root pkg-config --cflags --libs akssl-client) || fail "pkg-config knows it not"
# shellcheck disable=SC2086 # a list
cc -std=c99 -Wall -Wextra -Werror "$dir/count.c" -o "$dir/count" $flags || fail "a program cannot be built"
LD_LIBRARY_PATH=$(dirname "$library") "$dir/count" | grep -q "at $AKSSL_SERVER" || fail "the program does not run"
pass
