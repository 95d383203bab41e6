#!/usr/bin/env python3
"""Mutation testing: changes the protocol in a random share of all places that cargo-mutants names, one at a time, and counts how many of the
changes the protocol's own tests notice.

    protocol/tests/mutants.py [PERCENT [SEED]]       5 per cent and seed 1 if nothing is said

Needs `cargo install cargo-mutants` (tried with 27.1.0), which lists what can be changed; its own filter lets through what deletes a field,
so the changes are made here. Each is built and tested by itself in a copy of the tree under target/mutants: a minute or two, so some hours
for 5 per cent. What was judged already is not done again: a run that was stopped goes on. The last line is a JSON object with the counts;
the outcomes lie in target/mutants/SEED-PERCENT.json. Fails below 90 per cent caught. What does not build counts as nothing; mutants that
nobody can tell from the original are left out by .cargo/mutants.toml, each with its reason.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "mutants"
TREE = WORK / "tree"
TEST = ["cargo", "test", "--quiet", "--package", "karvon-protocol"]
LEAST_PERCENT = 90


def listed() -> list[dict]:
    command = ["cargo", "mutants", "--package", "karvon-protocol", "--list", "--json"]
    return json.loads(subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout)


def copy_tree() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z"], check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout
    for name in files.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            # As of now, so that nothing built from a change of an earlier run passes for fresh.
            shutil.copy(ROOT / name, TREE / name)


def run(command: list[str], seconds: float) -> int | None:
    """The exit code of a command in the copy, or nothing if it took longer."""
    env = dict(os.environ, CARGO_TARGET_DIR=str(WORK / "target"))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen(command, cwd=TREE, env=env, **quiet)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def changed(source: str, mutant: dict) -> str:
    """The source with the mutant's span replaced; lines and columns count from 1."""
    lines = source.splitlines(keepends=True)

    def offset(at: dict) -> int:
        return sum(map(len, lines[: at["line"] - 1])) + at["column"] - 1

    start, end = (offset(mutant["span"][side]) for side in ("start", "end"))
    return source[:start] + mutant["replacement"] + source[end:]


def judge(mutant: dict, patience: float) -> str:
    path = TREE / mutant["file"]
    source = path.read_text()
    try:
        path.write_text(changed(source, mutant))
        if run([*TEST, "--no-run"], 3_600) != 0:
            return "unviable"
        code = run(TEST, patience)
        return "timeout" if code is None else "missed" if code == 0 else "caught"
    finally:
        path.write_text(source)


def main() -> int:
    percent = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if shutil.which("cargo-mutants") is None:
        print("cargo-mutants is missing: cargo install cargo-mutants", file=sys.stderr)
        return 2
    everything = listed()
    count = max(1, round(len(everything) * percent / 100))
    drawn = random.Random(seed).sample(everything, count)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    copy_tree()
    kept = WORK / f"{seed}-{percent:g}.json"
    outcomes = json.loads(kept.read_text()) if kept.exists() else {}
    if outcomes.get("commit") != commit:
        outcomes = {"commit": commit}
    print(f"{count} of {len(everything)} mutants at {commit[:7]}, seed {seed}", flush=True)
    if run([*TEST, "--no-run"], 3_600) != 0:
        print("the tests do not build as they are", file=sys.stderr)
        return 2
    began = time.monotonic()
    if run(TEST, 3_600) != 0:
        print("the tests fail as they are", file=sys.stderr)
        return 2
    patience = max(120.0, 4 * (time.monotonic() - began))
    for mutant in drawn:
        # Several mutants of one place may have one name.
        name = f"{mutant['name']} at {mutant['span']['end']['line']}:{mutant['span']['end']['column']}"
        if name not in outcomes:
            outcomes[name] = judge(mutant, patience)
            kept.write_text(json.dumps(outcomes, indent=1))
        print(f"{outcomes[name]}: {mutant['name']}", flush=True)
    found = [outcome for name, outcome in outcomes.items() if name != "commit"]
    counts = {outcome: found.count(outcome) for outcome in ("caught", "timeout", "missed", "unviable")}
    # What never ends is noticed as well.
    noticed = counts["caught"] + counts["timeout"]
    judged = noticed + counts["missed"]
    share = 100 * noticed / judged if judged else 0.0
    print(json.dumps({"commit": commit, "seed": seed, "percent": percent, **counts, "caught_percent": round(share, 1)}))
    return 0 if share >= LEAST_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
