#!/usr/bin/env bash
# Builds libportkeeper and installs it below PREFIX: the shared library with its links, the static library, the
# header and the pkg-config file. `install.sh PREFIX`; DESTDIR is put before PREFIX, as packagers want it.
#
# Relative paths are the caller's. LIBRARIES names a folder with libportkeeper.so and libportkeeper.a that were built before; nothing is built then.
set -euo pipefail

if [ $# -ne 1 ] || [ -z "$1" ]; then
    echo "usage: ${0##*/} PREFIX" >&2
    exit 2
fi
if [ "$(uname -s)" != Linux ]; then
    echo "${0##*/}: knows the names of shared libraries on Linux only" >&2
    exit 1
fi
# A path from the caller's folder, without slashes at its end.
absolute() {
    local path=$1
    case $path in /*) ;; *) path=$PWD/$path ;; esac
    while [ "${path%/}" != "$path" ]; do path=${path%/}; done
    printf '%s\n' "$path"
}
prefix=$(absolute "$1")
destination=
[ -z "${DESTDIR:-}" ] || destination=$(absolute "$DESTDIR")
[ -z "${LIBRARIES:-}" ] || LIBRARIES=$(absolute "$LIBRARIES")
[ -z "${CARGO_TARGET_DIR:-}" ] || export CARGO_TARGET_DIR="$(absolute "$CARGO_TARGET_DIR")"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

if [ -n "${LIBRARIES:-}" ]; then
    built=$LIBRARIES
else
    # Where it is depends on CARGO_BUILD_TARGET and on cargo's configuration; cargo itself knows.
    library=$(cargo build --locked --release --package portkeeper-ffi --message-format=json-render-diagnostics |
        sed -n 's/.*"\([^"]*\/libportkeeper\.so\)".*/\1/p')
    built=${library%/*}
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# What programs ask the loader for; build.rs wrote it into the library.
soname=libportkeeper.so.0
lib=$destination$prefix/lib
include=$destination$prefix/include

install -d "$lib/pkgconfig" "$include"
install -m 755 "$built/libportkeeper.so" "$lib/libportkeeper.so.$version"
ln -sfn "libportkeeper.so.$version" "$lib/$soname"
ln -sfn "$soname" "$lib/libportkeeper.so"
install -m 644 "$built/libportkeeper.a" "$lib/libportkeeper.a"
install -m 644 "$here/include/portkeeper.h" "$include/portkeeper.h"
cat >"$lib/pkgconfig/portkeeper.pc" <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: portkeeper
Description: The registry of a machine's network ports
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lportkeeper
Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl
PC
echo "installed libportkeeper $version in $prefix"
