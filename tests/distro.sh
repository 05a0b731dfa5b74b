#!/bin/sh
# tests/distro.sh -- builds akssl and passes the default suite on another Debian, in a folder.
#
#     tests/distro.sh trixie              Debian 13; bookworm: Debian 12
#     tests/distro.sh trixie -R unit      arguments after the suite go to ctest
#
# The folder, ${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/SUITE, is made by debootstrap and kept for
# the next run; `rm -r` it to start anew.  Mounts and processes live in namespaces of their own, so
# nothing of them is left however this ends.  Root only.

set -eu

suite=${1:-}
case $suite in
bookworm | trixie) shift ;;
*)
    echo "usage: tests/distro.sh bookworm|trixie [CTEST ARGUMENT...]" >&2
    exit 2
    ;;
esac
source=$(cd "$(dirname "$0")/.." && pwd)
root=${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/$suite

if [ "$(id -u)" -ne 0 ]; then
    echo "distro.sh: run it as root: debootstrap and chroot need that" >&2
    exit 1
fi
if [ "${AKSSL_DISTRO_INSIDE:-}" != yes ]; then
    command -v debootstrap >/dev/null || {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
    }
    AKSSL_DISTRO_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc \
        --propagation private -- "$0" "$suite" "$@"
fi

# The mirror is the one that this machine's apt uses.
mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Created-By: Packages' |
    grep -v security | sort -u | head -n 1)
if [ -z "$mirror" ]; then
    echo "distro.sh: apt knows no Debian mirror: run apt-get update first" >&2
    exit 1
fi

if [ ! -e "$root/.complete" ]; then
    echo "distro.sh: making $root"
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
        echo "distro.sh: debootstrap failed; the end of $root.log:" >&2
        tail -n 20 "$root.log" >&2
        exit 1
    }
    touch "$root/.complete"
fi

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
apt-config dump | grep -E '^Acquire::https?::' >"$root/etc/apt/apt.conf.d/90outside" || true

# A fresh copy of the tree, without what git ignores; the build folder of the last run stays.
tree=$root/root/akssl
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
tar -C "$source" --exclude-vcs --exclude='./build' --exclude='./build-*' -cf - . |
    tar -C "$tree" --no-same-owner -xf -

echo "distro.sh: Debian $(cat "$root/etc/debian_version")"
chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
    ${OPENBLAS_CORETYPE:+"OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE"} \
    sh -c 'cd /root/akssl && exec tests/run.sh "$@"' run "$@"
