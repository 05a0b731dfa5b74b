#!/bin/sh
# deploy/package.sh -- builds the Debian packages for the Debian that it runs on, 12 or 13.
#
#     deploy/package.sh                     into build-package/
#     deploy/package.sh --version 0.1.9     as another version, to try an upgrade; the programs are the same
#     deploy/package.sh --output DIR        copies of the packages go to DIR
#
# tests/distro.sh SUITE --run deploy/package.sh builds those of the other Debian, in a folder.

set -eu
umask 022 # folders in a package have the modes that they are made with

output=
version=
while [ $# -gt 0 ]; do
    case $1 in
    --version) version=${2:?package.sh: --version needs one} ;;
    --output) output=$(realpath -m "${2:?package.sh: --output needs a folder}") ;;
    *)
        echo "usage: deploy/package.sh [--version VERSION] [--output DIR]" >&2
        exit 2
        ;;
    esac
    shift 2
done
cd "$(dirname "$0")/.."
if ! command -v dpkg >/dev/null; then
    echo "package.sh: no dpkg here: packages are built on Debian 12 or 13; elsewhere use cmake --install" >&2
    exit 1
fi

deploy/packages.sh build package
[ -n "$version" ] || version=$(sed -n 's/^project(akssl VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
# Packages of Debian 12 are older than those of 13, so that an upgrade of Debian takes the latter.
revision=1~deb$(cut -d. -f1 /etc/debian_version)
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
    export SOURCE_DATE_EPOCH
fi

build="build-package"
mkdir -p "$build"
rm -f "$build"/*.deb
{
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
        -DAKSSL_TESTS=OFF -DAKSSL_DEBIAN_VERSION="$version" -DAKSSL_DEBIAN_REVISION="$revision" &&
        cmake --build "$build" &&
        (cd "$build" && cpack -G DEB)
} >"$build/package.log" 2>&1 || {
    tail -n 40 "$build/package.log" >&2
    echo "package.sh: no packages: $build/package.log has all of it" >&2
    exit 1
}
rm -rf "$build/_CPack_Packages"
if [ -n "$output" ]; then
    mkdir -p "$output"
    cp "$build"/*.deb "$output/"
fi
ls -l "${output:-$build}"/*.deb
