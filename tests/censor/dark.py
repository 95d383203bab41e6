#!/usr/bin/env python3
"""No path at all: two people whom no network connects any more go on by a file, then by their Wi-Fi, then as before.

    dark.py --programs DIR

They meet over a relay; then relay and routes are gone. Checks that a text waits and is not called delivered; that it is delivered by a
file, and called so by the file that comes back; that a file taken twice shows nothing twice; that what the Wi-Fi brings, once it is accepted
on both devices, goes on from there; and that all of it is there once and in order when the way out is back.

Needs root, iproute2 and tcpdump. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import time

from lab import demand, report, wait
from lan import Island, acquainted, stop


def states(person, name):
    """What each own text to somebody is called, in order."""
    return [line["state"] for line in person.lines("read", name, "--limit", "200") if line["mine"]]


def carry(island, giver, taker, number):
    """A file goes from hand to hand; returns what its taker was told."""
    path = f"{island.dir}/{number}.bundle"
    demand(giver.command("bundle", "export", path).returncode == 0, f"{giver.name} writes a file")
    return path, taker.lines("bundle", "import", path)


def run(island, options):
    relay, ali, bob = acquainted(island)
    # Room for cells is granted with the first answers.
    time.sleep(3)
    there, back = ["by relay"], []

    stop(relay)
    island.way_out(False)
    texts = [f"by a file {number}" for number in range(options.texts)]
    ali.batch("Bob", texts)
    time.sleep(5)
    demand(bob.texts_of("Ali") == there, "nothing arrives where nothing travels")
    demand(set(states(ali, "Bob")[1:]) == {"queued"}, f"what waits is called queued: {states(ali, 'Bob')}")
    there += texts
    path, told = carry(island, ali, bob, 1)
    wait("the file brings all texts", 20, lambda: bob.texts_of("Ali") == there)
    demand(set(states(ali, "Bob")[1:]) == {"queued"}, "nobody has told Ali yet")
    bob.lines("bundle", "import", path)
    time.sleep(2)
    demand(bob.texts_of("Ali") == there, "a file that is taken twice shows nothing twice")
    bob.batch("Ali", ["back by a file"])
    back.append("back by a file")
    carry(island, bob, ali, 2)
    wait("the answer is there", 20, lambda: ali.texts_of("Bob") == back)
    wait("the file that came back says what arrived", 20, lambda: set(states(ali, "Bob")) == {"delivered"})
    report(check="by file", texts=len(texts), told=told)

    ali.batch("Bob", ["waits for the Wi-Fi"])
    there.append("waits for the Wi-Fi")
    started = time.monotonic()
    for person in (ali, bob):
        person.say("lan", "accept")
    wait("what waited comes by the Wi-Fi", 30, lambda: bob.texts_of("Ali") == there)
    took = round(time.monotonic() - started, 1)
    bob.say("send", "Ali", "-", "--wait", "delivered", "--timeout", "30s", text="back by the Wi-Fi")
    back.append("back by the Wi-Fi")
    wait("all is delivered", 30, lambda: set(states(ali, "Bob")) == set(states(bob, "Ali")) == {"delivered"})
    report(check="by Wi-Fi", after_it_was_accepted_s=took)

    island.way_out(True)
    island.relay()
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "180s", text="by relay again")
    there.append("by relay again")
    wait("as before", 60, lambda: bob.texts_of("Ali") == there)
    time.sleep(3)
    demand(bob.texts_of("Ali") == there and ali.texts_of("Bob") == back, "each text is there once and in order")
    report(check="the way is back", texts=len(there) + len(back))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--texts", type=int, default=20)
    options = parser.parse_args()
    island = Island(options.programs)
    try:
        run(island, options)
    finally:
        island.close()


if __name__ == "__main__":
    main()
