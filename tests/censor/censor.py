#!/usr/bin/env python3
"""Real programs behind a real packet filter: three network namespaces, nftables as the censor, tcpdump as the witness.

    censor.py --programs DIR wire [--wire-check FILE]    captures of web doors and of plain ones, judged by wire_check
    censor.py --programs DIR harsh [--texts N]           texts both ways while five rules apply at once
    censor.py --programs DIR allow-list                  nothing but one door passes, then nothing at all for a while

Needs root, iproute2, nftables and tcpdump. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import json
import os
import shutil
import signal
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

    def counters(self):
        out = self.within(CENSOR, "nft", "-j", "list", "chain", "inet", "censor", "forw", stdout=subprocess.PIPE).stdout
        counts = []
        for entry in json.loads(out)["nftables"]:
            for part in entry.get("rule", {}).get("expr", []):
                if "counter" in part:
                    counts.append(part["counter"]["packets"])
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
        log = open(f"{world.dir}/{name}.log", "wb")
        self.say("up", stderr=log)

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
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "60s", text="first")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder with karvon and karvon-node")
    parser.add_argument("--wire-check", help="the judge of captures")
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--patience", type=int, default=900, help="seconds that texts may take")
    parser.add_argument("--keep", help="folder for captures")
    parser.add_argument("check", choices=["wire", "harsh", "allow-list"])
    options = parser.parse_args()
    options.programs = os.path.abspath(options.programs)
    world = World(options.programs)
    try:
        {"wire": wire, "harsh": harsh, "allow-list": allow_list}[options.check](world, options)
    except BaseException:
        if options.keep:
            shutil.copytree(world.dir, f"{options.keep}/failed", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("store", "run"))
        raise
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
