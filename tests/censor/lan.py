#!/usr/bin/env python3
"""Real programs on one local network without a way out: namespaces on a bridge, tcpdump as the witness.

    lan.py --programs DIR [--texts N] [--within SECONDS] [--only run|carried|rooms|six]

Two people meet over a relay, then the relay and every route are gone. Checks that nothing is sent and no port is open before the network
is accepted; that they find each other and deliver both ways within the time; that no value of six bytes or more repeats in captures
before and after a restart; that a kill loses nothing; that nothing is sent after it is forgotten; and that nothing is lost or doubled when the way out is back.

Then three people of whom two are never there at the same time: a friend of both carries, is killed meanwhile, and the receipt comes back
the same way. Then a group and a channel of two who do not know each other: a friend of both, who is in neither, carries what he can not read, is
killed meanwhile, and brings the receipt back; when there is a way out, everybody has everything once. Then two people on a network without IPv4: they find each other by the addresses of its link, and nothing they send repeats.

Needs root, iproute2 and tcpdump. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import time

from lab import Lab, Person, demand, wait

ALI, BOB, WIRE = "ali", "bob", "wire"
RELAY = "10.79.9.1"
# No value of this many bytes may be in two captures.
VALUE = 6
PLANTED = b"\x00planted\x00"


class Island(Lab):
    """Two namespaces on a bridge; the third one is the bridge, and the world behind it while there is one."""

    def __init__(self, programs):
        super().__init__(programs, "l", (ALI, BOB, WIRE))
        self.within(WIRE, "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.within(WIRE, "ip", "link", "set", "br0", "up")
        self.within(WIRE, "ip", "addr", "add", f"{RELAY}/32", "dev", "lo")
        for place, number in ((ALI, 2), (BOB, 3)):
            port = f"p{number}"
            subprocess.run(["ip", "link", "add", "wl0", "netns", self.ns(place), "type", "veth",
                            "peer", "name", port, "netns", self.ns(WIRE)], check=True)
            self.within(WIRE, "ip", "link", "set", port, "master", "br0", "up")
            self.within(place, "ip", "addr", "add", f"10.79.1.{number}/24", "dev", "wl0")
            self.within(place, "ip", "link", "set", "wl0", "up")
        self.way_out(True)

    def way_out(self, there):
        verb = "add" if there else "del"
        if there:
            self.within(WIRE, "ip", "addr", "add", "10.79.1.1/24", "dev", "br0")
        for place in (ALI, BOB):
            self.within(place, "ip", "route", verb, "default", "via", "10.79.1.1")
        if not there:
            self.within(WIRE, "ip", "addr", "del", "10.79.1.1/24", "dev", "br0")

    def relay(self):
        return self.run_relay(WIRE, "relay", ["--listen", f"{RELAY}:7443", "--mesh-listen", f"{RELAY}:7444"])

    def capture(self, name):
        path = f"{self.dir}/{name}.pcap"
        return path, self.tcpdump(WIRE, "br0", path)

    def plant(self):
        """A value that is the same in each capture: the scan has to find it, or it finds nothing."""
        code = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({PLANTED!r}, ('10.79.1.3', 9))"
        self.within(ALI, sys.executable, "-c", code)

    def open_ports(self, place):
        """Sockets that take something from others."""
        out = self.within(place, "ss", "-Hlntu", stdout=subprocess.PIPE).stdout.decode()
        return [line for line in out.splitlines() if line.strip()]


def packets(path):
    """(protocol, addresses, ports, payload) of each UDP and TCP packet of IPv4 in a capture, and how many frames it has in all."""
    data = open(path, "rb").read()
    little = struct.unpack("<I", data[:4])[0] in (0xA1B2C3D4, 0xA1B23C4D)
    at, out, frames = 24, [], 0
    while at + 16 <= len(data):
        length = struct.unpack("<I" if little else ">I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        frames += 1
        if frame[12:14] != b"\x08\x00":
            continue
        ip = frame[14:14 + struct.unpack(">H", frame[16:18])[0]]
        head, protocol = (ip[0] & 15) * 4, ip[9]
        if protocol not in (6, 17):
            continue
        ends = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
        inner = ip[head:]
        skip = 8 if protocol == 17 else (inner[12] >> 4) * 4
        out.append((protocol, ends, struct.unpack(">HH", inner[:4]), inner[skip:]))
    return out, frames


def values(path):
    return {payload[at:at + VALUE] for _, _, _, payload in packets(path)[0] for at in range(len(payload) - VALUE + 1)}


def stop(child):
    child.terminate()
    child.wait(10)


def check(what, held):
    demand(held, what)


def near(person):
    return [line for line in person.lines("lan") if line.get("near")]


def delivered(person, name, text, timeout="30s"):
    started = time.monotonic()
    person.say("send", name, "-", "--wait", "delivered", "--timeout", timeout, text=text)
    return time.monotonic() - started


def acquainted(island):
    """A relay, and two who met through it and have said something."""
    relay, door = island.relay()
    ali, bob = Person(island, ALI, "Ali", [door]), Person(island, BOB, "Bob", [door])
    ali.meet(bob)
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "60s", text="by relay")
    wait("Bob has the first text", 30, lambda: bob.texts_of("Ali") == ["by relay"])
    return relay, ali, bob


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--texts", type=int, default=10)
    parser.add_argument("--within", type=float, default=3.0)
    parser.add_argument("--only", choices=["run", "carried", "rooms", "six"], help="one of the worlds")
    options = parser.parse_args()
    for make, play in ((Island, run), (Trio, carried), (Quartet, rooms), (Island, six)):
        if options.only not in (None, play.__name__):
            continue
        island = make(os.path.abspath(options.programs))
        try:
            play(island, options)
        finally:
            island.close()


def run(island, options):
    relay, ali, bob = acquainted(island)
    said = ["by relay"]

    # No way out, and the network is not accepted.
    stop(relay)
    island.way_out(False)
    check("there is a way out", island.within(ALI, "ip", "route", "get", "10.79.9.1", check=False,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0)
    quiet, tcpdump = island.capture("quiet")
    ali.say("send", "Bob", "-", "--wait", "queued", text="waits for a network")
    said.append("waits for a network")
    time.sleep(6)
    stop(tcpdump)
    check("something was sent before the network was accepted", not packets(quiet)[0])
    check("a port was open before the network was accepted", not island.open_ports(ALI) + island.open_ports(BOB))
    check("it was delivered though there is no way", bob.texts_of("Ali") == said[:1])
    print(json.dumps({"check": "quiet before it is accepted", "frames": packets(quiet)[1]}), flush=True)

    # Accepted: they find each other.
    first, tcpdump = island.capture("first")
    island.plant()
    check("the network is listed", ali.lines("lan")[0]["networks"][0]["range"] == "10.79.1.0/24")
    ali.say("lan", "accept")
    time.sleep(1)
    check("Bob has not accepted it", not near(ali))
    started = time.monotonic()
    bob.say("lan", "accept")
    wait("what waited is there", 30, lambda: bob.texts_of("Ali") == said)
    found = time.monotonic() - started
    both = time.monotonic()
    took = [delivered(ali, "Bob", "there"), delivered(bob, "Ali", "and back")]
    both = time.monotonic() - both
    said.append("there")
    check("both are near", near(ali) and near(bob))
    check("Ali has the answer", ali.texts_of("Bob") == ["and back"])
    more = [f"text {n}" for n in range(options.texts)]
    ali.batch("Bob", more)
    said += more
    wait("all texts", 60, lambda: bob.texts_of("Ali") == said)
    time.sleep(1)
    stop(tcpdump)
    print(json.dumps({"check": "found and delivered", "found_s": round(found, 2), "each_way_s": [round(t, 2) for t in took]}), flush=True)
    check(f"found and chatted within {options.within} s", found + both <= options.within)
    # Its way is told.
    trail = ali.lines("info", ali.lines("read", "Bob")[-1]["id"])[0]["trail"]
    check("the trail names this way", "near" in [step["what"] for step in trail])

    # Both start anew: nothing in the one capture is in the other.
    for person in (ali, bob):
        person.down()
    second, tcpdump = island.capture("second")
    island.plant()
    for person in (ali, bob):
        person.launch()
    started = time.monotonic()
    wait("nodes answer", 30, lambda: ali.serves() and bob.serves(), 0.1)
    took = [delivered(ali, "Bob", "again"), delivered(bob, "Ali", "and back again")]
    said.append("again")
    refound = time.monotonic() - started
    time.sleep(1)
    stop(tcpdump)
    shared = values(first) & values(second)
    planted = {PLANTED[at:at + VALUE] for at in range(len(PLANTED) - VALUE + 1)}
    check("the scan found the planted value", planted <= shared)
    check(f"values repeat after a restart: {[value.hex() for value in list(shared - planted)[:8]]}", shared == planted)
    group = {(ends[1], ports[1]) for _, ends, ports, _ in packets(first)[0] + packets(second)[0] if ends[1].startswith("239.")}
    check(f"one group on this network: {group}", len(group) == 1)
    ports = [{end for _, ends, ends_ports, _ in packets(path)[0] for end in zip(ends, ends_ports)} - group for path in (first, second)]
    check("a port repeats after a restart", {port for port in ports[0] & ports[1] if port[1] != 9} == set())
    sizes = [{len(payload) for protocol, _, _, payload in packets(path)[0] if protocol == 17} for path in (first, second)]
    print(json.dumps({"check": "nothing repeats", "values": [len(values(first)), len(values(second))],
                      "refound_s": round(refound, 2), "datagram_bytes": sorted(sizes[0] | sizes[1])}), flush=True)

    # Killed while texts come: each is there once and in order.
    more = [f"through a kill {n}" for n in range(3 * options.texts)]
    said += more
    ali.batch("Bob", more)
    bob.node.kill()
    bob.node.wait()
    bob.launch()
    wait("the node answers again", 30, bob.serves, 0.1)
    wait("texts after a kill", 60, lambda: bob.texts_of("Ali") == said)
    delivered(ali, "Bob", "after the kill")
    said.append("after the kill")
    check("after a kill", bob.texts_of("Ali") == said)
    states = [line["state"] for line in ali.lines("read", "Bob", "--limit", "200") if line["mine"]]
    check("all is called delivered", states == ["delivered"] * len(said))

    # Forgotten: silence again.
    for person in (ali, bob):
        person.say("lan", "forget")
    time.sleep(1)
    silent, tcpdump = island.capture("silent")
    ali.say("send", "Bob", "-", "--wait", "queued", text="waits again")
    said.append("waits again")
    time.sleep(6)
    stop(tcpdump)
    check("something was sent after the network was forgotten", not packets(silent)[0])
    check("a port is open after the network was forgotten", not island.open_ports(ALI) + island.open_ports(BOB))
    check("it was delivered though there is no way", bob.texts_of("Ali") == said[:-1])

    # The way out is back: what waited goes on, and nothing comes twice.
    island.way_out(True)
    island.relay()
    wait("what waited went by relay", 180, lambda: bob.texts_of("Ali") == said)
    time.sleep(3)
    check("something came twice", bob.texts_of("Ali") == said and ali.texts_of("Bob") == ["and back", "and back again"])
    print(json.dumps({"check": "nothing lost, nothing twice", "texts": len(said)}), flush=True)


ZARINA, UMED = "zarina", "umed"


class Trio(Island):
    """A third person on the same bridge, and a switch for each."""

    MORE = (ZARINA,)

    def __init__(self, programs):
        super().__init__(programs)
        for number, place in enumerate(self.MORE, 4):
            port = f"p{number}"
            subprocess.run(["ip", "netns", "add", self.ns(place)], check=True)
            self.within(place, "ip", "link", "set", "lo", "up")
            subprocess.run(["ip", "link", "add", "wl0", "netns", self.ns(place), "type", "veth", "peer", "name", port, "netns", self.ns(WIRE)],
                           check=True)
            self.within(WIRE, "ip", "link", "set", port, "master", "br0", "up")
            self.within(place, "ip", "addr", "add", f"10.79.1.{number}/24", "dev", "wl0")
            self.within(place, "ip", "link", "set", "wl0", "up")
            self.within(place, "ip", "route", "add", "default", "via", "10.79.1.1")

    def way_out(self, there):
        super().way_out(there)
        verb = "add" if there else "del"
        for place in self.MORE:
            # They are not there yet while the first two are made, and a route is gone from whoever was out of reach.
            self.within(place, "ip", "route", verb, "default", "via", "10.79.1.1", check=False, stderr=subprocess.DEVNULL)

    def here(self, place, there):
        """Whether somebody is within reach of the Wi-Fi."""
        port = {ALI: "p2", BOB: "p3", ZARINA: "p4", UMED: "p5"}[place]
        self.within(WIRE, "ip", "link", "set", port, "up" if there else "down")

    def close(self):
        super().close()
        for place in self.MORE:
            subprocess.run(["ip", "netns", "del", self.ns(place)], check=False)


class Quartet(Trio):
    """And a fourth one."""

    MORE = (ZARINA, UMED)


def steps(person, name):
    """State and trail of the last message to somebody."""
    info = person.lines("info", person.lines("read", name)[-1]["id"])[0]
    return info["state"], [step["what"] for step in info["trail"]]


def carried(island, options):
    relay, door = island.relay()
    people = {place: Person(island, place, name, [door]) for place, name in ((ALI, "Ali"), (BOB, "Bob"), (ZARINA, "Zarina"))}
    ali, bob, zarina = people.values()
    for one, other in ((ali, bob), (bob, zarina), (ali, zarina)):
        one.meet(other)
        one.say("send", other.name, "-", "--wait", "delivered", "--timeout", "60s", text="by relay")
    wait("all have met", 30, lambda: zarina.texts_of("Ali") == ["by relay"] and zarina.texts_of("Bob") == ["by relay"])
    stop(relay)
    island.way_out(False)
    for person in (ali, bob, zarina):
        person.say("lan", "accept")

    # Ali and Bob are here, Zarina is not.
    island.here(ZARINA, False)
    wait("Ali and Bob are near, and Zarina is not", 120, lambda: [[who["name"] for who in here["near"]] for here in ali.lines("lan")] == [["Bob"]])
    texts = [f"by hand {n}" for n in range(options.texts)]
    ali.batch("Zarina", texts)
    started = time.monotonic()
    wait("the last text is handed to a neighbour", 120, lambda: "carried" in steps(ali, "Zarina")[1])
    handed = time.monotonic() - started
    check("what a neighbour carries is called stored or delivered", steps(ali, "Zarina")[0] == "queued")
    here = wait("Bob carries it", 30, lambda: bob.lines("lan")[0]["carried"] and bob.lines("lan"))[0]
    check("Bob is shown what he carries", bob.texts_of("Ali") == ["by relay"])

    # Ali leaves, Bob's device is killed, Zarina comes.
    island.here(ALI, False)
    bob.node.kill()
    bob.node.wait()
    bob.up()
    check("Bob carries nothing after a kill", bob.lines("lan")[0]["carried"] >= here["carried"])
    started = time.monotonic()
    island.here(ZARINA, True)
    wait("Zarina has every text, in order", 180, lambda: zarina.texts_of("Ali") == ["by relay", *texts])
    came = time.monotonic() - started
    check("Ali was told before anybody could", steps(ali, "Zarina")[0] == "queued")
    zarina.say("send", "Ali", "-", "--wait", "queued", text="and back by hand")
    wait("the answer is handed to a neighbour", 120, lambda: "carried" in steps(zarina, "Ali")[1])

    # Zarina leaves, Ali comes: the receipt and the answer are there.
    island.here(ZARINA, False)
    island.here(ALI, True)
    wait("Ali has the answer", 180, lambda: ali.texts_of("Zarina") == ["and back by hand"])
    wait("Ali knows that all is delivered", 60, lambda: [line["state"] for line in ali.lines("read", "Zarina", "--limit", "200")
                                                         if line["mine"]] == ["delivered"] * (1 + len(texts)))
    check("Bob is shown what he carries", bob.texts_of("Ali") == ["by relay"] and bob.texts_of("Zarina") == [])

    # Off: what was brought is gone. Then the way out is back, and nothing comes twice.
    bob.say("lan", "carry", "off")
    off = bob.lines("lan")[0]
    check("it can be switched off", (off["carrying"], off["carried"]) == (False, 0))
    island.here(ZARINA, True)
    island.way_out(True)
    island.relay()
    zarina.say("send", "Ali", "-", "--wait", "delivered", "--timeout", "180s", text="by relay again")
    time.sleep(3)
    check("something came twice", zarina.texts_of("Ali") == ["by relay", *texts]
          and ali.texts_of("Zarina") == ["and back by hand", "by relay again"])
    print(json.dumps({"check": "a friend carried it there and back", "texts": len(texts), "handed_s": round(handed, 1), "came_s": round(came, 1),
                      "carried_cells": here["carried"], "carried_bytes": here["carried_bytes"]}), flush=True)


def entries(person):
    return [entry["text"] for entry in person.lines("channel", "read", "%1")]


def standing(person):
    return [group["standing"] for group in person.lines("group", "list")]


def own(person):
    """State of the last own message to the group, and with how many of how many it is."""
    last = [line for line in person.lines("read", "Brigade") if line["mine"]][-1]
    return last["state"], last.get("delivered"), last.get("of")


def rooms(island, options):
    relay, door = island.relay()
    people = {place: Person(island, place, name, [door]) for place, name in ((ALI, "Ali"), (BOB, "Bob"), (ZARINA, "Zarina"), (UMED, "Umed"))}
    ali, bob, zarina, umed = people.values()
    for one, other in ((ali, zarina), (ali, umed), (bob, zarina), (bob, umed)):
        one.meet(other)
        one.say("send", other.name, "-", "--wait", "delivered", "--timeout", "60s", text="by relay")
    ali.say("group", "create", "Brigade")
    for other in (zarina, umed):
        ali.say("group", "invite", "Brigade", other.name)
        wait("the invitation is there", 60, lambda: standing(other) == ["invited"])
        other.say("group", "accept", "Brigade")
        wait("the newcomer is in", 60, lambda: standing(other) == ["in"])
    link = zarina.lines("channel", "create", "Jobs")[0]["link"]
    umed.say("channel", "follow", text=link + "\n")
    wait("both know all three members", 60, lambda: [len(person.lines("group", "members", "Brigade")) for person in (zarina, umed)] == [3, 3])

    # No way out, and Ali, whom both members know, is gone. Zarina and Bob are here, Umed is not.
    stop(relay)
    island.way_out(False)
    ali.down()
    for person in (zarina, bob, umed):
        person.say("lan", "accept")
    island.here(UMED, False)
    wait("Zarina and Bob are near, and Umed is not", 120, lambda: [[who["name"] for who in here["near"]] for here in zarina.lines("lan")] == [["Bob"]])
    time.sleep(15)
    before = [person.lines("lan")[0]["carried"] for person in (zarina, bob)]
    texts = [f"said {n}" for n in range(options.texts)]
    zarina.batch("Brigade", texts)
    zarina.say("channel", "post", "Jobs", "-", "--queued", text="an entry")
    started = time.monotonic()
    time.sleep(3)
    new = zarina.lines("lan")[0]["carried"] - before[0]
    check(f"a text and an entry are two cells at least: {new}", new >= 2)
    here = wait("Bob carries all of it", 60, lambda: bob.lines("lan")[0]["carried"] >= before[1] + new and bob.lines("lan"))[0]
    handed = time.monotonic() - started
    check("what a neighbour carries is called stored or delivered", own(zarina) == ("queued", 0, 2))
    check("Bob is shown what he carries", bob.lines("group", "list") + bob.lines("channel", "list") == [])
    check("Umed has it already", umed.texts_of("Brigade") + entries(umed) == [])

    # Zarina leaves, Bob's device is killed, Umed comes.
    island.here(ZARINA, False)
    bob.node.kill()
    bob.node.wait()
    bob.up()
    check("Bob carries nothing after a kill", bob.lines("lan")[0]["carried"] >= here["carried"])
    started = time.monotonic()
    island.here(UMED, True)
    wait("Umed has every text, in order, and the entry", 180, lambda: (umed.texts_of("Brigade"), entries(umed)) == (texts, ["an entry"]))
    came = time.monotonic() - started
    check("Zarina was told before anybody could", own(zarina) == ("queued", 0, 2))
    carried = bob.lines("lan")[0]["carried"]
    umed.say("send", "Brigade", "-", "--wait", "queued", text="and back")
    wait("the answer is with Bob", 120, lambda: bob.lines("lan")[0]["carried"] > carried)
    time.sleep(25)

    # Umed leaves, Zarina comes: the answer and the receipt are there.
    island.here(UMED, False)
    island.here(ZARINA, True)
    wait("Zarina has the answer", 180, lambda: zarina.texts_of("Brigade") == ["and back"])
    wait("Zarina knows that Umed has it, and that Ali has not", 120, lambda: own(zarina) == ("queued", 1, 2))

    # The way out is back: it goes to relays, Ali gets all of it, nobody anything twice.
    island.here(UMED, True)
    island.way_out(True)
    island.relay()
    ali.up()
    wait("Ali has everything", 240, lambda: sorted(ali.texts_of("Brigade")) == sorted([*texts, "and back"]))
    wait("everything is with everybody", 240, lambda: (own(zarina)[0], own(umed)[0], zarina.lines("channel", "list")[0]["under_way"])
         == ("delivered", "delivered", 0))
    zarina.say("channel", "post", "Jobs", "-", text="by relay again")
    wait("the channel goes on", 120, lambda: entries(umed) == ["an entry", "by relay again"])
    check("something came twice", umed.texts_of("Brigade") == texts and zarina.texts_of("Brigade") == ["and back"])
    check("a relay is blamed, or a fork is seen", [(known["withheld"], known["forked"]) for known in umed.lines("channel", "list")] == [(0, False)])
    print(json.dumps({"check": "a friend carried a group and a channel he is not in", "texts": len(texts), "handed_s": round(handed, 1),
                      "came_s": round(came, 1), "carried_cells": here["carried"], "carried_bytes": here["carried_bytes"]}), flush=True)


def packets6(path):
    """As `packets`, of IPv6: (protocol, addresses, payload) of UDP and TCP."""
    data, at, out = open(path, "rb").read(), 24, []
    order = "<I" if struct.unpack("<I", data[:4])[0] in (0xA1B2C3D4, 0xA1B23C4D) else ">I"
    while at + 16 <= len(data):
        length = struct.unpack(order, data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if frame[12:14] != b"\x86\xdd" or frame[20] not in (6, 17):
            continue
        ip = frame[14:54 + struct.unpack(">H", frame[18:20])[0]]
        inner = ip[40:]
        skip = 8 if ip[6] == 17 else (inner[12] >> 4) * 4
        out.append((ip[6], tuple(socket.inet_ntop(socket.AF_INET6, ip[start:start + 16]) for start in (8, 24)), inner[skip:]))
    return out


def plant6(island):
    """As `Island.plant`, over IPv6."""
    code = (f"import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto({PLANTED!r}, "
            "('ff12::9', 9, 0, socket.if_nametoindex('wl0')))")
    island.within(ALI, sys.executable, "-c", code)


def six(island, options):
    relay, ali, bob = acquainted(island)
    stop(relay)
    island.way_out(False)
    for place in (ALI, BOB):
        island.within(place, "ip", "-4", "addr", "flush", "dev", "wl0")
    said = ["by relay", "waits for a network"]
    first, tcpdump = island.capture("first6")
    ali.say("send", "Bob", "-", "--wait", "queued", text=said[-1])
    time.sleep(8)
    check("something was sent before the network was accepted", not packets6(first) and not packets(first)[0])
    for person in (ali, bob):
        networks = person.lines("lan")[0]["networks"]
        check(f"the link of IPv6 is listed: {networks}", [network["range"] for network in networks] == ["fe80::/64"])
        person.say("lan", "accept")
    wait("what waited is there", 60, lambda: bob.texts_of("Ali") == said)
    plant6(island)
    took = [delivered(ali, "Bob", "there"), delivered(bob, "Ali", "and back")]
    said.append("there")
    check("both are near", near(ali) and near(bob))
    # What it has captured is written a second later.
    time.sleep(2)
    stop(tcpdump)

    # Both start anew: nothing in the one capture is in the other.
    for person in (ali, bob):
        person.down()
    second, tcpdump = island.capture("second6")
    plant6(island)
    for person in (ali, bob):
        person.up()
    took += [delivered(ali, "Bob", "again"), delivered(bob, "Ali", "and back again")]
    said.append("again")
    time.sleep(2)
    stop(tcpdump)
    values6 = [{payload[at:at + VALUE] for *_, payload in packets6(path) for at in range(len(payload) - VALUE + 1)} for path in (first, second)]
    shared = values6[0] & values6[1]
    planted = {PLANTED[at:at + VALUE] for at in range(len(PLANTED) - VALUE + 1)}
    check(f"the scan found the planted value: {[len(values) for values in values6]}, {len(planted & shared)}", planted <= shared)
    check(f"values repeat after a restart: {[value.hex() for value in list(shared - planted)[:8]]}", shared == planted)
    ends = {end for path in (first, second) for _, pair, _ in packets6(path) for end in pair}
    check(f"an address beyond the link: {ends}", all(end.startswith(("fe80::", "ff12::")) for end in ends))
    check("a packet of IPv4", not packets(first)[0] + packets(second)[0])
    for person in (ali, bob):
        person.say("lan", "forget")
    time.sleep(1)
    silent, tcpdump = island.capture("silent6")
    time.sleep(8)
    stop(tcpdump)
    check("something was sent after the network was forgotten", not packets6(silent))
    check("texts", bob.texts_of("Ali") == said and ali.texts_of("Bob") == ["and back", "and back again"])
    print(json.dumps({"check": "IPv6 alone", "values": [len(values) for values in values6], "each_way_s": [round(t, 2) for t in took],
                      "datagram_bytes": sorted({len(payload) for path in (first, second) for protocol, _, payload in packets6(path) if protocol == 17})}),
          flush=True)


if __name__ == "__main__":
    main()
