#!/usr/bin/env python3
"""Real programs behind a real packet filter: three network namespaces, nftables as the censor, tcpdump as the witness.

    censor.py --programs DIR wire [--wire-check FILE]    captures of web doors and of plain ones, judged by wire_check;
                                                         --hello says whose hello the build's web doors must see
    censor.py --programs DIR harsh [--texts N]           texts both ways while five rules apply at once
    censor.py --programs DIR allow-list                  nothing but one relay passes, then one proxy, then nothing at all for a while
    censor.py --programs DIR freeze [--doors N] [--policed]   200 KB through connections that freeze after 16 KB
    censor.py --programs DIR probe [--probes N]          what a prober without a slot sees of a web door
    censor.py --programs DIR idle [--minutes N]          what a person at rest costs, and how soon a text comes then
    censor.py --programs DIR netcheck                    what `karvon netcheck` says under each of many censors

Needs root, iproute2, nftables and tcpdump. Exit status 0: every check held. Figures are printed as one JSON object a
line; a time over its bar is marked there, and fails the check with --bars.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import time

from freeze import freeze
from lab import demand, wait, within_bar
from netcheck import SOCKS, netcheck
from probe import probe
from world import CENSOR, PEOPLE, RELAYS, RULES, WORLD, World, friends, talk

# What others use: the judge has to tell each.
STOCK = ("tcp", "quic", "websocket", "pnet")
# JA4 of what a build says to web doors: by default, and with the feature `browser-hello`. packaging/boringssl/README.md has the browsers'.
HELLOS = {
    "rustls": ["t13d1010h2_61a7ad8aa9b6_6a7d638fc319"],
    "browser": ["t13d1517h2_8daaf6152771_cb7bf5808d99", "t13d1617h2_86a278354501_3cbfd9057e0d"],
}


def judge(options, path, name, **more):
    """What wire_check says of a capture: 0 nothing found, 1 something."""
    words = [options.wire_check, path, "--port", "443", "--deny-unknown", "--require-alpn", "--max-s2c", "15000",
             "--max-tiny", "10", "--expect-flows", "1" if name in STOCK else "2", "--json"]
    for ja4 in HELLOS[options.hello]:
        words += ["--allow-ja4", ja4]
    if shutil.which("ndpiReader"):
        words += ["--ndpi", "require", "--expect-ndpi", "tls"]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    report = json.loads(done.stdout.decode().splitlines()[0])
    print(json.dumps({"check": "wire", "door": name, "exit": done.returncode, **more,
                      "flows": report.get("flows") if isinstance(report.get("flows"), int) else len(report.get("flows", [])),
                      "findings": report.get("findings", report)[:6] if isinstance(report.get("findings", None), list) else None}), flush=True)
    return done.returncode


def wire(world, options):
    """The web door passes what plain doors and the stock transports of libp2p fail."""
    results = {}
    for flag, name in (("--listen-web", "web"), ("--listen", "plain")):
        path = f"{world.dir}/{name}.pcap"
        doors = world.relays(flag)
        capture = world.capture(path)
        world.friends = friends(world, doors)
        took = talk(world, options.texts, 240)
        time.sleep(1)
        capture.terminate()
        capture.wait(20)
        results[name] = judge(options, path, name, texts=options.texts, seconds=took)
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
    for name in STOCK if options.stock else ():
        path = f"{world.dir}/{name}.pcap"
        capture = world.capture(path)
        listener = world.start(WORLD, [options.stock, "listen", name, f"{RELAYS[0]}:443"], stdout=subprocess.PIPE)
        listener.stdout.readline()
        world.within(PEOPLE, options.stock, "dial", name, f"{RELAYS[0]}:443", timeout=60, stdout=subprocess.DEVNULL)
        time.sleep(1)
        for child in (capture, listener):
            child.terminate()
            child.wait(20)
        results[name] = judge(options, path, name)
    if results["web"] != 0:
        raise SystemExit("failed: something shows on the wire of a web door")
    for name, code in results.items():
        if name != "web" and code != 1:
            raise SystemExit(f"failed: the judge passes {name} ({code}), so its word on the web door is worth nothing")


def after_a_cut(world, options):
    """Every connection that is open falls silent at once, while there is a dial to spare: seconds until a text is through."""
    ali, bob, ali_name = world.friends
    # Both sides of the count forget within a minute, if nothing is dialled meanwhile.
    time.sleep(130)
    ports = {line.split()[2].rpartition(":")[2] for line in world.within(
        PEOPLE, "ss", "-Htn", "state", "established", "dport", "=", ":443", stdout=subprocess.PIPE).stdout.decode().splitlines()}
    demand(ports, "Ali has open connections")
    for way in ("sport", "dport"):
        world.within(CENSOR, "nft", f"insert rule inet censor forw tcp {way} {{ {', '.join(sorted(ports))} }} drop")
    started = time.monotonic()
    ali.say("send", "Bob", "-", "--wait", "delivered", "--timeout", "120s", text="after a cut")
    took = round(time.monotonic() - started, 1)
    demand("after a cut" in bob.texts_of(ali_name), "the text is through")
    return took, within_bar(options, took, 10)


def harsh(world, options):
    """T1, T2 (by construction), T3, T5 and T6 at once."""
    doors = world.relays()
    world.filter([RULES["plaintext"], RULES["quic"], RULES["freeze"], RULES["handshakes"]])
    started = time.monotonic()
    world.friends = friends(world, doors)
    met = round(time.monotonic() - started, 1)
    took = talk(world, options.texts, options.patience)
    status = world.friends[0].lines("status")[0]
    dropped, (again, soon) = world.counters(), after_a_cut(world, options)
    print(json.dumps({"check": "harsh", "texts_each_way": options.texts, "met_after_s": met, "seconds": took, "after_a_cut_s": again, "within_bar": soon,
                      "dropped_packets": dropped, "bytes_in": status["bytes_in"], "bytes_out": status["bytes_out"]}))
    for person in world.friends[:2]:
        person.down()


def allow_list(world, options):
    """Everything but one relay is cut off, then everything but a proxy; then all, and a text that was written meanwhile arrives afterwards."""
    doors = world.relays()
    world.friends = friends(world, doors)
    ali, bob, ali_name = world.friends
    world.filter([f"ip daddr {RELAYS[1]} counter accept", f"ip saddr {RELAYS[1]} counter accept"], policy="drop")
    took = talk(world, options.texts, options.patience)
    soon = within_bar(options, took, 60)
    # The same with a proxy, as somebody has one abroad.
    socks = world.start(WORLD, [sys.executable, "-c", SOCKS], stdout=subprocess.PIPE)
    socks.stdout.readline()
    world.filter(["ip daddr 10.78.2.2 counter accept", "ip saddr 10.78.2.2 counter accept"], policy="drop")
    ali.down()
    ali.say("config", "set", "network.proxy", "socks5://10.78.2.2:1080")
    ali.up()
    by_proxy = talk(world, options.texts, options.patience, "proxy ")
    ali.down()
    ali.say("config", "set", "network.proxy", "none")
    ali.up()
    world.filter([], policy="drop")
    ali.batch("Bob", ["written in the dark"])
    time.sleep(20)
    if "written in the dark" in bob.texts_of(ali_name):
        raise SystemExit("failed: the filter let something through")
    world.filter([])
    started = time.monotonic()
    wait("what was written in the dark arrives", 120, lambda: "written in the dark" in bob.texts_of(ali_name))
    print(json.dumps({"check": "allow-list", "texts_each_way": options.texts, "seconds": took, "within_bar": soon, "by_proxy_s": by_proxy,
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
    soon = within_bar(options, took, 2)
    print(json.dumps({"check": "idle", "minutes": options.minutes, "sent_bytes": sent, "received_bytes": received, "packets": packets,
                      "bytes_a_minute": round((sent + received) / options.minutes, 1), "then_delivered_s": round(took, 2), "within_bar": soon, "plan": used["plan"]}))
    demand((sent + received) / options.minutes <= 300, "a person at rest costs at most 300 bytes a minute")
    for person in world.friends[:2]:
        person.down()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder with karvon and karvon-node")
    parser.add_argument("--wire-check", help="the judge of captures")
    parser.add_argument("--hello", choices=sorted(HELLOS), default="rustls", help="whose hello `wire` expects")
    parser.add_argument("--stock", help="the example of that name of karvon-tests: two stock nodes, as controls of `wire`")
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--probes", type=int, default=500)
    parser.add_argument("--patience", type=int, default=900, help="seconds that texts may take")
    parser.add_argument("--minutes", type=float, default=30, help="minutes of rest that are counted")
    parser.add_argument("--settle", type=float, default=180, help="seconds before that")
    parser.add_argument("--faketime", default=next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None),
                        help="the library that lets a program see another date")
    parser.add_argument("--keep", help="folder for captures")
    parser.add_argument("--doors", type=int, default=1, choices=[1, 2, 3], help="doors of the person behind the freeze")
    parser.add_argument("--policed", action="store_true", help="connections are counted as well: three a minute")
    parser.add_argument("--bars", action="store_true", help="a time over its bar is a failure; for a quiet machine")
    parser.add_argument("check", choices=["wire", "harsh", "allow-list", "freeze", "probe", "idle", "netcheck"])
    options = parser.parse_args()
    options.missed = 0
    options.programs = os.path.abspath(options.programs)
    options.stock = options.stock and os.path.abspath(options.stock)
    world = World(options.programs)
    try:
        checks = {"wire": wire, "harsh": harsh, "allow-list": allow_list, "freeze": freeze, "probe": probe, "idle": idle, "netcheck": netcheck}
        checks[options.check](world, options)
        demand(not (options.bars and options.missed), "a time is over its bar")
    except BaseException:
        if options.keep:
            shutil.copytree(world.dir, f"{options.keep}/failed", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("store", "run"))
        raise
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
