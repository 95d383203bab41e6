#!/usr/bin/env bash
# Makes karvon-relay_VERSION_ARCH.deb from a built karvon-node. Needs dpkg-deb and gzip.
#
#   packaging/deb/build.sh [FOLDER-WITH-karvon-node] [OUTPUT-FOLDER]
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
built="$(cd "${1:-$root/target/dist}" && pwd)"
mkdir -p "${2:-$built}"
out="$(cd "${2:-$built}" && pwd)"
version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")"
arch="$(dpkg --print-architecture)"
# Times in the package are those of the last change, so that two builds are the same file.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}"

tree="$(mktemp -d)"
trap 'rm -rf "$tree"' EXIT
umask 022
install -D -m 755 "$built/karvon-node" "$tree/usr/bin/karvon-node"
install -D -m 644 "$root/packaging/systemd/karvon-relay.service" "$tree/usr/lib/systemd/system/karvon-relay.service"
install -D -m 644 "$root/packaging/grafana/karvon-relay.json" "$tree/usr/share/karvon-relay/grafana.json"
doc="$tree/usr/share/doc/karvon-relay"
for page in relay-guide.md doors.md; do
    install -D -m 644 "$root/docs/$page" "$doc/$page"
done
install -D -m 644 "$root/LICENSE-MIT" "$doc/copyright"

pages="$tree/pages"
"$built/karvon-node" pages "$pages"
for page in "$pages"/*.1; do
    gzip -9n "$page"
    install -D -m 644 "$page.gz" "$tree/usr/share/man/man1/$(basename "$page").gz"
done
install -D -m 644 "$pages/karvon-node.bash" "$tree/usr/share/bash-completion/completions/karvon-node"
install -D -m 644 "$pages/_karvon-node" "$tree/usr/share/zsh/vendor-completions/_karvon-node"
install -D -m 644 "$pages/karvon-node.fish" "$tree/usr/share/fish/vendor_completions.d/karvon-node.fish"
rm -r "$pages"

mkdir "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<CONTROL
Package: karvon-relay
Version: $version
Architecture: $arch
Maintainer: Karvon contributors <relay@karvon.invalid>
Section: net
Priority: optional
Depends: libc6
Installed-Size: $(du -ks "$tree" --exclude=DEBIAN | cut -f1)
Homepage: https://karvon.invalid
Description: relay of Karvon, a messenger that resists censorship
 Carries sealed messages for people whose messengers are blocked, and keeps
 them until their owners fetch them. It never sees content and is no proxy.
 Set it up with: karvon-node relay setup --data-dir /var/lib/karvon-relay
CONTROL
install -m 755 "$root/packaging/deb/postinst" "$root/packaging/deb/prerm" "$root/packaging/deb/postrm" "$tree/DEBIAN/"
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
file="$out/karvon-relay_${version}_$arch.deb"
dpkg-deb --root-owner-group -Zxz --build "$tree" "$file" >/dev/null
echo "$file"
