#!/usr/bin/env python3
"""Says what the hellos of whoever connects are made of, one JSON line each: how the tables of node/src/net/web/hello/profile.rs are made and checked.

    read_hello.py PORT [SECONDS]        listens on 127.0.0.1; every connection is cut after its hello

See README.md beside this file.
"""
import hashlib
import json
import socket
import struct
import sys
import time


def grease(value):
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def numbers(data):
    return [value for (value,) in struct.iter_unpack(">H", data[:len(data) // 2 * 2])]


def shown(values):
    return ["GREASE" if grease(value) else f"{value:04x}" for value in values]


def short(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read(record):
    """Takes one record with a whole ClientHello apart."""
    body = record[9:]
    at = 34 + 1 + body[34]
    size = int.from_bytes(body[at:at + 2], "big")
    ciphers = numbers(body[at + 2:at + 2 + size])
    at += 2 + size
    at += 1 + body[at] + 2
    extensions = []
    while at + 4 <= len(body):
        kind, size = struct.unpack(">HH", body[at:at + 4])
        extensions.append((kind, body[at + 4:at + 4 + size]))
        at += 4 + size
    by = dict(extensions)
    schemes = numbers(by.get(13, b"")[2:])
    real = sorted(f"{value:04x}" for value in ciphers if not grease(value))
    kinds = [kind for kind, _ in extensions if not grease(kind)]
    tail = ",".join(sorted(f"{kind:04x}" for kind in kinds if kind not in (0, 16)))
    tail += "_" + ",".join(f"{value:04x}" for value in schemes if not grease(value))
    version = "13" if 0x0304 in numbers(by.get(43, b"")[1:]) else "12"
    alpn = by.get(16, b"")[3:3 + by.get(16, b"\0\0\0")[2]].decode("latin-1")
    mark = alpn[0] + alpn[-1] if alpn else "00"
    shares, data = [], by.get(51, b"")[2:]
    while len(data) >= 4:
        group, size = struct.unpack(">HH", data[:4])
        shares.append(f"{shown([group])[0]}:{size}")
        data = data[4 + size:]
    rest = {str(kind): value.hex() for kind, value in extensions
            if kind not in (0, 10, 13, 43, 51, 65037) and value and not grease(kind)}
    ech = by.get(65037)
    return {
        "ja4": f"t{version}{'d' if 0 in by else 'i'}{len(real):02}{len(kinds):02}{mark}_{short(','.join(real))}_{short(tail)}",
        "bytes": len(record), "ciphers": shown(ciphers),
        "extensions": ["GREASE" if grease(kind) else kind for kind, _ in extensions],
        "versions": shown(numbers(by.get(43, b"")[1:])), "groups": shown(numbers(by.get(10, b"")[2:])), "schemes": shown(schemes), "shares": shares,
        "ech": {"kdf_aead": ech[1:5].hex(), "payload": len(ech) - 42} if ech else None, "rest": rest,
    }


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    end = time.monotonic() + (float(sys.argv[2]) if len(sys.argv) > 2 else 600)
    while (left := end - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(3)
            record = b""
            try:
                while len(record) < 5 or len(record) < 5 + int.from_bytes(record[3:5], "big"):
                    part = connection.recv(4096)
                    if not part:
                        break
                    record += part
                if record[:2] == b"\x16\x03":
                    print(json.dumps(read(record)), flush=True)
            except (OSError, IndexError, struct.error) as error:
                print(json.dumps({"unread": str(error), "bytes": len(record)}), flush=True)


if __name__ == "__main__":
    main()
