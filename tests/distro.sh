#!/bin/sh
# tests/distro.sh -- builds akssl and passes the default suite on another Debian, in a folder.
#
#     tests/distro.sh trixie              Debian 13; bookworm: Debian 12
#     tests/distro.sh trixie -R unit      arguments after the suite go to ctest
#     tests/distro.sh trixie --run deploy/package.sh    something else, in a copy of the tree
#
# The folder, ${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/SUITE, is made by debootstrap and kept for
# the next run; `rm -r` it to start anew; the tree is in its root/akssl.  Root only.

set -eu

suite=${1:-}
case $suite in
bookworm | trixie) ;;
*)
    echo "usage: tests/distro.sh bookworm|trixie [CTEST ARGUMENT... | --run COMMAND...]" >&2
    exit 2
    ;;
esac
# shellcheck source=tests/debian.sh
. "$(dirname "$0")/debian.sh"
debian_enter "$0" "$@"
shift
root=${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/$suite

debian_make "$suite" "$root"
debian_mount "$root"
debian_tree "$root"
echo "distro.sh: Debian $(cat "$root/etc/debian_version")"
if [ "${1:-}" = --run ]; then shift; else set -- tests/run.sh "$@"; fi
# shellcheck disable=SC2016 # for the shell in there
debian_run "$root" sh -c 'cd /root/akssl && exec "$@"' run "$@"
