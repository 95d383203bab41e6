#!/usr/bin/env python3
"""Real programs behind a real packet filter: three network namespaces, nftables as the censor, tcpdump as the witness.

    censor.py --programs DIR wire [--wire-check FILE]    captures of web doors and of plain ones, judged by wire_check
    censor.py --programs DIR harsh [--texts N]           texts both ways while five rules apply at once
    censor.py --programs DIR allow-list                  nothing but one door passes, then nothing at all for a while
    censor.py --programs DIR probe [--probes N]          what a prober without a slot sees of a web door
    censor.py --programs DIR idle [--minutes N]          what a person at rest costs, and how soon a text comes then
    censor.py --programs DIR netcheck                    what `karvon netcheck` says under each of many censors

Needs root, iproute2, nftables and tcpdump. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import base64
import ctypes
import glob
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

PEOPLE, CENSOR, WORLD = "people", "censor", "world"
RELAYS = ["10.78.2.11", "10.78.2.12", "10.78.2.13"]

# The rules of a censor as nftables writes them. "reply" is what the relay sends, IP headers included.
RULES = {
    "plaintext": 'tcp dport 1-65535 @ih,0,128 0x132f6d756c746973747265616d2f312e counter reject with tcp reset',
    "quic": "udp dport 443 counter drop",
    "freeze": "tcp sport 443 ct reply bytes > 16384 counter drop",
    "handshakes": "tcp dport 443 ct state new tcp flags syn add @seen { ip saddr . ip daddr limit rate over 3/minute burst 3 packets } counter drop",
}


class World:
    """Three namespaces in a line, the middle one with the filter."""

    def __init__(self, programs):
        self.programs = programs
        self.tag = f"kv{os.getpid() % 100000}"
        self.dir = tempfile.mkdtemp(prefix="kvc")
        self.children = []
        for name in ["run", "home"]:
            os.makedirs(f"{self.dir}/{name}", mode=0o700)
        for place in (PEOPLE, CENSOR, WORLD):
            self.ip("netns", "add", self.ns(place))
            self.within(place, "ip", "link", "set", "lo", "up")
        self.join(PEOPLE, "a", "10.78.1.2/24", "10.78.1.1/24")
        self.join(WORLD, "b", "10.78.2.2/24", "10.78.2.1/24")
        for address in RELAYS:
            self.within(WORLD, "ip", "addr", "add", f"{address}/24", "dev", "b0")
        self.within(PEOPLE, "ip", "route", "add", "default", "via", "10.78.1.1")
        self.within(WORLD, "ip", "route", "add", "default", "via", "10.78.2.1")
        for key in ("net.ipv4.ip_forward", "net.netfilter.nf_conntrack_acct"):
            # The second key appears with the first use of connection tracking.
            self.filter([])
            self.within(CENSOR, "sysctl", "-qw", f"{key}=1")

    def ns(self, place):
        return f"{self.tag}{place[0]}"

    def ip(self, *words):
        subprocess.run(["ip", *words], check=True)

    def join(self, place, name, inner, outer):
        self.ip("link", "add", f"{name}0", "netns", self.ns(place), "type", "veth",
                "peer", "name", f"{name}1", "netns", self.ns(CENSOR))
        for where, interface, address in ((place, f"{name}0", inner), (CENSOR, f"{name}1", outer)):
            self.within(where, "ip", "addr", "add", address, "dev", interface)
            self.within(where, "ip", "link", "set", interface, "up")
            if shutil.which("ethtool"):
                # Without this a "packet" of the filter is one of 64 KB.
                self.within(where, "ethtool", "-K", interface, "tso", "off", "gso", "off", "gro", "off",
                            stdout=subprocess.DEVNULL, check=False)

    def within(self, place, *words, check=True, **options):
        return subprocess.run(["ip", "netns", "exec", self.ns(place), *words], check=check, **options)

    def filter(self, rules, policy="accept"):
        """Replaces the censor's rules."""
        text = "add table inet censor\ndelete table inet censor\ntable inet censor {\n"
        text += "set seen { type ipv4_addr . ipv4_addr; flags dynamic; size 1024; timeout 120s; }\n"
        text += f"chain forw {{ type filter hook forward priority 0; policy {policy};\nct state invalid accept\n"
        text += "\n".join(rules) + "\n}\n}\n"
        self.within(CENSOR, "nft", "-f", "-", input=text.encode())

    def counters(self, unit="packets"):
        out = self.within(CENSOR, "nft", "-j", "list", "chain", "inet", "censor", "forw", stdout=subprocess.PIPE).stdout
        counts = []
        for entry in json.loads(out)["nftables"]:
            for part in entry.get("rule", {}).get("expr", []):
                if "counter" in part:
                    counts.append(part["counter"][unit])
        return counts

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("XDG_") and (not name.startswith("KARVON_") or name == "KARVON_LOG")}
        return kept | {"HOME": f"{self.dir}/home", "XDG_RUNTIME_DIR": f"{self.dir}/run", "LC_ALL": "C.UTF-8"}

    def start(self, place, words, **options):
        child = subprocess.Popen(["ip", "netns", "exec", self.ns(place), *words], env=self.environment(), **options)
        self.children.append(child)
        return child

    def relay(self, number, flag="--listen-web", peers=()):
        """Starts a relay and returns its door."""
        words = [f"{self.programs}/karvon-node", "relay", "run", "--data-dir", f"{self.dir}/r{number}", flag,
                 f"{RELAYS[number]}:443", "--mesh-listen", f"{RELAYS[number]}:7444", "--allow-private"]
        for peer in peers:
            words += ["--peer", peer]
        log = open(f"{self.dir}/r{number}.log", "wb")
        child = self.start(WORLD, words, stdout=subprocess.PIPE, stderr=log)
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"relay {number} did not start:\n" + open(log.name).read())
        return json.loads(line)["door"]

    def relays(self, flag="--listen-web"):
        doors = [self.relay(0, flag)]
        return doors + [self.relay(number, flag, doors[:1]) for number in (1, 2)]

    def capture(self, path):
        child = self.start(PEOPLE, ["tcpdump", "-i", "a0", "-s0", "-U", "-w", path, "-Z", "root"],
                           stderr=subprocess.PIPE)
        child.stderr.readline()
        time.sleep(0.5)
        return child

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        for place in (PEOPLE, CENSOR, WORLD):
            subprocess.run(["ip", "netns", "del", self.ns(place)], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Person:
    """A node in a namespace, asked by its command line."""

    def __init__(self, world, place, name, doors):
        self.world, self.place, self.name = world, place, name
        words = ["init", "--name", name, "--no-lock"]
        for door in doors:
            words += ["--door", door]
        self.say(*words)
        words = [f"{world.programs}/karvon", "--data-dir", f"{world.dir}/{name}", "--json", "node"]
        self.node = world.start(place, words, stdout=subprocess.DEVNULL, stderr=open(f"{world.dir}/{name}.log", "wb"))
        wait(f"{name}'s node answers", 30, lambda: self.lines("status"))

    def say(self, *words, text=None, timeout=600, stderr=None):
        words = ["ip", "netns", "exec", self.world.ns(self.place), f"{self.world.programs}/karvon", "--data-dir",
                 f"{self.world.dir}/{self.name}", *words]
        done = subprocess.run(words, input=text.encode() if text is not None else b"", stdout=subprocess.PIPE, stderr=stderr,
                              env=self.world.environment(), timeout=timeout, check=False)
        return done.stdout.decode()

    def lines(self, *words, **options):
        return [json.loads(line) for line in self.say(*words, "--json", **options).splitlines() if line.strip()]

    def meet(self, other):
        invitation = other.say("invite", "--text")
        self.say("add", "--stdin", "--name", other.name, text=invitation)

    def texts_of(self, name):
        return [line["text"] for line in self.lines("read", name) if not line["mine"]]

    def batch(self, name, texts):
        self.say("send", name, "--batch", "--wait", "queued", text="\n".join(texts) + "\n")

    def down(self):
        self.say("down")
        self.node.wait(30)


def wait(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.5)
    raise SystemExit(f"failed: {what} within {seconds} s")


def friends(world, doors):
    ali = Person(world, PEOPLE, "Ali", doors[:2])
    bob = Person(world, WORLD, "Bob", [doors[2], doors[1]])
    ali.meet(bob)
    # Meeting takes several connections, and where handshakes are counted each waits for its turn.
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "150s", text="first")
    wait("the first text arrives", 90, lambda: bob.lines("contacts", "list") and "first" in bob.texts_of(bob.lines("contacts", "list")[0]["name"]))
    return ali, bob, bob.lines("contacts", "list")[0]["name"]


def exchange(world, count, patience):
    """So many texts of 500 bytes each way; returns the seconds it took, after checking that each arrived once and in order."""
    ali, bob, ali_name = world.friends
    sent = {side: [f"{side} {number:03} " + "x" * 490 for number in range(count)] for side in ("a", "b")}
    started = time.monotonic()
    ali.batch("Bob", sent["a"])
    bob.batch(ali_name, sent["b"])

    def arrived(person, other, side):
        shown = [text for text in person.texts_of(other) if text.startswith(f"{side} ")]
        if shown != sent[side][:len(shown)]:
            raise SystemExit(f"failed: {person.name} was shown texts twice or out of order")
        return len(shown) == count

    wait(f"{count} texts reach Bob", patience, lambda: arrived(bob, ali_name, "a"))
    wait(f"{count} texts reach Ali", patience, lambda: arrived(ali, "Bob", "b"))
    return round(time.monotonic() - started, 1)


def wire(world, options):
    """The web door passes what plain doors fail."""
    results = {}
    for flag, name in (("--listen-web", "web"), ("--listen", "plain")):
        path = f"{world.dir}/{name}.pcap"
        doors = world.relays(flag)
        capture = world.capture(path)
        world.friends = friends(world, doors)
        took = exchange(world, options.texts, 240)
        time.sleep(1)
        capture.send_signal(signal.SIGINT)
        capture.wait(20)
        words = [options.wire_check, path, "--port", "443", "--deny-unknown", "--require-alpn", "--max-s2c", "15000",
                 "--max-tiny", "10", "--expect-flows", "2", "--json"]
        if shutil.which("ndpiReader"):
            words += ["--ndpi", "require", "--expect-ndpi", "tls"]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        results[name] = done.returncode
        report = json.loads(done.stdout.decode().splitlines()[0])
        print(json.dumps({"check": "wire", "door": name, "exit": done.returncode, "texts": options.texts, "seconds": took,
                          "flows": report.get("flows") if isinstance(report.get("flows"), int) else len(report.get("flows", [])),
                          "findings": report.get("findings", report)[:6] if isinstance(report.get("findings", None), list) else None}))
        if options.keep:
            shutil.copy(path, options.keep)
        for person in world.friends[:2]:
            person.down()
        for child in world.children:
            if child.poll() is None:
                child.terminate()
                child.wait(20)
        for number in range(3):
            shutil.rmtree(f"{world.dir}/r{number}", ignore_errors=True)
        for person in ("Ali", "Bob"):
            shutil.rmtree(f"{world.dir}/{person}", ignore_errors=True)
    if results["web"] != 0:
        raise SystemExit("failed: something shows on the wire of a web door")
    if results["plain"] != 1:
        raise SystemExit("failed: the judge passes a plain door, so its word on the web door is worth nothing")


def harsh(world, options):
    """T1, T2 (by construction), T3, T5 and T6 at once."""
    doors = world.relays()
    world.filter([RULES["plaintext"], RULES["quic"], RULES["freeze"], RULES["handshakes"]])
    started = time.monotonic()
    world.friends = friends(world, doors)
    met = round(time.monotonic() - started, 1)
    took = exchange(world, options.texts, options.patience)
    status = world.friends[0].lines("status")[0]
    print(json.dumps({"check": "harsh", "texts_each_way": options.texts, "met_after_s": met, "seconds": took,
                      "dropped_packets": world.counters(), "bytes_in": status["bytes_in"], "bytes_out": status["bytes_out"]}))
    for person in world.friends[:2]:
        person.down()


def allow_list(world, options):
    """Everything but one relay is cut off; then all of it, and a text that was written meanwhile arrives afterwards."""
    doors = world.relays()
    world.friends = friends(world, doors)
    ali, bob, ali_name = world.friends
    world.filter([f"ip daddr {RELAYS[1]} counter accept", f"ip saddr {RELAYS[1]} counter accept"], policy="drop")
    took = exchange(world, options.texts, options.patience)
    world.filter([], policy="drop")
    ali.batch("Bob", ["written in the dark"])
    time.sleep(20)
    if "written in the dark" in bob.texts_of(ali_name):
        raise SystemExit("failed: the filter let something through")
    world.filter([])
    started = time.monotonic()
    wait("what was written in the dark arrives", 120, lambda: "written in the dark" in bob.texts_of(ali_name))
    print(json.dumps({"check": "allow-list", "texts_each_way": options.texts, "seconds": took,
                      "after_the_dark_s": round(time.monotonic() - started, 1)}))
    for person in world.friends[:2]:
        person.down()


def idle(world, options):
    """A person with one contact rests in the low data plan; every IP byte of theirs is counted, then a text comes."""
    doors = world.relays()
    world.friends = friends(world, doors)
    ali, bob, ali_name = world.friends
    ali.say("data", "plan", "low", "--network", "all")
    time.sleep(options.settle)
    world.filter(["ip saddr 10.78.1.2 counter accept", "ip daddr 10.78.1.2 counter accept"])
    time.sleep(60 * options.minutes)
    sent, received = world.counters("bytes")
    packets = sum(world.counters())
    started = time.monotonic()
    bob.say("send", ali_name, "-", "--wait", "delivered", "--timeout", "60s", text="are you there?")
    took = time.monotonic() - started
    if "are you there?" not in ali.texts_of("Bob"):
        raise SystemExit("failed: the text did not come")
    used = ali.lines("data")[0]
    print(json.dumps({"check": "idle", "minutes": options.minutes, "sent_bytes": sent, "received_bytes": received, "packets": packets,
                      "bytes_a_minute": round((sent + received) / options.minutes, 1), "then_delivered_s": round(took, 2), "plan": used["plan"]}))
    if took > 2 or (sent + received) / options.minutes > 300:
        raise SystemExit("failed: more than 300 bytes a minute at rest, or a text took longer than 2 s")
    for person in world.friends[:2]:
        person.down()


# A proxy as a user may have one: SOCKS5 without a password, in a namespace of its own.
SOCKS = """
import socket, sys, threading
def pump(a, b):
    try:
        while data := a.recv(4096): b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(c):
    c.recv(256); c.sendall(bytes([5, 0])); r = c.recv(256)
    try: out = socket.create_connection((socket.inet_ntoa(r[4:8]), int.from_bytes(r[8:10], "big")), 3)
    except OSError:
        c.sendall(bytes([5, 4, 0, 1] + [0] * 6)); c.close(); return
    out.settimeout(None); c.sendall(bytes([5, 0, 0, 1] + [0] * 6))
    threading.Thread(target=pump, args=(c, out), daemon=True).start(); pump(out, c)
l = socket.create_server(("0.0.0.0", 1080))
print("ready", flush=True)
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"""

# A sign-in page of a hotel: it answers whatever comes to it in plain HTTP.
PORTAL = """
import socket
l = socket.create_server(("0.0.0.0", 8443))
print("ready", flush=True)
while True:
    c, _ = l.accept(); c.recv(4096)
    c.sendall(b"HTTP/1.1 302 Found\\r\\nLocation: http://login.example/\\r\\nContent-Length: 0\\r\\n\\r\\n"); c.close()
"""


def netcheck(world, options):
    """Each censor by itself, and the verdict that is true of it. A check ends within 10 s and 20 KB."""
    # Two networks, so that one that is blocked can be told from one where nothing opens.
    far = "10.79.2.13"
    world.within(WORLD, "ip", "addr", "add", f"{far}/24", "dev", "b0")
    world.within(CENSOR, "ip", "route", "add", "10.79.2.0/24", "via", "10.78.2.2")
    RELAYS[2] = far
    web = [world.relay(0)]
    web.append(world.relay(2, "--listen-web", web))
    relays = list(world.children)
    plain = [world.relay(1, "--listen", web[:1])]
    everything = {"10.78.2.11", far, RELAYS[1]}
    doors_only = f"ip daddr {{ {', '.join(sorted(everything))} }}"
    results = []

    def traffic():
        text = world.within(PEOPLE, "ip", "-j", "-s", "link", "show", "a0", stdout=subprocess.PIPE).stdout
        stats = json.loads(text)[0]["stats64"]
        return stats["rx"]["bytes"] + stats["tx"]["bytes"]

    def ask(person, env=None):
        words = ["ip", "netns", "exec", world.ns(PEOPLE), f"{world.programs}/karvon", "--data-dir", f"{world.dir}/{person}",
                 "netcheck", "--json"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=world.environment() | (env or {}), timeout=60, check=False)
        if not done.stdout.strip():
            raise SystemExit(f"failed: netcheck says nothing: {done.stderr.decode()}")
        return json.loads(done.stdout), done.returncode

    def person(name, doors, proxy=None):
        words = ["init", "--name", name, "--no-lock"]
        for door in doors:
            words += ["--door", door]
        run(name, *words)
        if proxy:
            run(name, "config", "set", "network.proxy", proxy)

    def run(name, *words):
        words = ["ip", "netns", "exec", world.ns(PEOPLE), f"{world.programs}/karvon", "--data-dir", f"{world.dir}/{name}", *words]
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=world.environment(), timeout=60, check=True)

    def judged(profile, answer, verdict, travels):
        found, code = answer
        row = {"check": "netcheck", "profile": profile, "code": found["code"], "verdict": found["verdict"], "also": found["also"],
               "doors": [door["outcome"] for door in found["doors"]], "ms": found["ms"], "bytes": found["bytes"], "exit": code}
        print(json.dumps(row), flush=True)
        wrong = []
        if found["verdict"] != verdict:
            wrong.append(f"the verdict is {found['verdict']} and not {verdict}")
        if found["travels"] != travels or code != (0 if travels else 4):
            wrong.append(f"travels {found['travels']}, exit {code}")
        if found["ms"] > 10_000 or found["bytes"] > 20_000:
            wrong.append("more than 10 s or 20 KB")
        if wrong:
            raise SystemExit(f"failed: {profile}: {'; '.join(wrong)}")
        results.append(profile)
        return found

    def fresh(profile, verdict, travels, rules=(), policy="accept", doors=web, env=None, proxy=None):
        """A node that has never been in this network before."""
        name = f"P{len(results)}"
        person(name, doors, proxy)
        world.filter(list(rules), policy)
        before = traffic()
        found = judged(profile, ask(name, env), verdict, travels)
        print(json.dumps({"profile": profile, "ip_bytes_with_the_start_of_a_node": traffic() - before}), flush=True)
        world.filter([])
        return found

    fresh("no censor", "works", True)
    before = traffic()
    judged("no censor, the node's second start", ask("P0"), "works", True)
    print(json.dumps({"profile": "second start", "ip_bytes_with_the_start_of_a_node": traffic() - before}), flush=True)
    fresh("no door", "no_door", False, doors=[])
    world.within(PEOPLE, "ip", "route", "del", "default")
    fresh("no network", "no_internet", False)
    world.within(PEOPLE, "ip", "route", "add", "default", "via", "10.78.1.1")
    fresh("dead line behind the router", "silent", False, policy="drop")
    fresh("T1, plain doors only", "plain_only", False, [RULES["plaintext"]], doors=plain)
    fresh("T1, a web door as well", "plain_cut", True, [RULES["plaintext"]], doors=plain + web[:1])
    # The connection opens; what is longer than a handshake's packets vanishes.
    vanish = "tcp dport 443 meta length > 120 counter drop"
    fresh("T9, hello vanishes", "approved_only", False, [vanish])
    fresh("T9 for one network only", "approved_or_singled", False, [vanish], doors=web[:1])
    fresh("addresses blocked", "silent", False, [f"{doors_only} counter drop"])
    found = fresh("one address blocked", "works", True, [f"ip daddr {far} counter drop"])
    if sorted(door["outcome"] for door in found["doors"]) != ["connect_silent", "open"]:
        raise SystemExit("failed: the blocked door is not named")
    fresh("reset instead of a connection", "refused", False, [f"{doors_only} tcp flags syn counter reject with tcp reset"])
    fresh("throttled to 14 kB a second", "works", True,
          ["tcp sport 443 limit rate over 14 kbytes/second burst 14 kbytes counter drop"])
    fresh("dead proxy", "proxy_dead", False, proxy="socks5://127.0.0.1:1")
    socks = world.start(WORLD, [sys.executable, "-c", SOCKS], stdout=subprocess.PIPE)
    socks.stdout.readline()
    only_proxy = ["ip daddr 10.78.2.2 counter accept", "ip saddr 10.78.2.2 counter accept"]
    fresh("only a proxy passes", "works", True, only_proxy, policy="drop", proxy="socks5://10.78.2.2:1080")
    person("Prox", web[:1], "socks5://10.78.2.2:1080")
    world.within(WORLD, "ip", "addr", "del", f"{RELAYS[0]}/24", "dev", "b0")
    judged("a proxy that does not get to the door", ask("Prox"), "proxy_blocked", False)
    world.within(WORLD, "ip", "addr", "add", f"{RELAYS[0]}/24", "dev", "b0")
    portal = world.start(CENSOR, [sys.executable, "-c", PORTAL], stdout=subprocess.PIPE)
    portal.stdout.readline()
    redirect = "table inet hotel { chain pre { type nat hook prerouting priority -100; tcp dport 443 redirect to :8443; }\n}\n"
    world.within(CENSOR, "nft", "-f", "-", input=redirect.encode())
    fresh("sign-in page", "portal", False)
    world.within(CENSOR, "nft", "delete", "table", "inet", "hotel")
    if not options.faketime or not os.path.exists(options.faketime):
        raise SystemExit("failed: libfaketime is missing (Debian package faketime)")
    skewed = {"LD_PRELOAD": options.faketime, "FAKETIME": "-3d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    fresh("clock three days behind", "clock", True, env=skewed)

    # A node that has been here for a while.
    ali = Person(world, PEOPLE, "Ali", web)
    wait("Ali is online", 60, lambda: ali.lines("status")[0]["state"] == "online")
    time.sleep(10)
    before = traffic()
    judged("at rest", ask("Ali"), "works", True)
    spent = traffic() - before
    print(json.dumps({"profile": "at rest", "ip_bytes": spent}), flush=True)
    if spent > 20_000:
        raise SystemExit("failed: a check at rest costs more than 20 KB")
    # Carriers that freeze after 6 kB are within what Karvon asks for at once, so that it learns of it; 16 KiB it never reaches.
    world.filter(["tcp sport 443 ct reply bytes > 6000 counter drop"])
    bob = Person(world, WORLD, "Bob", web)
    ali.meet(bob)

    def learned():
        ali.say("invite", "--text")
        found, _ = ask("Ali")
        return found["verdict"] == "freeze"

    wait("the freeze is learned", 240, learned)
    judged("T5, freeze after 6 kB", ask("Ali"), "freeze", True)
    world.filter([RULES["freeze"]])
    fresh("T5, freeze after 16 kB, at first", "works", True, [RULES["freeze"]])
    bob.down()
    ali.down()
    world.filter([])
    cem = Person(world, PEOPLE, "Cem", web)
    wait("Cem is online", 60, lambda: cem.lines("status")[0]["state"] == "online")
    # More connections than are allowed, and the ones there are break as soon as something goes over them.
    world.filter([RULES["handshakes"]])
    for address in (RELAYS[0], far):
        burst = "import socket\nfor _ in range(6):\n  try: socket.create_connection(('%s', 443), 0.3).close()\n  except OSError: pass" % address
        world.within(PEOPLE, sys.executable, "-c", burst)
    world.within(CENSOR, "nft", "insert rule inet censor forw tcp dport 443 ct state established reject with tcp reset")
    judged("T6, handshakes are counted", ask("Cem"), "counted", False)
    cem.down()
    world.filter([])
    for number, relay in ((0, relays[0]), (2, relays[1])):
        listed = subprocess.run([f"{world.programs}/karvon-node", "relay", "door", "list", "--data-dir", f"{world.dir}/r{number}", "--json"],
                                stdout=subprocess.PIPE, env=world.environment(), check=True).stdout.decode()
        for slot in [door["slot"] for door in json.loads(listed)]:
            subprocess.run([f"{world.programs}/karvon-node", "relay", "door", "revoke", slot, "--data-dir", f"{world.dir}/r{number}"],
                           stdout=subprocess.DEVNULL, env=world.environment(), check=True)
    fresh("doors ended by their keeper", "door_ended", False)
    for relay in relays:
        relay.terminate()
        relay.wait(20)
    fresh("relays switched off", "refused", False)
    print(json.dumps({"check": "netcheck", "profiles": len(results)}))


def door_secret(line):
    """Slot key of a door line, as SPEC.md section 6 lays it out."""
    text = line.split(":", 1)[1]
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    return raw[25:57]


def door_path(key, day, nonce):
    """A path as SPEC.md section 9.2 lays it out, not bound to a connection."""
    def mac(label, *parts):
        return hmac.new(key, label + b"".join(parts), hashlib.sha256).digest()
    day = day.to_bytes(4, "big")
    raw = mac(b"karvon/0 door day", day)[:8] + nonce + mac(b"karvon/0 door path", day, nonce)[:16]
    return "/" + base64.urlsafe_b64encode(raw).decode()


def ask(tls, path, upgrade, method="GET"):
    """One request on an open connection: the answer without its date, and how long it took."""
    head = f"{method} {path} HTTP/1.1\r\nHost: h\r\n"
    if upgrade:
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    started = time.perf_counter()
    tls.sendall((head + "\r\n").encode())
    data = b""
    while b"\r\n\r\n" not in data:
        more = tls.recv(65536)
        if not more:
            return None, 0.0
        data += more
    lines, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in lines.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += tls.recv(65536)
    took = time.perf_counter() - started
    return b"\r\n".join(line for line in lines.split(b"\r\n") if not line.startswith(b"Date:")) + b"\r\n\r\n" + body, took


def told_apart(one, other):
    """The z value of the two-sample rank test of Mann and Whitney; beyond 3.3 chance is one in a thousand."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, 1) if which == 0)
    n, m = len(one), len(other)
    mean, spread = n * (n + m + 1) / 2, (n * m * (n + m + 1) / 12) ** 0.5
    return (ranks - mean) / spread


def probe(world, options):
    """Everybody without a slot sees one and the same site, whatever they try."""
    door = world.relay(0)
    key = door_secret(door)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    # The prober stands where the relay stands: the namespace's own path would only add noise to the times.
    with open(f"/run/netns/{world.ns(WORLD)}", encoding="ascii") as namespace:
        setns(namespace.fileno())

    def connect():
        return context.wrap_socket(socket.create_connection((RELAYS[0], 443), 30), server_hostname="h")

    today = int(time.time()) // 86400
    opened = door_path(key, today, os.urandom(12))
    tls = connect()
    answer, _ = ask(tls, opened, True)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise SystemExit("failed: the door does not know its own path, so this suite proves nothing")
    tls.close()

    def wrong(number):
        kinds = [
            door_path(os.urandom(32), today, os.urandom(12)),
            door_path(key, today - 2, os.urandom(12)),
            opened,
            "/" + base64.urlsafe_b64encode(os.urandom(36)).decode(),
            "/" + os.urandom(24).hex(),
        ]
        return kinds[number % len(kinds)]

    bare, _ = ask(connect(), "/nothing-here", False)
    times = {"bare": [], "probe": []}
    tls = connect()
    for number in range(options.probes):
        # One after the other on one connection, so that both meet the same weather; which comes first is chance, as the second one finds
        # everything warm.
        path = wrong(number)
        # A page with a name as long, asked for in the same way: a longer request takes longer to read at any site.
        page = "/" + base64.urlsafe_b64encode(os.urandom(36)).decode()[:len(path) - 5] + ".css"
        pair = [("bare", page, number % 2 == 0), ("probe", path, number % 2 == 0)]
        random.shuffle(pair)
        for kind, path, upgrade in pair:
            answer, took = ask(tls, path, upgrade)
            if answer != bare:
                raise SystemExit(f"failed: probe {number} ({kind}) got another answer:\n{answer}\ninstead of\n{bare}")
            times[kind].append(took)
    z = told_apart(times["bare"], times["probe"])
    each = {kind: round(told_apart(times["bare"][kind::5], times["probe"][kind::5]), 1) for kind in range(5)}
    ends = {}
    hello = bytes.fromhex("16030100c8010000c40303") + os.urandom(40)
    for name, said in {"0 bytes": b"", "half a hello": hello, "1 byte": b"\x16", "50 bytes": os.urandom(50), "600 bytes": b"\x00" + os.urandom(599),
                       "5000 bytes": b"\xff" + os.urandom(4999), "http": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "multistream": b"\x13/multistream/1.0.0\n"}.items():
        with socket.create_connection((RELAYS[0], 443), 60) as tcp:
            tcp.settimeout(60)
            started, got = time.monotonic(), b""
            try:
                tcp.sendall(said)
                while more := tcp.recv(4096):
                    got += more
                end = "FIN"
            except ConnectionResetError:
                end = "RST"
            ends[name] = [got.hex(), end, round(time.monotonic() - started)]
    print(json.dumps({"check": "probe", "probes": 2 * options.probes, "z_of_times": round(z, 2), "z_of_each_kind": each, "not_tls": ends}))
    if abs(z) > 3.3:
        raise SystemExit("failed: the times of answers tell probes from visits")
    if any(got and not got.startswith("1503") for got, _, _ in ends.values()):
        raise SystemExit("failed: something that is no TLS alert answers those who do not speak TLS")


def setns(descriptor):
    """Moves this process into a network namespace; Python has a call for it since 3.12 only."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder with karvon and karvon-node")
    parser.add_argument("--wire-check", help="the judge of captures")
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--patience", type=int, default=900, help="seconds that texts may take")
    parser.add_argument("--minutes", type=float, default=30, help="minutes of rest that are counted")
    parser.add_argument("--settle", type=float, default=180, help="seconds before that")
    parser.add_argument("--faketime", default=next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None),
                        help="the library that lets a program see another date")
    parser.add_argument("--keep", help="folder for captures")
    parser.add_argument("check", choices=["wire", "harsh", "allow-list", "probe", "idle", "netcheck"])
    options = parser.parse_args()
    options.programs = os.path.abspath(options.programs)
    world = World(options.programs)
    try:
        checks = {"wire": wire, "harsh": harsh, "allow-list": allow_list, "probe": probe, "idle": idle, "netcheck": netcheck}
        checks[options.check](world, options)
    except BaseException:
        if options.keep:
            shutil.copytree(world.dir, f"{options.keep}/failed", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("store", "run"))
        raise
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
