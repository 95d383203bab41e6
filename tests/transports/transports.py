#!/usr/bin/env python3
"""Doors behind the real obfs4proxy, on loopback: two people talk through it, and what breaks is told and mends itself. The real
snowflake-client is started as well, with nobody to reach.

    transports.py --programs DIR [--obfs4proxy FILE] [--snowflake FILE] [--texts N]

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
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "censor"))
from lab import Lab, Person, demand, exchange, wait  # noqa: E402

CODE_SERVER = "transport_server"


def free_port():
    """A port that is free now; obfs4proxy wants to be told one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World(Lab):
    """A relay of one kind, obfs4proxy in front of it, and people."""

    def __init__(self, options, kind):
        super().__init__(options.programs, "p")
        self.options, self.kind = options, kind
        for name in ("pt", "relay"):
            os.makedirs(f"{self.dir}/{name}", mode=0o700)
        self.dead, self.port, self.behind = free_port(), free_port(), free_port()
        if kind == "web":
            words = ["--listen-web", f"127.0.0.1:{self.behind}", "--web-announce", f"127.0.0.1:{self.dead}"]
        else:
            with open(f"{self.dir}/relay/config.toml", "w", encoding="utf-8") as file:
                file.write(f'[relay]\nannounce = "127.0.0.1:{self.dead}"\n')
            words = ["--listen", f"127.0.0.1:{self.behind}"]
        self.door = self.run_relay(None, "relay", words)[1]
        self.server, self.bridge = None, None
        self.open_server()

    def open_server(self):
        """Starts the transport's server as its operator would, and learns the line that goes to people. Its keys outlive it."""
        env = {"PATH": os.environ["PATH"], "TOR_PT_MANAGED_TRANSPORT_VER": "1", "TOR_PT_STATE_LOCATION": f"{self.dir}/pt",
               "TOR_PT_SERVER_TRANSPORTS": "obfs4", "TOR_PT_SERVER_BINDADDR": f"obfs4-127.0.0.1:{self.port}",
               "TOR_PT_ORPORT": f"127.0.0.1:{self.behind}", "TOR_PT_EXIT_ON_STDIN_CLOSE": "1"}
        self.server = self.start(None, [self.options.obfs4proxy], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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


class Behind(Person):
    """A person whose door is behind obfs4."""

    stderr = subprocess.DEVNULL

    def __init__(self, world, name):
        super().__init__(world, None, name, f"{world.door}\npt=Bridge {world.bridge}\n")

    def begin(self, doors):
        self.say("init", "--name", self.name, "--no-lock", "--door-file", "-", text=doors)
        self.say("config", "set", "transports.obfs4", self.lab.options.obfs4proxy)

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


def talk(world, options):
    """Two people who have nothing but the door behind obfs4 meet and talk."""
    started = time.monotonic()
    ali, bob = Behind(world, "Ali"), Behind(world, "Bob")
    # Only a relay with a mailbox can be named in an invitation.
    wait("Bob's mailbox is reached", 60, bob.online)
    ali.meet(bob)
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
    took = exchange((ali, bob), ("Bob", ali_name), options.texts, 180, "calm ", 400)
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
    took = exchange((ali, bob), ("Bob", ali_name), options.texts, 180, "killed ", 400)
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


class Snow(Person):
    """A person whose door is said to be behind Snowflake."""

    stderr = subprocess.DEVNULL

    def begin(self, doors):
        self.say("init", "--name", self.name, "--no-lock", "--door-file", "-", text=doors)
        self.say("config", "set", "transports.snowflake", self.lab.options.snowflake)


def nobody_at_the_broker(options):
    """The real snowflake-client, whose broker is a closed port of this machine: it is started, and that nothing answers is told."""
    lab = Lab(options.programs, "s")
    lab.options = options
    try:
        door = lab.run_relay(None, "relay", ["--listen-web", f"127.0.0.1:{free_port()}"])[1]
        line = f"pt=snowflake 192.0.2.3:80 url=https://127.0.0.1:{free_port()}/ ice=stun:127.0.0.1:{free_port()}"
        ali = Snow(lab, None, "Ali", f"{door}\n{line}\n")
        fault = wait("the fault is told", 90, lambda: ali.lines("door", "list")[0].get("fault"))
        demand(fault["code"] == "transport_unanswered", f"it is told that nothing answers: {fault}")
        checked = ali.command("netcheck", "--json")
        found = json.loads(checked.stdout)
        demand(checked.returncode == 4 and found["verdict"] == "transport", f"the check does not speak of a censor: {found}")
        print(json.dumps({"check": "snowflake without a broker", "code": fault["code"], "verdict": found["verdict"]}))
    finally:
        lab.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, type=os.path.abspath)
    parser.add_argument("--obfs4proxy", default=shutil.which("obfs4proxy"))
    parser.add_argument("--snowflake", default=shutil.which("snowflake-client"))
    parser.add_argument("--texts", type=int, default=10)
    options = parser.parse_args()
    demand(options.obfs4proxy, "obfs4proxy is installed")
    demand(options.snowflake, "snowflake-client is installed")
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
    nobody_at_the_broker(options)


main()
