#!/usr/bin/env python3
"""Runs conversations of the Rust ratchet against the Python package `doubleratchet` (MIT), which shares no code with it.

    python3 ratchet_differential.py PATH-OF-ORACLE [CONVERSATIONS]

The package knows neither header encryption nor salts nor the post-quantum half: header keys are the third part of each root step, the
message cipher is taken from SPEC.md 6b, and the conversations leave no room for post-quantum pieces. For each cell of the initiator the
package's key must open it and its header must be the same; for each cell that came in, the package derives the key from the header alone.
At the end the package seals cells of its own, and the Rust side must open them. Needs `doubleratchet` and `cryptography`.
"""
import asyncio
import hashlib
import hmac
import os
import subprocess
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from doubleratchet.diffie_hellman_ratchet import DiffieHellmanRatchet
from doubleratchet.kdf import KDF
from doubleratchet.models import DiffieHellmanRatchetModel, KDFChainModel, SymmetricKeyRatchetModel
from doubleratchet.types import Header


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(salt, ikm, info, length):
    prk, out, block = mac(salt or bytes(32), ikm), b"", b""
    while len(out) < length:
        block = mac(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:length]


def hchacha20(key, nonce):
    def word(x):
        return int.from_bytes(x, "little")

    state = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]
    state += [word(key[at:at + 4]) for at in range(0, 32, 4)] + [word(nonce[at:at + 4]) for at in range(0, 16, 4)]

    def quarter(a, b, c, d):
        for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xffffffff
            state[z] ^= state[x]
            state[z] = ((state[z] << by) | (state[z] >> (32 - by))) & 0xffffffff

    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*diagonal)
    return b"".join(x.to_bytes(4, "little") for x in state[:4] + state[12:])


def xaead(key, nonce):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


class RootKDF(KDF):
    """Keeps the header keys that fall out of each step."""
    header_keys = []

    @staticmethod
    async def derive(key, data, length):
        assert length == 64
        out = hkdf(key, data + bytes(32), b"karvon/1 dr root", 96)
        RootKDF.header_keys.append(out[64:])
        return out[:64]


class ChainKDF(KDF):
    @staticmethod
    async def derive(key, data, length):
        assert (data, length) == (b"\1", 64)
        return mac(key, b"\2") + mac(key, b"\1")


class Ratchet(DiffieHellmanRatchet):
    """The package's ratchet with keys that are handed in."""
    keys = []

    @staticmethod
    def _generate_priv():
        return Ratchet.keys.pop(0) if Ratchet.keys else os.urandom(32)

    @staticmethod
    def _derive_pub(priv):
        return X25519PrivateKey.from_private_bytes(priv).public_key().public_bytes_raw()

    @staticmethod
    def _perform_diffie_hellman(own_priv, other_pub):
        return X25519PrivateKey.from_private_bytes(own_priv).exchange(X25519PublicKey.from_public_bytes(other_pub))


def message_cipher(key, salt):
    out = hkdf(salt, key, b"karvon/1 dr msg", 44)
    return ChaCha20Poly1305(out[:32]), out[32:]


def open_body(key, bound, cell):
    salt, sealed_header, body = cell[18:42], cell[42:106], cell[106:]
    cipher, nonce = message_cipher(key, salt)
    plain = cipher.decrypt(nonce, body, bound + sealed_header)
    length = int.from_bytes(plain[:2], "big")
    assert not any(plain[2 + length:])
    return plain[2:2 + length]


def seal(key, bound, header_key, header, outer, payload):
    salt = os.urandom(24)
    plain = header.ratchet_pub + b"".join(
        number.to_bytes(4, "big") for number in (header.previous_sending_chain_length, header.sending_chain_length, 0, 0))
    cipher, nonce = xaead(header_key, salt)
    sealed_header = cipher.encrypt(nonce, plain, outer)
    cipher, nonce = message_cipher(key, salt)
    body = len(payload).to_bytes(2, "big") + payload
    body += bytes(2048 - 18 - 24 - 64 - 16 - len(body))
    return outer + salt + sealed_header + cipher.encrypt(nonce, body, bound + sealed_header)


def open_header(key, cell):
    cipher, nonce = xaead(key, cell[18:42])
    plain = cipher.decrypt(nonce, cell[42:106], cell[:18])
    assert not any(plain[40:]), "no room was left for the post-quantum half"
    return Header(plain[:32], int.from_bytes(plain[32:36], "big"), int.from_bytes(plain[36:40], "big"))


def stored(session):
    """What a stored session of the initiator holds right after the greeting (`Session::encode`, `Ratchet::encode`)."""
    at = 114
    parts = {}
    for name, length in (("bound", 32), ("root", 32), ("own", 32), ("next send", 32), ("next receive", 32), ("sent", 4),
                         ("previous", 4), ("follows", 1), ("theirs", 32), ("send header", 32), ("send chain", 32)):
        parts[name] = session[at:at + length]
        at += length
    assert parts["follows"] == b"\3"
    return parts


async def conversation(oracle, seed, turns):
    lines = subprocess.run([oracle, "talk", str(seed), str(turns)], check=True, capture_output=True, text=True).stdout
    lines = [(name, bytes.fromhex(value)) for name, value in (line.split(" = ") for line in lines.splitlines())]
    start = stored(lines[0][1])
    bound = start["bound"]
    own_keys = [value for name, value in lines if name == "own key of a"]
    Ratchet.keys = [key for at, key in enumerate(own_keys) if key != start["own"] and key not in own_keys[:at]]
    RootKDF.header_keys = []
    ratchet = Ratchet.from_model(
        DiffieHellmanRatchetModel(
            own_ratchet_priv=start["own"],
            other_ratchet_pub=start["theirs"],
            root_chain=KDFChainModel(length=1, key=start["root"]),
            symmetric_key_ratchet=SymmetricKeyRatchetModel(
                receiving_chain=None,
                sending_chain=KDFChainModel(length=int.from_bytes(start["sent"], "big"), key=start["send chain"]),
                previous_sending_chain_length=None,
            ),
        ),
        RootKDF, ChainKDF, b"\1", 2000)
    send_header, next_send = start["send header"], start["next send"]
    receive_headers, next_receive, skipped = [], start["next receive"], {}

    async def came_in(cell):
        """The payload of a cell of the other side, by the package's key."""
        nonlocal send_header, next_send, next_receive
        for key in reversed(receive_headers):
            try:
                header = open_header(key, cell)
                break
            except InvalidTag:
                continue
        else:
            header = open_header(next_receive, cell)
            receive_headers.append(next_receive)
        if (header.ratchet_pub, header.sending_chain_length) in skipped:
            return open_body(skipped.pop((header.ratchet_pub, header.sending_chain_length)), bound, cell)
        steps = len(RootKDF.header_keys)
        key, passed_over = await ratchet.next_decryption_key(header)
        skipped.update(passed_over)
        if len(RootKDF.header_keys) > steps:
            # One step for the chain that came in, one for the own next chain.
            assert len(RootKDF.header_keys) == steps + 2 and receive_headers[-1] == next_receive
            next_receive = RootKDF.header_keys[-2]
            send_header, next_send = next_send, RootKDF.header_keys[-1]
        return open_body(key, bound, cell)

    counts = {"sent": 0, "read": 0, "late": 0, "lost": 0}
    at = 2
    while lines[at][0] != "last session a":
        if lines[at][0].startswith("late cell"):
            (who, cell), (_, payload) = lines[at:at + 2]
            at += 2
            if who == "late cell of b":
                assert await came_in(cell) == payload
                counts["late"] += 1
            continue
        _, (who, cell), (fate, payload) = lines[at:at + 3]
        at += 3
        if who == "cell of a":
            key, header = await ratchet.next_encryption_key()
            assert open_header(send_header, cell) == header
            assert open_body(key, bound, cell) == payload
            counts["sent"] += 1
        elif fate == "payload":
            assert await came_in(cell) == payload
            counts["read"] += 1
        else:
            counts["lost"] += fate == "lost"
    # Cells that the package seals are opened by the other side.
    cells = []
    for number in range(5):
        key, header = await ratchet.next_encryption_key()
        outside = b"\0" + bytes([number] * 16) + b"\0"
        cells.append(seal(key, bound, send_header, header, outside, f"hello {number}".encode()))
    # One of them bent, one twice.
    cells[3:3] = [bytes([*cells[0][:-1], cells[0][-1] ^ 1]), cells[0]]
    text = "\n".join([f"resume {lines[-1][1].hex()}", *(f"open {cell.hex()}" for cell in cells)]) + "\n"
    said = subprocess.run([oracle, "serve"], input=text, check=True, capture_output=True, text=True).stdout.splitlines()
    expected = [f"payload {f'hello {number}'.encode().hex()}" for number in range(5)]
    assert said[0] == "ok" and said[1:4] + said[6:] == expected, said
    assert all(line.startswith("refused") for line in said[4:6]), said
    return counts


async def main(oracle, count):
    total = {}
    for seed in range(count):
        for name, number in (await conversation(oracle, seed, 40)).items():
            total[name] = total.get(name, 0) + number
    assert all(total.values()), total
    print(f"{count} conversations: {total['sent']} cells compared as they were sent, {total['read']} read in order and "
          f"{total['late']} late, {total['lost']} lost, {5 * count} made by the package and opened: all equal")


asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20))
