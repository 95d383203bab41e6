#!/usr/bin/env python3
"""A web door behind real web servers: the recipes of docs/web-doors.md, word for word but for names and places.

    site.py --programs DIR [--wire-check FILE] [--texts N] [nginx|caddy]...

Two people whose only door stands behind the site meet and talk, through a filter that freezes connections after 16 KB. Then whoever has
no door asks for whatever comes to mind: each gets the site's own 404, byte for byte, also while the relay is switched off.

Needs root, iproute2, nftables, tcpdump, openssl, nginx and caddy. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import os
import socket
import ssl
import subprocess
import sys
import time

from lab import Person, demand, exchange, report, wait
from probe import ask, door_path, door_secret, setns, told_apart
from world import PEOPLE, RELAYS, RULES, WORLD, World

NAME = "example.org"
RECIPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "web-doors.md")


def recipe(first):
    """The block of the documentation that begins with this line."""
    with open(RECIPES, encoding="utf-8") as file:
        lines = file.read().splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip() == first and line.startswith("    "))
    block = []
    for line in lines[start:]:
        if not line.startswith("    "):
            break
        block.append(line[4:])
    return "\n".join(block) + "\n"


def certificate(folder):
    """An authority of this test's own, and a certificate by it as a public one would give it."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Authority of a test", "-days", "3",
            "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", *key, "-keyout", "site.key", "-out", "site.csr", "-subj", f"/CN={NAME}")
    with open(f"{folder}/san", "w", encoding="ascii") as file:
        file.write(f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "site.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san",
            "-out", "site.pem")


class Site:
    """A web server with a few pages, and the relay behind it."""

    def __init__(self, world, kind):
        self.world, self.kind, self.dir = world, kind, f"{world.dir}/{kind}"
        os.makedirs(f"{self.dir}/pages")
        # The server drops its rights and must still read them.
        for folder in (world.dir, self.dir, f"{self.dir}/pages"):
            os.chmod(folder, 0o755)
        for name, text in (("index.html", "<h1>Cherries</h1>\n"), ("404.html", "<h1>No such page</h1>\n"), ("a.css", "h1{color:red}\n")):
            with open(f"{self.dir}/pages/{name}", "w", encoding="ascii") as file:
                file.write(text)
        certificate(self.dir)
        self.relay, self.door = None, None
        self.open_relay()
        self.serve()

    def open_relay(self):
        words = ["--listen-web", "127.0.0.1:8443", "--web-behind", "--web-announce", f"{RELAYS[0]}:443", "--web-name", NAME,
                 "--mesh-listen", f"{RELAYS[0]}:7444"]
        self.relay, self.door = self.world.run_relay(WORLD, f"relay-{self.kind}", words)

    def close_relay(self):
        self.relay.terminate()
        self.relay.wait(20)

    def local(self, text):
        live = f"/etc/letsencrypt/live/{NAME}"
        for there, here in ((f"{live}/fullchain.pem", f"{self.dir}/site.pem"), (f"{live}/privkey.pem", f"{self.dir}/site.key"),
                            ("/var/www/example", f"{self.dir}/pages"), ("203.0.113.9", RELAYS[0])):
            demand(there in text, f"the recipe names {there}")
            text = text.replace(there, here)
        return text

    def serve(self):
        path = f"{self.dir}/server.conf"
        if self.kind == "nginx":
            text = self.local(recipe("map $http_upgrade $door_connection { default close; websocket upgrade; }"))
            # A second server with the same pages and nothing behind it: what such a site says by itself.
            bare = text[text.index("server {"):].replace(":443 ssl", ":444 ssl").replace(" @rest;", " =404;")
            bare = bare[:bare.index("    location @rest")] + "    error_page 404 /404.html;\n}\n"
            text = f"pid {self.dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\ninclude /etc/nginx/mime.types;\n{text}{bare}}}\n"
            words = ["nginx", "-c", path, "-g", "daemon off;"]
        else:
            text = self.local(recipe("{")).replace("{\n", "{\n    admin off\n", 1)
            words = ["caddy", "run", "--config", path, "--adapter", "caddyfile"]
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        with open(f"{self.dir}/server.log", "wb") as log:
            self.server = self.world.start(WORLD, words, stdout=log, stderr=log)
        wait(f"{self.kind} serves", 20, self.serves)

    def serves(self):
        demand(self.server.poll() is None, f"{self.kind} runs:\n" + open(f"{self.dir}/server.log", encoding="utf-8").read())
        probe = f"import socket; socket.create_connection(('{RELAYS[0]}', 443), 1)"
        done = self.world.within(WORLD, sys.executable, "-c", probe, check=False, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def close(self):
        for child in (self.server, self.relay):
            if child.poll() is None:
                child.terminate()
                child.wait(20)


class Visitor(Person):
    """A person who believes the test's authority."""

    def __init__(self, site, place, name):
        self.site = site
        super().__init__(site.world, place, f"{name}-{site.kind}", [site.door])

    def begin(self, doors):
        super().begin(doors)
        self.say("config", "set", "network.roots", f"{self.site.dir}/ca.pem", stderr=subprocess.DEVNULL)


def talk(world, site, options):
    """Texts through the site while connections freeze after 16 KB."""
    world.filter([RULES["plaintext"], RULES["quic"], RULES["freeze"]])
    path = f"{world.dir}/{site.kind}.pcap"
    capture = world.capture(path)
    started = time.monotonic()
    ali, bob = Visitor(site, PEOPLE, "Ali"), Visitor(site, WORLD, "Bob")
    wait("both are online", 60, lambda: ali.online() and bob.online())
    ali.meet(bob)
    ali.say("send", bob.name, "-", "--wait", "delivered", "--timeout", "90s", text="first")
    name = wait("Bob hears of Ali", 60, lambda: bob.lines("contacts", "list"))[0]["name"]
    met = round(time.monotonic() - started, 1)
    took = exchange((ali, bob), (bob.name, name), options.texts, 300)
    for person in (ali, bob):
        person.down()
    capture.terminate()
    capture.wait(20)
    frozen = world.counters()[2]
    demand(frozen == 0, f"no connection through the site comes near 16 KB ({frozen} packets were dropped)")
    verdict = None
    if options.wire_check:
        words = [options.wire_check, path, "--port", "443", "--deny-unknown", "--require-alpn", "--max-s2c", "15000", "--max-tiny", "10",
                 "--expect-flows", "2", "--json"]
        verdict = subprocess.run(words, stdout=subprocess.PIPE, check=False)
        demand(verdict.returncode == 0, f"nothing shows on the wire: {verdict.stdout.decode()[:2000]}")
    report(check="site", server=site.kind, met_after_s=met, texts_each_way=options.texts, seconds=took, wire="judged" if verdict else "not judged")


def strangers(world, site, options):
    """What those without a door see. Runs where the site runs, in a process of its own."""
    key, today = door_secret(site.door), int(time.time()) // 86400
    context = ssl.create_default_context(cafile=f"{site.dir}/ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])

    def connect(port=443):
        return context.wrap_socket(socket.create_connection((RELAYS[0], port), 30), server_hostname=NAME)

    used = door_path(key, today, os.urandom(12))
    answer, _ = ask(connect(), used, True, NAME)
    demand(answer and answer.startswith(b"HTTP/1.1 101 "), "the door knows its own path through the site")
    kinds = {
        "no such page": lambda: ("/nothing-here", False),
        "no such page, upgrade": lambda: ("/nothing-here", True),
        "wrong secret": lambda: (door_path(os.urandom(32), today, os.urandom(12)), True),
        "two days old": lambda: (door_path(key, today - 2, os.urandom(12)), True),
        "used": lambda: (used, True),
        "right, no upgrade": lambda: (door_path(key, today, os.urandom(12)), False),
    }

    def each():
        return {name: ask(connect(), *make(), NAME)[0] for name, make in kinds.items()}

    first = each()
    bare = first["no such page"]
    demand(bare.startswith(b"HTTP/1.1 404 ") and b"No such page" in bare, f"an unknown page is missing: {bare}")
    for name, answer in first.items():
        demand(answer == bare, f"{name} gets another answer:\n{answer}\ninstead of\n{bare}")
    if site.kind == "nginx":
        alone = ask(connect(444), "/nothing-here", False, NAME)[0]
        demand(alone == bare, f"a site without a door says\n{alone}\ninstead of\n{bare}")
    page, _ = ask(connect(), "/", False, NAME)
    demand(page.startswith(b"HTTP/1.1 200 ") and b"Cherries" in page, "the site's pages are shown")
    times = {"page": [], "path": []}
    tls = connect()
    for number in range(options.probes):
        pair = [("page", f"/{os.urandom(18).hex()}{os.urandom(6).hex()}", number % 2 == 0),
                ("path", door_path(os.urandom(32), today, os.urandom(12)), number % 2 == 0)]
        for kind, path, upgrade in pair if number % 4 < 2 else pair[::-1]:
            answer, took = ask(tls, path, upgrade, NAME)
            if answer is None:
                # A server may end a connection after some requests; so does the bare one.
                tls = connect()
                answer, took = ask(tls, path, upgrade, NAME)
            demand(answer == bare, f"probe {number} ({kind}) gets another answer: {answer}")
            times[kind].append(took)
    z = round(told_apart(times["page"], times["path"]), 2)
    site.close_relay()
    for name, answer in each().items():
        demand(answer == bare, f"without the relay {name} gets another answer:\n{answer}")
    report(check="strangers", server=site.kind, probes=2 * options.probes, z_of_times=z)
    demand(abs(z) <= 3.3, "the times of answers tell paths of doors from unknown pages")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--wire-check", help="the judge of captures")
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("servers", nargs="*", default=["nginx", "caddy"])
    options = parser.parse_args()
    world = World(options.programs)
    try:
        for kind in options.servers:
            world.filter([])
            site = Site(world, kind)
            talk(world, site, options)
            with open(f"/run/netns/{world.ns(WORLD)}", encoding="ascii") as inside, open("/proc/self/ns/net", encoding="ascii") as outside:
                setns(inside.fileno())
                strangers(world, site, options)
                setns(outside.fileno())
            site.close()
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
