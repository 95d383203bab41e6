"""A second implementation of SPEC §3 to §6b, §10.6, §11 and §12, written from its text: it must find in tests/vectors what the Rust code wrote
there, and make cells that the Rust code opens.

Run: pip install blake3 'cryptography>=48' && python3 second_implementation.py [PATH-OF-ORACLE | --freeze]
Without an argument it reads the vectors. With the program of protocol/examples/oracle.rs it talks with the Rust code as the initiator of a
conversation, post-quantum ratchet included. `--freeze` writes cells of its own to vectors/foreign.txt, which a test in Rust opens.
HKDF, HChaCha20, CBOR and the ratchet are spelled out here, the primitives come from OpenSSL and blake3.
"""

import base64
import hashlib
import hmac
import os
import pathlib
import random
import struct
import subprocess
import sys

import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def load(name):
    """The lines of a vector file; hexadecimal values as bytes, others as text."""
    lines = {}
    for line in (pathlib.Path(__file__).parent / "vectors" / name).read_text().splitlines():
        key, value = line.split(" = ", 1)
        try:
            # Digits with spaces are a recovery code, 60 digits a safety number: text that only looks hexadecimal.
            lines[key] = value if " " in value or len(value) == 60 else bytes.fromhex(value)
        except ValueError:
            lines[key] = value
    return lines


# --- notation of SPEC ---

def hkdf(salt, ikm, label, length):
    key = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    block, out, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + label.encode() + bytes([count]), hashlib.sha256).digest()
        out, count = out + block, count + 1
    return out[:length]


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def h(data):
    return blake3.blake3(data).digest()


def hk(key, data):
    return blake3.blake3(data, key=key).digest()


def hd(context, data, length=32):
    return blake3.blake3(data, derive_key_context=context).digest(length=length)


def dh(secret, public):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def dh_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign_public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def verify(key, label, data, signature):
    Ed25519PublicKey.from_public_bytes(key).verify(signature, label.encode() + data)


def aead_open(key, nonce, sealed, aad):
    return ChaCha20Poly1305(key).decrypt(nonce, sealed, aad)


def aead_seal(key, nonce, plain, aad):
    return ChaCha20Poly1305(key).encrypt(nonce, plain, aad)


def hchacha20(key, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))

    def quarter(a, b, c, d):
        for to, other, turned, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[to] = (state[to] + state[other]) & 0xFFFFFFFF
            value = state[turned] ^ state[to]
            state[turned] = (value << by & 0xFFFFFFFF) | value >> (32 - by)

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return struct.pack("<8I", *state[:4], *state[12:])


def xaead_open(key, nonce, sealed, aad):
    return aead_open(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], sealed, aad)


def xaead_seal(key, nonce, plain, aad):
    return aead_seal(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], plain, aad)


def lp32(data):
    return len(data).to_bytes(4, "big") + data


def number(data):
    return int.from_bytes(data, "big")


# --- §3 what a cell says ---


def cbor_head(kind, value):
    if value < 24:
        return bytes([kind << 5 | value])
    width = next(width for width in (1, 2, 4, 8) if value < 1 << 8 * width)
    return bytes([kind << 5 | 24 + (1, 2, 4, 8).index(width)]) + value.to_bytes(width, "big")


def cbor(value):
    if isinstance(value, int):
        return cbor_head(0, value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(map(cbor, value))
    return cbor_head(5, len(value)) + b"".join(cbor(key) + cbor(value[key]) for key in sorted(value))


def uncbor(data):
    """The value at the front of `data`, and what follows it."""
    kind, value, at = data[0] >> 5, data[0] & 31, 1
    if value >= 24:
        width = (1, 2, 4, 8)[value - 24]
        value, at = int.from_bytes(data[1:1 + width], "big"), 1 + width
    if kind == 0:
        return value, data[at:]
    if kind in (2, 3):
        content = data[at:at + value]
        assert len(content) == value
        return (content if kind == 2 else content.decode()), data[at + value:]
    out, rest = [], data[at:]
    for _ in range(value * {4: 1, 5: 2}[kind]):
        item, rest = uncbor(rest)
        out.append(item)
    return (out if kind == 4 else dict(zip(out[::2], out[1::2], strict=True))), rest


def whole(data):
    value, rest = uncbor(data)
    assert not rest and cbor(value) == data, "one form only"
    return value


def door_mark(conversation, relay):
    return hk(conversation, b"karvon/1 door mark" + relay)[:8]


def guest_door(secret, relay):
    slot, key = (hkdf(b"karvon/1 invite", secret, f"karvon/1 invite {what}", n) for what, n in (("slot", 8), ("door", 32)))
    raw = bytes([0]) + relay + slot + key + bytes([192, 0, 2, 7, 1, 187])
    return "KARVON-DOOR:" + base64.b32encode(raw + h(raw)[:2]).decode().rstrip("=")


said, when, about = load("payload.txt"), 1_700_000_000_000, bytes(range(16))
bodies = {
    "text": {0: 1, 1: when, 2: "Салом"},
    "forwarded text that disappears": {0: 1, 1: when, 2: "a", 5: 1, 6: 60},
    "reply": {0: 2, 1: when, 2: "b", 3: about},
    "reaction": {0: 3, 1: when, 2: "👍", 3: about},
    "edit": {0: 4, 1: when, 2: "c", 3: about},
    "delete": {0: 5, 1: when, 3: about},
    "read": {0: 6, 1: when, 2: 300},
    "typing": {0: 7, 1: when},
    "profile": {0: 10, 1: when, 2: "Ali"},
    "timer": {0: 11, 1: when, 2: 3_600, 3: 2},
    "resend request": {0: 15, 1: when, 2: 4, 3: 70_000},
    "introduction": {0: 21, 1: when, 2: "Nigora", 3: "KARVON:A"},
    "nothing": {0: 22},
    "void": {0: 26, 1: when, 2: 4, 3: 2**64 - 1},
    "file": {0: 27, 1: when, 2: "суратча.jpg", 3: "image/jpeg", 4: b"\xff\xd8\xff"},
    "door wish": {0: 29, 1: when, 2: door_mark(bytes([7] * 32), bytes([8] * 16)) + bytes([9] * 8)},
    "door offer": {0: 30, 1: when, 2: guest_door(bytes([2] * 16), bytes([3] * 16)), 3: 1_800_000_000},
}
assert [f"body {name}" for name in bodies] == [name for name in said if name.startswith("body ")]
for name, body in bodies.items():
    assert whole(said[f"body {name}"]) == body, name
assert whole(said["empty payload"]) == {}
assert whole(said["whole payload"]) == {
    0: [3, 5, 6, 9, 9], 1: 64, 2: {0: 1, 1: [bytes([at] * 16 + [at + 100] * 16) for at in (1, 2, 3)]}, 3: 1,
    4: 17, 5: [bodies["text"], bodies["forwarded text that disappears"]], 6: [bodies["profile"]],
    16: [[4, 2, bytes([1] * 16 + [2] * 16)]], 17: bytes([7] * 30), 18: [2, 9, 3, 1 << 40], 19: 6,
}

# --- §4 identity ---

identity = load("identity.txt")
for person in "12":
    stored = identity[f"stored {person}"]
    account, signing, device, cert = stored[17:49], stored[49:81], stored[81:113], stored[113:]
    assert account == hkdf(b"", identity[f"stretched {person}"], "karvon/1 account", 32)
    assert cert == identity[f"certificate {person}"] and len(cert) == 176
    assert cert[:96] == sign_public(account) + sign_public(signing) + dh_public(device)
    verify(cert[:32], "karvon/1 device", cert[:112], cert[112:])
    assert h(cert[:32])[:20] == identity[f"fingerprint {person}"]

keys = sorted([identity["certificate 1"][:32], identity["certificate 2"][:32]])
digest = hd("karvon 2026 safety v1", keys[0] + keys[1], 60)
groups = [digest[at:at + 5] for at in range(0, 60, 5)]
assert identity["safety number"] == "".join(f"{number(group) % 100_000:05}" for group in groups)

codes = [(key, value) for key, value in identity.items() if key.startswith("recovery code")]
assert len(codes) == 3
for key, value in codes:
    root = bytes.fromhex(key.split()[2])
    digits = f"{number(root) * 16 + (hd('karvon 2026 recovery check v1', root)[0] >> 4):040}"
    assert value == " ".join(digits[at:at + 5] for at in range(0, 40, 5))

# --- §5 invitation and bundle ---

invite = load("invitation.txt")
for kind, address in enumerate([
    bytes([203, 0, 113, 9, 1, 187]),
    bytes.fromhex("20010db8000000000000000000000007") + (4433).to_bytes(2, "big"),
    bytes([203, 0, 113, 9, 11]) + b"example.org",
]):
    raw = bytes([kind]) + invite["fingerprint"] + invite["secret"] + invite["relay"] + address
    raw += h(raw)[:2]
    assert invite[f"text {kind}"] == "KARVON:" + base64.b32encode(raw).decode().rstrip("=")


def follows(what, length):
    return hkdf(b"karvon/1 invite", invite["secret"], f"karvon/1 invite {what}", length)


assert follows("slot", 8) == invite["slot id"] and follows("door", 32) == invite["slot key"]
assert follows("locator", 32) == invite["locator"] and follows("bundle", 32) == invite["bundle key"]
assert follows("tags", 64) == b"".join(invite[f"tag {at}"] for at in range(4))

file = load("bundle.txt")
bundle, prekeys = file["bundle"], file["prekeys"]
cert_b = bundle[1:177]
assert bundle[0] == 0 and cert_b == identity["certificate 2"]
verify(cert_b[32:64], "karvon/1 bundle", bundle[:-64], bundle[-64:])
spk, opk, kem = prekeys[1:33], prekeys[33:65], MLKEM768PrivateKey.from_seed_bytes(prekeys[65:129])
assert prekeys[129:] == bundle
assert bundle[177:1425] == dh_public(spk) + dh_public(opk) + kem.public_key().public_bytes_raw()
assert len(bundle) == 1437 + 2 + number(bundle[1437:1439]) + 64

for kind, name in enumerate(["object", "used", "revoked"]):
    outside = file[name]
    assert len(outside) == 2057 and outside[0] == 0
    assert outside[1:65] == invite["locator"] + sign_public(file["owner seed"])
    verify(outside[33:65], "karvon/1 object", outside[:1993], outside[1993:])
    inside = xaead_open(invite["bundle key"], outside[81:105], outside[105:1993], outside[:81])
    content = inside[3:3 + number(inside[1:3])]
    assert len(inside) == 1872 and inside[0] == kind and not any(inside[3 + len(content):])
    if kind == 0:
        assert content == bundle
    else:
        assert content[:176] == cert_b
        verify(cert_b[32:64], "karvon/1 tombstone", outside[:81] + bytes([kind]), content[176:])

# --- §5.5 published address, §8.5 its proof of work ---

public = load("address.txt")
raw = bytes([9]) + public["fingerprint"] + public["secret"] + b"\3" + b"\4" * 16 + b"\5" * 16 + b"\6" * 16
raw += h(raw)[:2]
assert public["text"] == "KARVON:" + base64.b32encode(raw).decode().rstrip("=")


def from_address(what, length, ikm=public["secret"]):
    return hkdf(b"karvon/1 address", ikm, f"karvon/1 address {what}", length)


assert from_address("locator", 32) == public["locator"] and from_address("bundle", 32) == public["bundle key"]
assert public["tag"] == public["r"] + hk(from_address("mark", 32), b"request" + public["r"])[:8]
both = public["secret"] + public["asker"] + public["fingerprint"]
assert from_address("talk", 16, both) == public["talk secret"]

salt = hd("karvon 2026 request work v1", public["mailbox"] + public["nonce"] + h(public["cell"]))
assert salt == public["salt"] and len(public["cell"]) == 2048
for answer in range(number(public["answer"]) + 1):
    work = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=16 * 1024).derive(answer.to_bytes(8, "big"))
    # The first answer from 0 on whose work begins with six zero bits.
    assert (work[0] < 4) == (answer == number(public["answer"]))
assert work == public["work"]

# --- §6a handshake, the responder's side ---

greeting = load("greeting.txt")
cell, dk = greeting["cell"], identity["stored 2"][81:113]
assert len(cell) == 2048 and cell[:18] == b"\0" + invite["tag 0"] + b"\0"
ek, ct, box = cell[18:50], cell[50:1138], cell[1138:1342]
fill, ss = b"\xff" * 32, kem.decapsulate(ct)
d1, d2, d4 = dh(spk, ek), dh(dk, ek), dh(opk, ek)
t0 = hd("karvon 2026 hx1 T0", b"\2" + lp32(bundle) + ek + ct)
hidden = aead_open(hkdf(t0, fill + d1 + d2 + d4 + ss, "karvon/1 hx1 id", 32), bytes(12), box, t0)
cert_a = hidden[:176]
assert cert_a == identity["certificate 1"] and hidden[176:] == bundle[1425:1437]
d3, d5 = dh(spk, cert_a[64:96]), dh(dk, cert_a[64:96])
t1 = hd("karvon 2026 hx1 T1", t0 + lp32(box) + cert_a[:32] + cert_a[64:96] + cert_b[:32] + cert_b[64:96])
secrets = hkdf(t1, fill + d1 + d2 + d3 + d4 + d5 + ss, "karvon/1 hx1 keys", 192)
sk, hk_a, nhk_b, tk_ab, tk_ba, exp = (secrets[at:at + 32] for at in range(0, 192, 32))

# --- §6b ratchet, tags, message ids ---


def root_step(root, shared, epoch_secret=bytes(32)):
    out = hkdf(root, shared + epoch_secret, "karvon/1 dr root", 96)
    return out[:32], out[32:64], out[64:]


def header_of(key, outer, message):
    header = xaead_open(key, message[:24], message[24:88], outer)
    assert len(header) == 48
    return header[:32], *(number(header[at:at + 4]) for at in (32, 36, 40, 44))


def open_header(key, outer, message):
    ratchet_key, previous, place, mix, ack = header_of(key, outer, message)
    assert (mix, ack) == (0, 0)
    return ratchet_key, previous, place


def body_of(chain, message):
    out = hkdf(message[:24], mac(chain, b"\1"), "karvon/1 dr msg", 44)
    body = aead_open(out[:32], out[32:], message[88:], t1 + message[24:88])
    payload = body[2:2 + number(body[:2])]
    rest = body[2 + len(payload):]
    kind = rest[0] if rest else 0
    length = [0, 1184, 1088][kind]
    if kind == 0:
        assert not any(rest)
        return payload, None
    assert not any(rest[5 + length:])
    return payload, (kind, number(rest[1:5]), rest[5:5 + length])


def open_body(chain, message):
    return body_of(chain, message)[0]


session = load("session.txt")
message = cell[1342:]
their_key, previous, place = open_header(hk_a, cell[:18], message)
assert (previous, place) == (0, 0)
root, chain, next_header = root_step(sk, dh(spk, their_key))
assert open_body(chain, message) == greeting["payload"].encode()

first = session["first cell of the initiator"]
assert open_header(hk_a, first[:18], first[18:]) == (their_key, 0, 1)
chain = mac(chain, b"\2")
assert open_body(chain, first[18:]) == b"a cell of class S"

# The responder's own ratchet key of its first chain, from its stored session.
own = session["session of the responder"][178:210]
answer = session["first cell of the responder"]
assert open_header(nhk_b, answer[:18], answer[18:]) == (dh_public(own), 0, 0)
root, chain, _ = root_step(root, dh(own, their_key))
assert open_body(chain, answer[18:]) == b"an answer"

turn = session["second chain of the initiator"]
# It mixes an epoch whose key lies with the initiator: the body is opened below, where that key is known.
their_key, previous, place, mix, ack = header_of(next_header, turn[:18], turn[18:])
assert (previous, place, mix, ack) == (4, 0, 1, 1)


def tag(key, index):
    for _ in range(index // 64):
        key = hkdf(b"", key, "karvon/1 tag next", 32)
    return hk(key, b"tag" + index.to_bytes(8, "big"))[:16]


for index in (0, 1, 63, 64, 65, 1_000):
    assert tag(tk_ab, index) == session[f"tag {index} of the initiator"]
    assert tag(tk_ba, index) == session[f"tag {index} of the responder"]
assert (first[1:17], answer[1:17], turn[1:17]) == (tag(tk_ab, 0), tag(tk_ba, 0), tag(tk_ab, 1))

conversation = hd("karvon 2026 conversation v1", invite["secret"])
for direction, author in ((1, "initiator"), (0, "responder")):
    parts = hk(conversation, bytes([direction]))
    for seq in (0, 1, 1_000_000):
        expected = parts[:8] + (seq ^ number(parts[8:16])).to_bytes(8, "big")
        assert session[f"message {seq} of the {author}"] == expected

# --- §6b the post-quantum ratchet, the initiator's side ---

pq = load("post_quantum.txt")


def payload_of(name):
    return f"this is the {name}".encode()


shown, answer, mixed = (pq[name] for name in
                        ("key of epoch 1", "ciphertext of epoch 1", "first cell that mixes epoch 1"))
# The initiator's first ratchet key and root are those of the greeting.
their_key, previous, place, mix, ack = header_of(hk_a, shown[:18], shown[18:])
root, chain, next_header = root_step(sk, dh(spk, their_key))
assert (previous, place, mix, ack) == (0, 1, 0, 0)
said, piece = body_of(mac(chain, b"\2"), shown[18:])
offering = pq["session of the initiator, offering"]
own_a = offering[178:210]
kem_1 = MLKEM768PrivateKey.from_seed_bytes(offering[-64:])
assert offering[-65] == 1 and said == payload_of("key of epoch 1")
assert piece == (1, 1, kem_1.public_key().public_bytes_raw())

their_key, previous, place, mix, ack = header_of(nhk_b, answer[:18], answer[18:])
assert (previous, place, mix, ack) == (0, 0, 0, 0)
root, chain, after_next = root_step(root, dh(own_a, their_key))
said, piece = body_of(chain, answer[18:])
assert said == payload_of("ciphertext of epoch 1") and piece[:2] == (2, 1)
secret_1 = hkdf(bytes(32), kem_1.decapsulate(piece[2]), "karvon/1 pq chain", 32)

# The next chain of the initiator, read as the responder: the root step takes the secret of epoch 1.
own_b = pq["session of the responder, answering"][178:210]
their_key, previous, place, mix, ack = header_of(next_header, mixed[:18], mixed[18:])
assert (previous, place, mix, ack) == (2, 0, 1, 1)
root, chain, _ = root_step(root, dh(own_b, their_key), secret_1)
assert open_body(chain, mixed[18:]) == payload_of("first cell that mixes epoch 1")



# --- §10 and §11 groups and channels ---

def cbor_value(data):
    """One value of deterministic CBOR, and what follows it."""
    major, small, rest = data[0] >> 5, data[0] & 31, data[1:]
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(small, 0)
    count, rest = (number(rest[:size]), rest[size:]) if size else (small, rest)
    if major == 0:
        return count, rest
    if major in (2, 3):
        return rest[:count] if major == 2 else rest[:count].decode(), rest[count:]
    items = []
    for _ in range(count * (2 if major == 5 else 1)):
        item, rest = cbor_value(rest)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), rest


def signed(data, key, label):
    """The fields of `content | Sig(key, label, content)`, and the name of the content."""
    verify(key, label, data[:-64], data[-64:])
    fields, rest = cbor_value(data[:-64])
    assert rest == b""
    return fields, h(data[:-64])


def hinted(cell, detect, shard):
    """Whether a cell's tag is a hint for this detect key."""
    r, rest = cell[1:9], cell[9:17]
    return rest == hk(detect, r + shard.to_bytes(2, "big"))[:8]


def shard_body(cell, secret):
    key_nonce = hkdf(cell[18:42], secret, "karvon/1 group msg", 44)
    plain = aead_open(key_nonce[:32], key_nonce[32:], cell[90:], cell[:18] + cell[42:90])
    length = number(plain[:2])
    assert plain[2 + length:] == bytes(len(plain) - 2 - length)
    return plain[2:2 + length]


group = load("group.txt")
ali_key, bob_leaf = sign_public(bytes([1]) * 32), bytes([12]) * 32
founding, founding_id = signed(group["founding operation"], ali_key, "karvon/1 group op")
assert founding_id == group["founding operation's id"] and founding_id[:16] == group["group"]
added, added_id = signed(group["added operation"], ali_key, "karvon/1 group op")
assert added_id == group["added operation's id"] and added[1] == [founding_id] and added[0] == group["group"]
member, _ = cbor_value(added[4])
assert h(member[0])[:16] == group["Bob's member id"] and member[1] == dh_public(bob_leaf) and member[3] == "Bob"
verify(member[0], "karvon/1 group join", group["group"] + added[4], added[6])
keys = hkdf(group["group"], founding[6], "karvon/1 group call", 64)
assert keys[:32] == group["detect key of announcements"] and hinted(group["announcement's cell"], keys[:32], 3)
assert shard_body(group["announcement's cell"], keys[32:]) == group["announcement"]
announcement, seed_name = signed(group["announcement"], ali_key, "karvon/1 group seed announcement")
members = sorted([group["Ali's member id"], group["Bob's member id"]])
slot_at = 48 * members.index(group["Bob's member id"])
slot = announcement[4][slot_at:slot_at + 48]
ephemeral = announcement[3]
slot_key = hkdf(ephemeral + dh_public(bob_leaf), dh(bob_leaf, ephemeral), "karvon/1 group slot", 32)
seed = aead_open(slot_key, bytes(12), slot, group["group"])
keys = hkdf(group["group"], seed + seed_name[:16], "karvon/1 group seed", 96)
cell = group["message's cell"]
assert keys[64:] == group["detect key of the seed"] and hinted(cell, keys[64:], 3)
header = xaead_open(keys[32:64], cell[18:42], cell[42:90], cell[:18])
assert header == group["Ali's member id"] + bytes(16)
chain = hkdf(group["Ali's member id"], keys[:32], "karvon/1 group chain", 32)
assert shard_body(cell, mac(chain, b"\1")) == group["message"]
message, _ = signed(group["message"], ali_key, "karvon/1 group post")
assert (message[2], message[3], message[4]) == (1, 1, [added_id])
both = hd("karvon 2026 group message v1", group["group"] + group["Ali's member id"])[:16]
assert both[:8] + (number(both[8:]) ^ 1).to_bytes(8, "big") == group["message's id"]

channel = load("channel.txt")
text = channel["link"].removeprefix("KARVON-CHANNEL:")
link = base64.b32decode(text + "=" * (-len(text) % 8))
link, check = link[:-2], link[-2:]
owner, secret, shard = link[1:33], link[33:49], link[49]
assert check == h(link)[:2] and link[0] == 1 and shard == 3 and h(link)[:16] == channel["channel"]
keys = hkdf(channel["channel"], secret, "karvon/1 channel", 64)
cell = channel["cell of the first"]
assert keys[:32] == channel["detect key"] and hinted(cell, keys[:32], shard)
assert shard_body(cell, keys[32:]) == channel["first entry"]
first_entry, first_id = signed(channel["first entry"], owner, "karvon/1 channel entry")
second_entry, second_id = signed(channel["second entry"], owner, "karvon/1 channel entry")
assert (first_id, second_id) == (channel["first entry's id"], channel["second entry's id"])
assert (first_entry[0], first_entry[1], first_entry[2]) == (channel["channel"], 1, bytes(32))
third_entry, _ = signed(channel["entry with a file"], owner, "karvon/1 channel entry")
assert cbor_value(third_entry[4])[0] == {0: 27, 1: 5, 2: "a.txt", 3: "text/plain", 4: b"bricks"}
copy, _ = cbor_value(channel["body that passes the first on"])
assert (copy[0], copy[1], copy[2], copy[5]) == (28, 6, owner, 1)
assert signed(copy[4], copy[2], "karvon/1 channel entry")[1] == first_id
assert (second_entry[0], second_entry[1], second_entry[2], second_entry[3]) == (channel["channel"], 2, first_id, "Jobs")

# --- local networks (SPEC §12) ---


def mark(key, kind, *parts):
    return hk(key, bytes([kind]) + b"".join(parts))[:16]


def noise(payloads, psk, prologue, secret):
    """Opens both messages of Noise_NNpsk0 of whose initiator the ephemeral secret is known; returns the two keys."""
    name = b"Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s"
    blake = lambda data: hashlib.blake2s(data).digest()  # noqa: E731
    chain = state = blake(name) if len(name) > 32 else name.ljust(32, b"\0")
    state = blake(state + prologue)

    def mix(chain, ikm, count):
        auth = lambda key, data: hmac.new(key, data, hashlib.blake2s).digest()  # noqa: E731
        temp, out = auth(chain, ikm), [b""]
        for at in range(count):
            out.append(auth(temp, out[-1] + bytes([at + 1])))
        return out[1:]

    chain, extra, key = mix(chain, psk, 3)
    state = blake(state + extra)
    seen = []
    for turn, message in enumerate(payloads):
        public, sealed = message[:32], message[32:]
        state = blake(state + public)
        chain, key = mix(chain, public, 2)
        if turn == 1:
            chain, key = mix(chain, dh(secret, public), 2)
        plain = aead_open(key, bytes(12), sealed, state)
        state = blake(state + sealed)
        assert not any(plain)
        seen.append(public)
    assert dh_public(secret) == seen[0]
    return mix(chain, b"", 2)


def local_networks():
    lan = load("lan.txt")
    keys = hkdf(b"", lan["pair"], "karvon/1 lan", 96)
    own, psk = {"initiator": keys[:32], "responder": keys[32:64]}, keys[64:]
    presence, answer = lan["presence of the initiator"], lan["answer of the responder"]
    assert len(presence) == len(answer) == 672 and answer[16:32] == presence[:16]
    entries = [answer[at:at + 10] for at in range(32, 672, 10)]
    expected = mark(own["responder"], 1, presence[:16], answer[:16])
    [found] = [entry for entry in entries if entry[:8] == expected[:8]]
    assert number(bytes(a ^ b for a, b in zip(found[8:], expected[8:10]))) == int(lan["port of the responder"])
    hello, back = lan["first unit of the initiator"], lan["first unit of the responder"]
    assert hello[16:32] == mark(own["initiator"], 2, answer[:16], hello[:16])
    there, _ = noise([hello[32:], back], psk, b"karvon/lan/0" + answer[:16] + hello[:16], lan["ephemeral secret of the initiator"])
    count = 0
    for what in ("what is durable", "cell", "offer", "carried cell"):
        sealed, inside = lan[f"{what}, sealed by the initiator"], b""
        for at in range(0, len(sealed), 1088):
            inside += aead_open(there, bytes(4) + count.to_bytes(8, "little"), sealed[at:at + 1088], b"")
            count += 1
        assert inside == lan[f"{what}, inside"]
    durable = lan["what is durable, inside"]
    assert durable == (b"\x04" + (512).to_bytes(8, "big") + b"\x02" + (3).to_bytes(8, "big") + (4).to_bytes(8, "big")).ljust(1072, b"\0")
    assert lan["cell, inside"][:9] == b"\x01" + (9).to_bytes(8, "big") and len(lan["cell, inside"]) == 2144
    cell = lan["cell, inside"][9:9 + 2048]
    assert lan["carried cell, inside"] == (b"\x08" + (20_000).to_bytes(4, "big") + cell).ljust(2144, b"\0")
    assert lan["offer, inside"] == (b"\x05\x02" + blake3.blake3(cell).digest()[:16] + b"\x08" * 16).ljust(1072, b"\0")


local_networks()

print("both implementations agree on the vectors")

# --- §6a and §6b as the initiator: cells that the Rust code must open ---

ROOM = {"S": 2048 - 18, "M": 16384 - 18}
PAYLOAD_MAX = {"S": 1924, "M": 15070}


def index_of(kind, count):
    """The index of the tag of the `count`-th cell of a class."""
    per, first = {"S": (24, 0), "M": (6, 24)}[kind]
    return count // per * 32 + first + count % per


class Initiator:
    """Person 1, who read the frozen bundle of person 2."""

    def __init__(self, payload):
        stored, own_certificate = identity["stored 1"], identity["certificate 1"]
        device, ek = stored[81:113], os.urandom(32)
        their_spk, their_opk, their_kem = bundle[177:209], bundle[209:241], bundle[241:1425]
        shared, sealed = MLKEM768PublicKey.from_public_bytes(their_kem).encapsulate()
        start, their_device = b"\xff" * 32, cert_b[64:96]
        e1, e2, e3 = dh(ek, their_spk), dh(ek, their_device), dh(device, their_spk)
        e4, e5 = dh(ek, their_opk), dh(device, their_device)
        first = hd("karvon 2026 hx1 T0", b"\2" + lp32(bundle) + dh_public(ek) + sealed)
        key = hkdf(first, start + e1 + e2 + e4 + shared, "karvon/1 hx1 id", 32)
        hidden = aead_seal(key, bytes(12), own_certificate + bundle[1425:1437], first)
        self.bound = hd("karvon 2026 hx1 T1", first + lp32(hidden) + own_certificate[:32] + own_certificate[64:96]
                        + cert_b[:32] + their_device)
        keys = hkdf(self.bound, start + e1 + e2 + e3 + e4 + e5 + shared, "karvon/1 hx1 keys", 192)
        root, self.send_header, self.next_receive, self.tags, *_ = (keys[at:at + 32] for at in range(0, 192, 32))
        self.own, self.theirs = os.urandom(32), their_spk
        self.root, self.send_chain, self.next_send = root_step(root, dh(self.own, their_spk))
        self.sent, self.previous, self.mix, self.turned = 0, 0, 0, False
        self.receive_header, self.receive_chain, self.received, self.skipped = None, None, 0, {}
        # The post-quantum half: this side owns the odd epochs.
        self.done, self.mixed, self.secrets = 0, 0, {0: bytes(32)}
        self.offered, self.asked, self.answer = None, None, None
        outside = b"\0" + invite["tag 0"] + b"\0"
        head = dh_public(ek) + sealed + hidden
        self.greeting = outside + head + self.message(outside, payload, 2048 - 18 - len(head))

    def piece(self, room):
        epoch = self.done + 1
        if epoch % 2 == 1 and room >= 5 + 1184:
            self.offered = self.offered or MLKEM768PrivateKey.generate()
            return b"\1" + epoch.to_bytes(4, "big") + self.offered.public_key().public_bytes_raw()
        if epoch % 2 == 0 and room >= 5 + 1088:
            if self.asked and not self.answer:
                shared, self.answer = MLKEM768PublicKey.from_public_bytes(self.asked).encapsulate()
                self.secrets[epoch] = hkdf(self.secrets[epoch - 1], shared, "karvon/1 pq chain", 32)
            if self.answer:
                return b"\2" + epoch.to_bytes(4, "big") + self.answer
        return b""

    def message(self, outside, payload, room):
        if self.turned:
            self.own, self.turned = os.urandom(32), False
            self.mix = self.done if self.done > self.mixed else 0
            self.mixed = max(self.mixed, self.mix)
            step = root_step(self.root, dh(self.own, self.theirs), self.secrets[self.mix] if self.mix else bytes(32))
            self.send_header, (self.root, self.send_chain, self.next_send) = self.next_send, step
            self.previous, self.sent = self.sent, 0
        plain = len(payload).to_bytes(2, "big") + payload
        plain += self.piece(room - 24 - 64 - 16 - len(plain))
        plain += bytes(room - 24 - 64 - 16 - len(plain))
        header = dh_public(self.own) + b"".join(
            part.to_bytes(4, "big") for part in (self.previous, self.sent, self.mix, self.done))
        salt = os.urandom(24)
        sealed = xaead_seal(self.send_header, salt, header, outside)
        keys = hkdf(salt, mac(self.send_chain, b"\1"), "karvon/1 dr msg", 44)
        self.send_chain, self.sent = mac(self.send_chain, b"\2"), self.sent + 1
        return salt + sealed + aead_seal(keys[:32], keys[32:], plain, self.bound + sealed)

    def seal(self, kind, count, payload):
        outside = bytes(["SM".index(kind)]) + tag(self.tags, index_of(kind, count)) + b"\0"
        return outside + self.message(outside, payload, ROOM[kind])

    def step(self):
        key = mac(self.receive_chain, b"\1")
        self.receive_chain, self.received = mac(self.receive_chain, b"\2"), self.received + 1
        return key

    def open(self, cell):
        """Reads cells of the present and the next chain; the tests here let no older ones through."""
        outside, sealed = cell[:18], cell[18:]
        try:
            header = header_of(self.receive_header, outside, sealed) if self.receive_header else None
        except InvalidTag:
            header = None
        turned = header is None
        their_key, _, place, mix, ack = header or header_of(self.next_receive, outside, sealed)
        if turned:
            assert mix == 0 or mix > self.mixed
            step = root_step(self.root, dh(self.own, their_key), self.secrets[mix] if mix else bytes(32))
            self.receive_header, (self.root, self.receive_chain, self.next_receive) = self.next_receive, step
            self.mixed, self.theirs, self.turned = max(self.mixed, mix), their_key, True
            self.received, self.skipped = 0, {}
        while self.received < place:
            self.skipped[self.received] = self.step()
        key = self.skipped.pop(place) if place < self.received else self.step()
        keys = hkdf(sealed[:24], key, "karvon/1 dr msg", 44)
        plain = aead_open(keys[:32], keys[32:], sealed[88:], self.bound + sealed[24:88])
        payload = plain[2:2 + number(plain[:2])]
        self.learn(ack, plain[2 + len(payload):])
        return payload

    def learn(self, ack, rest):
        kind = rest[0] if rest else 0
        length = [0, 5 + 1184, 5 + 1088][kind]
        assert not any(rest[max(length, 1):])
        epoch = self.done + 1
        if epoch % 2 == 0 and self.answer and ack == epoch:
            self.done, self.asked, self.answer = epoch, None, None
        elif kind and number(rest[1:5]) == epoch:
            if kind == 1 and epoch % 2 == 0 and not self.asked:
                self.asked = rest[5:length]
            elif kind == 2 and epoch % 2 == 1 and self.offered:
                shared = self.offered.decapsulate(rest[5:length])
                self.secrets[epoch] = hkdf(self.secrets[epoch - 1], shared, "karvon/1 pq chain", 32)
                self.done, self.offered = epoch, None


def freeze():
    hello = cbor({1: 64, 4: 1, 5: [{0: 1, 1: when, 2: "Салом, Bob"}], 6: [{0: 10, 2: "Ali"}]})
    side = Initiator(hello)
    lines = {"greeting": side.greeting, "payload of the greeting": hello}
    for count, name in enumerate(("second", "third")):
        payload = cbor({4: 2 + count, 5: [{0: 1, 1: when, 2: f"the {name} cell"}]})
        lines[f"{name} cell"], lines[f"payload of the {name} cell"] = side.seal("S", count, payload), payload
    path = pathlib.Path(__file__).parent / "vectors" / "foreign.txt"
    path.write_text("".join(f"{name} = {value.hex()}\n" for name, value in lines.items()))


def converse(oracle, seed, turns):
    dice = random.Random(seed)
    with subprocess.Popen([oracle, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as rust:
        def ask(*words):
            print(*words, file=rust.stdin, flush=True)
            answer, _, value = rust.stdout.readline().strip().partition(" ")
            return answer, bytes.fromhex(value) if answer in ("payload", "cell") else value

        side = Initiator(b"salom")
        stored = identity["stored 2"].hex(), prekeys.hex()
        bent = bytearray(side.greeting)
        bent[dice.randrange(18, 2048)] ^= 1
        assert ask("respond", *stored, bytes(bent).hex())[0] == "refused"
        assert ask("respond", *stored, side.greeting.hex()) == ("payload", b"salom")
        counts, cells, late = {("S", True): 0, ("S", False): 0, ("M", True): 0, ("M", False): 0}, 0, []
        for _ in range(turns):
            mine = dice.random() < 0.5
            for _ in range(dice.randint(1, 3)):
                kind = "M" if dice.random() < 0.2 else "S"
                payload = dice.randbytes(dice.choice([0, 20, 400, 730, 731, 736, PAYLOAD_MAX[kind]]))
                count = counts[kind, mine]
                counts[kind, mine] += 1
                cells += 1
                if mine:
                    cell = side.seal(kind, count, payload)
                    if dice.random() < 0.2:
                        late.append((cell, payload))
                    else:
                        assert ask("open", cell.hex()) == ("payload", payload)
                        assert ask("open", cell.hex())[0] == "refused"
                else:
                    answer, cell = ask("seal", index_of(kind, count), payload.hex())
                    assert answer == "cell" and (dice.random() < 0.1 or side.open(cell) == payload)
            if late and dice.random() < 0.3:
                cell, payload = late.pop(dice.randrange(len(late)))
                assert ask("open", cell.hex()) == ("payload", payload)
        rust.stdin.close()
    assert side.done >= 3 and side.mixed >= 2, (side.done, side.mixed)
    return cells, side.mixed


if sys.argv[1:] == ["--freeze"]:
    freeze()
elif sys.argv[1:]:
    talks = [converse(sys.argv[1], seed, 60) for seed in range(8)]
    print(f"{len(talks)} conversations with the Rust code, {sum(cells for cells, _ in talks)} cells, "
          f"{sum(epochs for _, epochs in talks)} post-quantum epochs in the root key: understood both ways")
