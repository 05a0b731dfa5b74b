# shellcheck shell=sh
# tests/debian.sh -- a Debian in a folder: what distro.sh and packages.sh share.
#
# They source it as root, and first run themselves again by debian_enter, so that mounts and
# processes live in namespaces of their own and nothing of them is left however a test ends.

debian_die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# debian_enter SCRIPT ARGUMENT...: runs the script again in its own namespaces, once.
debian_enter() {
    [ "${AKSSL_DISTRO_INSIDE:-}" != yes ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "$(basename "$0"): skipped: debootstrap and chroot are for root" >&2
        exit 77
    fi
    command -v debootstrap >/dev/null || {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
    }
    AKSSL_DISTRO_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc \
        --propagation private -- "$@"
}

# debian_make SUITE FOLDER: a bare one, kept for the next time.
debian_make() {
    [ ! -e "$2/.complete" ] || return 0
    # The mirror is the one that this machine's apt uses.
    # shellcheck disable=SC2016 # apt's, not the shell's
    mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Created-By: Packages' |
        grep -v security | sort -u | head -n 1)
    [ -n "$mirror" ] || debian_die "apt knows no Debian mirror: run apt-get update first"
    echo "$(basename "$0"): making $2"
    rm -rf --one-file-system "$2"
    mkdir -p "$2"
    debootstrap --variant=minbase "$1" "$2" "$mirror" >"$2.log" 2>&1 || {
        tail -n 20 "$2.log" >&2
        debian_die "debootstrap failed: the end of $2.log is above"
    }
    touch "$2/.complete"
}

# debian_network FOLDER: names and proxies as out here.
debian_network() {
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/" 2>/dev/null || true
    apt-config dump | grep -E '^Acquire::https?::' >"$1/etc/apt/apt.conf.d/90outside" || true
}

debian_mount() {
    mount --bind "$1" "$1"
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/dev/shm"
    debian_network "$1"
}

# debian_tree FOLDER: a fresh copy of these sources in its /root/akssl, without what git ignores; the build
# folders of the last run stay.
debian_tree() {
    tree=$1/root/akssl
    mkdir -p "$tree"
    chmod 711 "$1/root" # other users' programs are tested too
    find "$tree" -mindepth 1 -maxdepth 1 ! -name build ! -name build-package -exec rm -rf {} +
    tar -C "$(dirname "$0")/.." --exclude-vcs --exclude='./build' --exclude='./build-*' -cf - . |
        tar -C "$tree" --no-same-owner -xf -
}

# debian_run FOLDER COMMAND...: in there, with a clean environment.
debian_run() {
    debian_root=$1
    shift
    chroot "$debian_root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
        ${OPENBLAS_CORETYPE:+"OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE"} "$@"
}
