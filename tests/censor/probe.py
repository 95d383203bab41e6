"""What somebody without a slot sees of a web door, whatever they try."""
import base64
import ctypes
import hashlib
import hmac
import json
import os
import random
import socket
import ssl
import time

from world import RELAYS, WORLD


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


def ask(tls, path, upgrade, host="h"):
    """One request on an open connection: the answer without its date, and how long it took."""
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
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
