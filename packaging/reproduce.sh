#!/usr/bin/env bash
# Builds the programs twice, in two folders and with two target directories, and compares them byte by byte.
#
#   packaging/reproduce.sh [PACKAGE...]        [default: karvon karvon-node]
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
packages=("${@:-karvon}")
[[ $# == 0 ]] && packages=(karvon karvon-node)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cargo_home="${CARGO_HOME:-$HOME/.cargo}"
# Somebody may commit while it builds.
commit="$(git -C "$root" rev-parse HEAD)"
select=()
for package in "${packages[@]}"; do select+=(-p "$package"); done
# Who dials web doors does it with a browser's hello.
features=() prepare=()
[[ " ${packages[*]} " == *" karvon "* ]] && features=(--features karvon/browser-hello)
for build in one-folder another/deeper-folder; do
    source="$work/$build"
    mkdir -p "$source"
    git -C "$root" archive "$commit" | tar -x -C "$source"
    (
        cd "$source"
        export CARGO_TARGET_DIR="$source/target"
        export CARGO_INCREMENTAL=0
        export RUSTFLAGS="--remap-path-prefix=$source=. --remap-path-prefix=$cargo_home=cargo"
        if ((${#features[@]})); then
            # C++ names its files as well.
            export CFLAGS="-ffile-prefix-map=$source=." CXXFLAGS="-ffile-prefix-map=$source=."
            prepare=(packaging/boringssl/prepare.sh)
        fi
        "${prepare[@]}" cargo build --locked --profile dist "${select[@]}" "${features[@]}"
        # A library without the patch would show Firefox to every door.
        ((${#features[@]} == 0)) || target/dist/karvon --version | grep -q 'Chrome or Firefox'
    )
done
status=0
for package in "${packages[@]}"; do
    first="$(sha256sum <"$work/one-folder/target/dist/$package")"
    second="$(sha256sum <"$work/another/deeper-folder/target/dist/$package")"
    if [[ "$first" == "$second" ]]; then
        echo "same  ${first%% *}  $package"
    else
        echo "DIFFERENT  $package"
        status=1
    fi
done
exit "$status"
