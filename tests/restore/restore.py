#!/usr/bin/env python3
"""Measures how soon a restored device talks with all of its contacts again: real programs on loopback, in a folder of their own."""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--programs", type=Path, required=True, help="folder with karvon and karvon-node")
parser.add_argument("--contacts", type=int, default=10)
options = parser.parse_args()
karvon, node = (options.programs.resolve() / name for name in ("karvon", "karvon-node"))
place = Path(tempfile.mkdtemp(prefix="kr"))
for folder in ("home", "run"):
    (place / folder).mkdir(mode=0o700)
surroundings = dict(os.environ, HOME=str(place / "home"), XDG_RUNTIME_DIR=str(place / "run"))


def start(who, *words, **more):
    command = [karvon, "--data-dir", place / who, *words]
    return subprocess.Popen(command, env=surroundings, text=True, stdout=subprocess.PIPE, **more)


def do(who, *words, said=""):
    process = start(who, *words, stdin=subprocess.PIPE)
    told, _ = process.communicate(said)
    if process.returncode != 0:
        raise SystemExit(f"{who} {words}: {told}")
    return told


def send_all(letters):
    """Sends a text for each pair of who and to whom, all at once; returns when all are delivered."""
    words = ("--wait", "delivered", "--timeout", "60s")
    sending = [start(who, "send", to, "again", *words) for who, to in letters]
    if any(process.wait() for process in sending):
        raise SystemExit("a text was not delivered")


relays, doors = [], []
contacts = [f"c{number}" for number in range(options.contacts)]
try:
    for number in range(3):
        command = [node, "relay", "run", "--data-dir", place / f"r{number}", "--listen", "127.0.0.1:0", "--allow-private"]
        for door in doors[:1]:
            command += ["--peer", door]
        relays.append(
            subprocess.Popen(command, env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        doors.append(json.loads(relays[-1].stdout.readline())["door"])
    for number, name in enumerate(["ali", *contacts]):
        own = [word for shift in (0, 1) for word in ("--door", doors[(number + shift) % 3])]
        do(name, "init", "--name", name, "--no-lock", *own)
        do(name, "up")
    for name in contacts:
        do(name, "add", "--stdin", "--name", "ali", said=do("ali", "invite", "--text"))
        do(name, "send", "ali", "salom", "--wait", "delivered", "--timeout", "30s")
    code = json.loads(do("ali", "recovery-code", "--json"))["code"]
    # Each contact gives its way back a few seconds after the first talk.
    while json.loads(do("ali", "backup", str(place / "ali.bak"), "--json"))["unready"]:
        (place / "ali.bak").unlink()
        time.sleep(1)
    do("ali", "down")
    do("ali", "wipe", "--now")
    do("again", "restore", str(place / "ali.bak"), "--no-lock", "--json", said=code)
    began = time.monotonic()
    do("again", "up")
    up = time.monotonic() - began
    send_all([("again", name) for name in contacts])
    there = time.monotonic() - began
    send_all([(name, "ali") for name in contacts])
    back = time.monotonic() - began
    print(
        json.dumps(
            {"contacts": len(contacts), "up_s": up, "delivered_to_all_s": there, "delivered_from_all_s": back}
        )
    )
finally:
    for name in ["ali", "again", *contacts]:
        subprocess.run([karvon, "--data-dir", place / name, "down"], env=surroundings, capture_output=True)
    for relay in relays:
        relay.kill()
    shutil.rmtree(place)
