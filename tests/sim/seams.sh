#!/bin/bash
# tests/sim/seams.sh -- compares what akssld's objects ask of the system with seams.txt.
#
#     seams.sh ARCHIVE...
#
# What they ask of each other and of the libraries is left out: those are linked, or replaced whole
# (libuv, gRPC), or have a seam of their own (SQLite's vfs.c).

set -u -o pipefail
here=$(cd "$(dirname "$0")" && pwd)

known=$(awk '/^(wrap|pure|guard|start|thread|absent) /{ for (i = 2; i <= NF; i++) print $i }' "$here/seams.txt" | sort -u)
[ -n "$known" ] || exit 1
asked=$(nm -u "$@" 2>/dev/null | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' |
    grep -vE '^(BIO_|BN_|EVP_|MHD_|PEM_|X509|ak_|akssl|protobuf_c_|grpc_|gpr_|sqlite3_|json_|yaml_|XXH|uv_|_GLOBAL_OFFSET_TABLE_)' |
    grep -vE '^__(asan|ubsan|tsan|sanitizer|stack_chk)' | sort -u)
[ -n "$asked" ] || {
    echo "seams: the archives ask for nothing"
    exit 1
}
new=$(comm -13 <(echo "$known") <(echo "$asked"))
[ -z "$new" ] && exit 0
echo "seams: akssld asks the system for what tests/sim/seams.txt does not know:"
echo "$new"
exit 1
