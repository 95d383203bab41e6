#!/usr/bin/env bash
# Puts the BoringSSL that btls-sys brings, with the patches of btls-sys and the one beside this file, under the target folder, and runs a
# command that is to build it from there; without a command it prints the variables for that. Nothing is downloaded but what Cargo.lock
# names. Needs git.
#
#   packaging/boringssl/prepare.sh cargo build -p karvon --features browser-hello
#
# Without it the feature builds as well, and every door sees Firefox: the library refuses values that Chrome names.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
folder="${CARGO_TARGET_DIR:-$root/target}/boringssl"
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
export BORING_BSSL_SOURCE_PATH="$folder/$name" BORING_BSSL_ASSUME_PATCHED=1
(($#)) && exec "$@"
printf 'export BORING_BSSL_SOURCE_PATH=%q BORING_BSSL_ASSUME_PATCHED=1\n' "$BORING_BSSL_SOURCE_PATH"
