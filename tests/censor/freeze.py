"""200 KB to a person behind a filter that freezes every connection after 16 KB, over one door or three."""
import os
import time

from lab import Person, demand, report, wait, within_bar
from world import PEOPLE, RULES, WORLD


# Three cells of 61,440 bytes and one of 16,384 are 200,704; five files of 40,000 are five cells of 61,440.
SIZES = {"cells": [45_000] * 3 + [14_000], "files": [40_000] * 5}


def freeze(world, options):
    """200 KB of cells, as the network counts, then of files and of texts, as people count; every byte of it is checked."""
    doors = world.relays()
    ali = Person(world, PEOPLE, "Ali", doors[:options.doors])
    bob = Person(world, WORLD, "Bob", doors)
    wait("both are online", 60, lambda: ali.online() and bob.online())
    ali.meet(bob)
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "90s", text="first")
    name = wait("Bob knows Ali", 60, lambda: bob.lines("contacts", "list"))[0]["name"]
    # What follows a meeting (gifts, doors, tags) is not to be part of the figure.
    time.sleep(options.settle)
    rules = [RULES["plaintext"], RULES["quic"], RULES["freeze"]] + ([RULES["handshakes"]] if options.policed else [])
    count = ["tcp sport 443 counter accept"]
    world.filter(rules + count)
    if options.policed:
        # The rule counts what it has seen itself: the path is made suspicious before anything is measured.
        ali.batch("Bob", ["under the count"])
        wait("a text goes under the count", 300, lambda: "under the count" in bob.texts_of(name))
    for what in ("cells", "files", "texts"):
        before, opened = world.traffic(PEOPLE, "a0"), connections(world)
        started = time.monotonic()
        if what == "texts":
            arrived = send_texts(bob, name, ali, options)
        else:
            arrived = send_files(world, bob, name, ali, options, SIZES[what])
        took = arrived - started
        spent, opened = world.traffic(PEOPLE, "a0") - before, connections(world) - opened
        bar = {1: 25, 3: 9}.get(options.doors) if what == "cells" and not options.policed else None
        report(check="freeze", what=what, doors=options.doors, policed=options.policed, seconds=round(took, 1),
               wire_bytes=spent, connections=opened, frozen_packets=world.counters()[2], load=round(os.getloadavg()[0], 1),
               within_bar=bar and within_bar(options, took, bar))
    for person in (ali, bob):
        person.down()


def connections(world):
    """Connections that the people's side has opened so far."""
    out = world.within(PEOPLE, "cat", "/proc/net/snmp", capture_output=True).stdout.decode().splitlines()
    names, values = [line.split() for line in out if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def send_files(world, bob, name, ali, options, sizes):
    """Files of random bytes, which nothing compresses; returns when the last one was there."""
    files = [os.urandom(size) for size in sizes]
    seen = {line["id"] for line in ali.lines("read", "Bob", "--limit", "1000")}
    for number, data in enumerate(files):
        path = f"{world.dir}/{len(files)}-{number}.bin"
        with open(path, "wb") as file:
            file.write(data)
        sent = bob.command("send", name, "--file", path, "--wait", "queued")
        demand(sent.returncode == 0, f"file {number} is queued")

    def there():
        lines = [line for line in ali.lines("read", "Bob", "--limit", "1000") if not line["mine"] and line["id"] not in seen]
        return lines if len(lines) >= len(files) else None

    lines = wait("all files arrive", options.patience, there, 0.25)
    arrived = time.monotonic()
    os.makedirs(f"{world.dir}/saved", exist_ok=True)
    for line, data in zip(lines, files):
        ali.say("save", line["id"], "--to", f"{world.dir}/saved")
    saved = []
    for number in range(len(files)):
        with open(f"{world.dir}/saved/{len(files)}-{number}.bin", "rb") as file:
            saved.append(file.read())
    demand(saved == files and len(lines) == len(files), "each file is there once, whole and in order")
    return arrived


def send_texts(bob, name, ali, options):
    """400 texts of 500 bytes."""
    texts = [f"{number:03} " + os.urandom(248).hex() for number in range(400)]
    bob.batch(name, texts)

    def there():
        shown = [text for text in ali.texts_of("Bob") if text in texts] if quick() else []
        demand(shown == texts[:len(shown)], "each text is shown once and in order")
        return len(shown) == len(texts)

    def quick():
        return any(line["text"] == texts[-1] for line in ali.lines("read", "Bob", "--limit", "3"))

    wait("400 texts arrive", options.patience, there, 0.25)
    return time.monotonic()
