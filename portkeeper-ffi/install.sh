#!/usr/bin/env bash
# Builds libportkeeper and installs it below PREFIX: the shared library with its links, the static library, the
# header and the pkg-config file. `install.sh PREFIX`; DESTDIR is put before PREFIX, as packagers want it.
#
# LIBRARIES names a folder with libportkeeper.so and libportkeeper.a that were built before; nothing is built then.
set -euo pipefail

if [ $# -ne 1 ] || [ -z "$1" ]; then
    echo "usage: ${0##*/} PREFIX" >&2
    exit 2
fi
if [ "$(uname -s)" != Linux ]; then
    echo "${0##*/}: knows the names of shared libraries on Linux only" >&2
    exit 1
fi
mkdir -p "${DESTDIR:-}$1"
prefix=$(cd "${DESTDIR:-}$1" && pwd)
prefix=${prefix#"${DESTDIR:-}"}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."

if [ -n "${LIBRARIES:-}" ]; then
    built=$LIBRARIES
else
    cargo build --locked --release --package portkeeper-ffi
    built=${CARGO_TARGET_DIR:-target}/release
fi

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# What programs ask the loader for; build.rs wrote it into the library.
soname=libportkeeper.so.0
lib=${DESTDIR:-}$prefix/lib
include=${DESTDIR:-}$prefix/include

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
