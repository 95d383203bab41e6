"""200 KB to a person behind a filter that freezes every connection after 16 KB, over one door or three."""
import os
import time

from lab import Person, demand, report, wait
from world import PEOPLE, RULES, WORLD


def freeze(world, options):
    """Files first, texts then: 200,000 bytes of each, as people count them; every byte of it is checked."""
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
    for what in ("files", "texts"):
        before, opened = world.traffic(PEOPLE, "a0"), connections(world)
        started = time.monotonic()
        arrived = send_files(world, bob, name, ali, options) if what == "files" else send_texts(bob, name, ali, options)
        took = arrived - started
        spent, opened = world.traffic(PEOPLE, "a0") - before, connections(world) - opened
        report(check="freeze", what=what, bytes=200_000, doors=options.doors, policed=options.policed, seconds=round(took, 1),
               wire_bytes=spent, connections=opened, frozen_packets=world.counters()[2], load=os.getloadavg()[0])
    for person in (ali, bob):
        person.down()


def connections(world):
    """Connections that the people's side has opened so far."""
    out = world.within(PEOPLE, "cat", "/proc/net/snmp", capture_output=True).stdout.decode().splitlines()
    names, values = [line.split() for line in out if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def send_files(world, bob, name, ali, options):
    """Five files of 40,000 random bytes, which nothing compresses; returns when the last one was there."""
    files = [os.urandom(40_000) for _ in range(5)]
    seen = {line["id"] for line in ali.lines("read", "Bob", "--limit", "1000")}
    for number, data in enumerate(files):
        path = f"{world.dir}/file{number}.bin"
        with open(path, "wb") as file:
            file.write(data)
        sent = bob.command("send", name, "--file", path, "--wait", "queued")
        demand(sent.returncode == 0, f"file {number} is queued")

    def there():
        lines = [line for line in ali.lines("read", "Bob", "--limit", "1000") if not line["mine"] and line["id"] not in seen]
        return lines if len(lines) >= len(files) else None

    lines = wait("five files arrive", options.patience, there, 0.25)
    arrived = time.monotonic()
    os.makedirs(f"{world.dir}/saved", exist_ok=True)
    for line, data in zip(lines, files):
        ali.say("save", line["id"], "--to", f"{world.dir}/saved")
    saved = [open(f"{world.dir}/saved/file{number}.bin", "rb").read() for number in range(len(files))]
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
