#!/usr/bin/env python3
"""Writes a CycloneDX 1.5 bill of materials of the programs to standard output, from what Cargo.lock pins.

    packaging/sbom.py [PACKAGE...]        [default: karvon karvon-node]
"""
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def reachable(data, names):
    """Ids of everything that is linked into the packages `names`: no build-only and no development dependencies."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    roots = [package["id"] for package in data["packages"] if package["name"] in names]
    if len(roots) != len(names):
        sys.exit(f"not all of {names} are packages of this workspace")
    seen, waiting = set(), roots
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for dependency in nodes[current]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return seen, nodes


def component(package):
    reference = f"pkg:cargo/{package['name']}@{package['version']}"
    out = {
        "type": "library",
        "bom-ref": reference,
        "name": package["name"],
        "version": package["version"],
        "purl": reference,
        "licenses": [{"expression": package["license"]}] if package.get("license") else [],
    }
    if package.get("repository"):
        out["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return out


def main():
    names = sys.argv[1:] or ["karvon", "karvon-node"]
    data = metadata()
    ids, nodes = reachable(data, names)
    packages = {package["id"]: package for package in data["packages"]}
    linked = sorted((packages[one] for one in ids), key=lambda package: (package["name"], package["version"]))
    references = {package["id"]: f"pkg:cargo/{package['name']}@{package['version']}" for package in linked}
    lock = hashlib.sha256((ROOT / "Cargo.lock").read_bytes()).hexdigest()
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "karvon", "version": packages[next(iter(ids))]["version"]},
            "properties": [{"name": "karvon:cargo-lock-sha256", "value": lock}],
        },
        "components": [component(package) for package in linked],
        "dependencies": [
            {
                "ref": references[package["id"]],
                "dependsOn": sorted(
                    {references[dep["pkg"]] for dep in nodes[package["id"]]["deps"] if dep["pkg"] in references}
                ),
            }
            for package in linked
        ],
    }
    document["metadata"]["component"]["version"] = next(
        package["version"] for package in linked if package["name"] == names[0]
    )
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
