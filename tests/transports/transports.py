#!/usr/bin/env python3
"""Doors behind the real obfs4proxy, on loopback: two people talk through it, and what breaks is told and mends itself.

    transports.py --programs DIR [--obfs4proxy FILE] [--texts N]

The address in the people's door lines is one where nobody listens, as that of a relay which only its transport's server reaches: what
arrives came through obfs4. Exit status 0: every check held. Figures are printed as one JSON object a line.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

CODE_SERVER = "transport_server"


def free_port():
    """A port that is free now; obfs4proxy wants to be told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.3)
    raise SystemExit(f"failed: {what} within {seconds} s")


def demand(holds, what):
    if not holds:
        raise SystemExit(f"failed: {what}")


class World:
    """A relay of one kind, obfs4proxy in front of it, and people."""

    def __init__(self, options, kind):
        self.options, self.kind = options, kind
        self.dir = tempfile.mkdtemp(prefix="kvpt")
        self.children = []
        for name in ("run", "home", "pt", "relay"):
            os.makedirs(f"{self.dir}/{name}", mode=0o700)
        self.dead, self.port, behind = free_port(), free_port(), free_port()
        words = [f"{options.programs}/karvon-node", "relay", "run", "--data-dir", f"{self.dir}/relay", "--allow-private"]
        if kind == "web":
            words += ["--listen-web", f"127.0.0.1:{behind}", "--web-announce", f"127.0.0.1:{self.dead}"]
        else:
            with open(f"{self.dir}/relay/config.toml", "w", encoding="utf-8") as file:
                file.write(f'[relay]\nannounce = "127.0.0.1:{self.dead}"\n')
            words += ["--listen", f"127.0.0.1:{behind}"]
        relay = self.start(words, stdout=subprocess.PIPE, stderr=open(f"{self.dir}/relay.log", "wb"))
        line = relay.stdout.readline()
        demand(line, "the relay starts:\n" + open(f"{self.dir}/relay.log", encoding="utf-8").read())
        self.door = json.loads(line)["door"]
        self.behind = behind
        self.server, self.bridge = None, None
        self.open_server()

    def environment(self):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("XDG_") and (not name.startswith("KARVON_") or name == "KARVON_LOG")}
        return kept | {"HOME": f"{self.dir}/home", "XDG_RUNTIME_DIR": f"{self.dir}/run", "LC_ALL": "C.UTF-8"}

    def start(self, words, env=None, **options):
        child = subprocess.Popen(words, env=env or self.environment(), **options)
        self.children.append(child)
        return child

    def open_server(self):
        """Starts the transport's server as its operator would, and learns the line that goes to people. Its keys outlive it."""
        env = {"PATH": os.environ["PATH"], "TOR_PT_MANAGED_TRANSPORT_VER": "1", "TOR_PT_STATE_LOCATION": f"{self.dir}/pt",
               "TOR_PT_SERVER_TRANSPORTS": "obfs4", "TOR_PT_SERVER_BINDADDR": f"obfs4-127.0.0.1:{self.port}",
               "TOR_PT_ORPORT": f"127.0.0.1:{self.behind}", "TOR_PT_EXIT_ON_STDIN_CLOSE": "1"}
        self.server = self.start([self.options.obfs4proxy], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for line in self.server.stdout:
            words = line.decode().split()
            if words[:2] == ["SMETHOD", "obfs4"]:
                args = next(word for word in words if word.startswith("ARGS:"))[5:].split(",")
                bridge = " ".join(["obfs4", words[2], *args])
                demand(self.bridge in (None, bridge), "the server comes back as the one it was")
                self.bridge = bridge
            if words == ["SMETHODS", "DONE"]:
                break
        demand(self.bridge, "obfs4proxy serves")

    def close_server(self):
        self.server.stdin.close()
        self.server.wait(10)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Person:
    """A node with a door behind obfs4, asked by its command line."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.data = f"{world.dir}/{name}"
        lines = f"{world.door}\npt=Bridge {world.bridge}\n"
        self.say("init", "--name", name, "--no-lock", "--door-file", "-", text=lines)
        self.say("config", "set", "transports.obfs4", world.options.obfs4proxy)
        self.node = None
        self.up()

    def up(self):
        words = [f"{self.world.options.programs}/karvon", "--data-dir", self.data, "--json", "node"]
        self.node = self.world.start(words, stdout=subprocess.DEVNULL, stderr=open(f"{self.data}.log", "ab"))
        wait(f"{self.name}'s node serves", 30, self.serves)

    def serves(self):
        """Looks at the file that tells commands where the node is: a command that finds none would run a node of its own meanwhile."""
        try:
            with open(f"{self.data}/node.json", encoding="utf-8") as file:
                return json.load(file)["pid"] == self.node.pid
        except (OSError, ValueError):
            return False

    def say(self, *words, text=""):
        words = [f"{self.world.options.programs}/karvon", "--data-dir", self.data, *words]
        done = subprocess.run(words, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.world.environment(), timeout=300, check=False)
        return done.stdout.decode()

    def lines(self, *words, **options):
        return [json.loads(line) for line in self.say(*words, "--json", **options).splitlines() if line.strip()]

    def texts_of(self, name):
        return [line["text"] for line in self.lines("read", name) if not line["mine"]]

    def batch(self, name, texts):
        self.say("send", name, "--batch", "--wait", "queued", text="\n".join(texts) + "\n")

    def door(self):
        return self.lines("door", "list")[0]

    def program(self):
        """The process of this node's transport, if it runs."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    after = file.read().rpartition(")")[2].split()
                if int(after[1]) == self.node.pid and after[0] != "Z":
                    found.append(int(pid))
            except OSError:
                continue
        demand(len(found) <= 1, "a node has one program for a transport")
        return found[0] if found else None


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def exchange(ali, bob, ali_name, count, tag):
    """So many texts each way; each must be shown once and in order."""
    sent = {side: [f"{tag} {side} {number:03} " + "x" * 400 for number in range(count)] for side in "ab"}
    started = time.monotonic()
    ali.batch("Bob", sent["a"])
    bob.batch(ali_name, sent["b"])

    def arrived(person, other, side):
        shown = [text for text in person.texts_of(other) if text.startswith(f"{tag} {side} ")]
        demand(shown == sent[side][:len(shown)], f"{person.name} is shown each text once and in order")
        return len(shown) == count

    wait(f"{count} texts reach Bob ({tag})", 180, lambda: arrived(bob, ali_name, "a"))
    wait(f"{count} texts reach Ali ({tag})", 180, lambda: arrived(ali, "Bob", "b"))
    return round(time.monotonic() - started, 1)


def talk(world, options):
    """Two people who have nothing but the door behind obfs4 meet and talk."""
    started = time.monotonic()
    ali, bob = Person(world, "Ali"), Person(world, "Bob")
    # Only a relay with a mailbox can be named in an invitation.
    wait("Bob's mailbox is reached", 60, lambda: bob.lines("status")[0]["state"] == "online")
    ali.say("add", "--stdin", "--name", "Bob", text=bob.say("invite", "--text"))
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "90s", text="first")
    people = wait("Bob hears of Ali", 60, lambda: bob.lines("contacts", "list"))
    ali_name = people[0]["name"]
    wait("the first text arrives", 60, lambda: "first" in bob.texts_of(ali_name))
    met = round(time.monotonic() - started, 1)
    for person in (ali, bob):
        door = person.door()
        demand(door["connected"] and door["transport"] == "obfs4" and "fault" not in door, f"{person.name}'s door is told: {door}")
        demand(door["addr"] == f"127.0.0.1:{world.port}", "the address shown is that of the transport's server")
        demand(person.program(), f"{person.name}'s program runs")
    took = exchange(ali, bob, ali_name, options.texts, "calm")
    print(json.dumps({"check": "talk", "door": world.kind, "met_after_s": met, "texts_each_way": options.texts, "seconds": took}))
    return ali, bob, ali_name


def secrets_stay_sealed(world, ali):
    """The line's secret is in no file and no list of commands; what is kept is nobody else's to read."""
    secret = next(word for word in world.bridge.split() if word.startswith("cert="))[5:].encode()
    for folder, _, names in os.walk(ali.data):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    demand(secret not in file.read(), f"{name} holds the door's secret in the clear")
    for pid in (ali.node.pid, ali.program()):
        for what in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{what}", "rb") as file:
                demand(secret not in file.read(), f"{what} holds the door's secret")
    with open(f"{ali.data}.log", "rb") as file:
        log = file.read()
    demand(secret not in log and f"127.0.0.1:{world.port}".encode() not in log, "the log names the server or its secret")
    demand(os.stat(f"{ali.data}/transports/obfs4").st_mode & 0o777 == 0o700, "the program's folder is private")
    print(json.dumps({"check": "secrets"}))


def killed_program(ali, bob, ali_name, options):
    """A program that dies is started again, and talk goes on."""
    before = ali.program()
    os.kill(before, signal.SIGKILL)
    took = exchange(ali, bob, ali_name, options.texts, "killed")
    after = ali.program()
    demand(after and after != before, "another program runs")
    print(json.dumps({"check": "killed program", "texts_each_way": options.texts, "seconds": took}))


def dead_server(world, ali, bob, ali_name):
    """While the server is gone its fault is told and a text waits; once it is back, the text arrives."""
    world.close_server()
    ali.batch("Bob", ["written in the dark"])
    fault = wait("the fault is told", 120, lambda: ali.door().get("fault"))
    demand(fault["code"] == CODE_SERVER, f"the fault is the server's: {fault}")
    wait("status tells it too", 60, lambda: (ali.lines("status")[0].get("fault") or {}).get("code") == CODE_SERVER)
    demand("server can not be reached" in ali.say("door", "list"), "people are told in words")
    mine = [line for line in ali.lines("read", "Bob") if line["mine"]]
    demand(mine[-1]["text"] == "written in the dark" and mine[-1]["state"] == "queued", f"the text waits: {mine[-1]}")
    world.open_server()
    started = time.monotonic()
    wait("what was written in the dark arrives", 180, lambda: "written in the dark" in bob.texts_of(ali_name))
    print(json.dumps({"check": "dead server", "code": fault["code"], "after_it_is_back_s": round(time.monotonic() - started, 1)}))


def ends_with_the_node(ali, bob):
    """No program outlives its node, however that ends."""
    program = ali.program()
    ali.say("down")
    ali.node.wait(30)
    wait("the program ends with its node", 10, lambda: not alive(program))
    program = bob.program()
    bob.node.kill()
    bob.node.wait(30)
    wait("the program ends with a node that was killed", 10, lambda: not alive(program))
    print(json.dumps({"check": "end"}))


def missing_program(ali, options):
    """Without the program the door says so, and opens once there is one."""
    ali.say("config", "set", "transports.obfs4", "/nowhere/obfs4proxy")
    ali.up()
    fault = wait("the fault is told", 60, lambda: ali.door().get("fault"))
    demand(fault["code"] == "transport_missing" and "/nowhere/obfs4proxy" in fault["message"], f"what is missing is named: {fault}")
    ali.say("down")
    ali.node.wait(30)
    ali.say("config", "set", "transports.obfs4", options.obfs4proxy)
    ali.up()
    wait("the door opens", 60, lambda: ali.door()["connected"])
    print(json.dumps({"check": "missing program", "code": fault["code"]}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, type=os.path.abspath)
    parser.add_argument("--obfs4proxy", default=shutil.which("obfs4proxy"))
    parser.add_argument("--texts", type=int, default=10)
    options = parser.parse_args()
    demand(options.obfs4proxy, "obfs4proxy is installed")
    for kind in ("web", "plain"):
        world = World(options, kind)
        try:
            ali, bob, ali_name = talk(world, options)
            if kind == "web":
                secrets_stay_sealed(world, ali)
                killed_program(ali, bob, ali_name, options)
                dead_server(world, ali, bob, ali_name)
                ends_with_the_node(ali, bob)
                missing_program(ali, options)
        finally:
            world.close()


main()
