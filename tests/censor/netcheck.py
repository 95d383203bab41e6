"""What `karvon netcheck` says under each of many censors, and what it costs."""
import json
import os
import subprocess
import sys
import time

from lab import Person, wait
from world import CENSOR, PEOPLE, RELAYS, RULES, WORLD

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
        return world.traffic(PEOPLE, "a0")

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
        wire(profile, before)
        world.filter([])
        return found

    def wire(profile, before):
        """What all of it has cost: without a node in the background a check does nothing else."""
        spent = traffic() - before
        print(json.dumps({"profile": profile, "ip_bytes": spent}), flush=True)
        if spent > 20_000:
            raise SystemExit(f"failed: {profile}: {spent} bytes over the wire")

    fresh("no censor", "works", True)
    before = traffic()
    judged("no censor, the node's second start", ask("P0"), "works", True)
    wire("second start", before)
    # One door by itself, named by the beginning of its address.
    before = traffic()
    tested = subprocess.run(["ip", "netns", "exec", world.ns(PEOPLE), f"{world.programs}/karvon", "--data-dir", f"{world.dir}/P0", "door", "test",
                             far, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=world.environment(), timeout=60, check=False)
    found = json.loads(tested.stdout)
    wire("door test", before)
    if tested.returncode != 0 or found["outcome"] != "open" or not found["addr"].startswith(far):
        raise SystemExit(f"failed: door test says {found}")
    RELAYS.append("10.78.2.14")
    world.within(WORLD, "ip", "addr", "add", f"{RELAYS[3]}/24", "dev", "b0")
    fresh("no censor, three doors", "works", True, doors=[*web, world.relay(3, peers=web[:1])])
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
