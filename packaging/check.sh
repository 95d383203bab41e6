#!/usr/bin/env bash
# Checks what can be checked of the packages without installing them.
#
#   packaging/check.sh [FOLDER-WITH-karvon-node]
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
built="${1:-$root/target/dist}"
unit="$root/packaging/systemd/karvon-relay.service"

if command -v systemd-analyze >/dev/null; then
    said="$(systemd-analyze security --offline=true "$unit" | grep 'Overall exposure level')"
    level="$(sed 's/.*: \([0-9.]*\) .*/\1/' <<<"$said")"
    awk -v level="$level" 'BEGIN { exit !(level <= 2.0) }' || { echo "unit: exposure $level is above 2.0"; exit 1; }
    echo "unit: exposure $level"
else
    echo "unit: systemd-analyze is missing, not checked"
    [[ "${CI:-}" != true ]]
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
package="$("$root/packaging/deb/build.sh" "$built" "$work")"
content="$(dpkg-deb --contents "$package")"
for path in usr/bin/karvon-node usr/lib/systemd/system/karvon-relay.service usr/share/man/man1/karvon-node-relay-run.1.gz \
    usr/share/bash-completion/completions/karvon-node usr/share/doc/karvon-relay/relay-guide.md; do
    grep -q " ./$path\$" <<<"$content" || { echo "package: $path is missing"; exit 1; }
done
again="$("$root/packaging/deb/build.sh" "$built" "$work/again")"
cmp "$package" "$again" || { echo "package: two builds of the same files differ"; exit 1; }
dpkg-deb --field "$package" Package Version Architecture
echo "package: $(stat -c %s "$package") bytes, the same twice"
"$root/packaging/sbom.py" | python3 -c 'import json,sys; print("bill of materials:", len(json.load(sys.stdin)["components"]), "components")'
