#!/bin/bash
# tests/container.sh -- deploy/Containerfile, as it is: built and used with Debian's buildah, on a bare Debian 12.
#
# buildah needs neither a daemon nor a registry here: its processes are chroots, and its base image is the folder that
# packages.sh begins with.  A job is then run as the image's user, and akssld ended as the image says.
#
# Root only.  Keeps ${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}/bare-bookworm; some minutes, most of them to compile.

set -eu -o pipefail

cd "$(dirname "$0")/.."
# shellcheck source=tests/debian.sh
. tests/debian.sh
debian_enter tests/container.sh "$@"

distro=${AKSSL_DISTRO_DIR:-/var/tmp/akssl-distro}
bare=$distro/bare-bookworm
root=$distro/container # gone when this ends

say() { printf 'container.sh: %s\n' "$*"; }
fail() {
    say "FAILED: $*"
    exit 1
}

cleanup() {
    umount -R -l "$root" 2>/dev/null || true
    [ -n "${AKSSL_TEST_KEEP:-}" ] || rm -rf --one-file-system "$root"
}
trap cleanup EXIT

inside() { debian_run "$root" env STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot "$@"; }
quiet() { inside "$@" >"$root.log" 2>&1 || {
    tail -n 30 "$root.log"
    fail "$*"
}; }

debian_make bookworm "$bare"
rm -rf --one-file-system "$root"
cp -a "$bare" "$root"
debian_mount "$root"
say "installing buildah"
quiet apt-get -qq update
quiet apt-get -qq -y --no-install-recommends install buildah ca-certificates
tar -C "$bare" -cf "$root/root/base.tar" .
debian_tree "$root"

say "building the image"
# shellcheck disable=SC2016 # for the shell in there
quiet sh -ec 'base=$(buildah from scratch)
    buildah add -q "$base" /root/base.tar /
    rm /root/base.tar
    buildah copy -q "$base" /etc/apt/apt.conf.d/90outside /etc/apt/apt.conf.d/90outside
    buildah commit -q --rm "$base" docker.io/library/debian:12-slim'
quiet buildah bud --pull-never --network host -f /root/akssl/deploy/Containerfile -t akssl /root/akssl

say "running a job in it"
quiet buildah from --pull-never --name akssl akssl
said=$(inside buildah inspect --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.StopSignal}}' akssl)
[ "$said" = "akssl SIGINT" ] || fail "user and signal are '$said'"
command=$(inside buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}' akssl)
# shellcheck disable=SC2016 # for the shell in there
quiet timeout 300 buildah run akssl -- sh -c "$command"' & akssld=$!
    until akssl-client list; do kill -0 $akssld && sleep 0.2 || exit 1; done
    akssl-client submit --watch --method simclr --dataset fashion-mnist --limit-images 256 --image-size 16 --batch 64 --epochs 1 &&
        [ -s /var/lib/akssl/jobs/1/export/backbone.safetensors ] && kill -INT $akssld && wait $akssld'
grep -q 'job 1 SUCCEEDED after' "$root.log" || fail "the job did not succeed: $(tail -n 5 "$root.log")"
say "passed"
