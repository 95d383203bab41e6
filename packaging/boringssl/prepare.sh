#!/usr/bin/env bash
# Puts the BoringSSL that btls-sys brings, with the patches of btls-sys and the one beside this file, into a folder, and prints the
# variables that make cargo build it from there. Nothing is downloaded but what Cargo.lock names. Needs git.
#
#   eval "$(packaging/boringssl/prepare.sh [FOLDER])"        [default: boringssl under the target folder]
#   cargo build -p karvon --features browser-hello
#
# Without it the feature builds as well, and every door sees Firefox: the library refuses three values that Chrome names.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
folder="${1:-${CARGO_TARGET_DIR:-$root/target}/boringssl}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

metadata="$(cd "$root" && cargo metadata --locked --format-version 1 --features karvon-node/browser-hello)"
manifest="$(grep -o '"manifest_path":"[^"]*/btls-sys-[^"]*/Cargo.toml"' <<<"$metadata" | head -n 1 | cut -d '"' -f 4)"
[[ -f "$manifest" ]] || { echo "btls-sys is not among the dependencies" >&2; exit 1; }
crate="$(dirname "$manifest")"
# In the order in which btls-sys applies its own.
patches=("$crate/patches/boring-pq.patch" "$crate/patches/boringssl.patch" "$crate/patches/boringssl-loongarch.patch"
    "$crate/patches/boringssl-windows.patch" "$here/hello.patch")
# Another patch is another folder, so cargo notices.
name="$(basename "$crate")-$(cat "${patches[@]}" | sha256sum | cut -c 1-12)"
if [[ ! -d "$folder/$name" ]]; then
    work="$(mktemp -d "$folder/.preparing.XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    cp -r "$crate/deps/boringssl/." "$work"
    git -C "$work" init --quiet
    for patch in "${patches[@]}"; do
        git -C "$work" apply --whitespace=nowarn "$patch" >&2
    done
    rm -rf "$work/.git"
    mv -T "$work" "$folder/$name" 2>/dev/null || [[ -d "$folder/$name" ]]
fi
printf 'export BORING_BSSL_SOURCE_PATH=%q BORING_BSSL_ASSUME_PATCHED=1\n' "$folder/$name"
