"""A second view of a verdict, without modelmark: message, openings, matches and bits, recomputed from the files.

python recompute_verdict.py CLAIM DEPOSIT CHALLENGE OPENING CARRIERS TRANSCRIPT VERDICT     (DEPOSIT may be -)
Written from docs/spec. Not checked: certificates of timestamps (openssl ts -verify does that), revocations, signatures
other than Ed25519, which part of a lot was drawn. For schemes with one carrier a trial. It ends with an error, or a line.
"""

import base64
import hashlib
import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def frame(tag, *parts):
    return b"".join(len(p).to_bytes(8, "big") + p for p in (b"modelmark/v1/" + tag.encode(), *parts))


def sha(data):
    return hashlib.sha256(data).digest()


def document(path):  # predicate and name of a document whose Ed25519 signature verifies
    envelope = json.loads(Path(path).read_bytes())
    payload, signature = (base64.b64decode(x) for x in (envelope["payload"], envelope["signatures"][0]["sig"]))
    found, kind = json.loads(payload)["predicate"], envelope["payloadType"].encode()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found["signers"][0]["public"]))
    public.verify(signature, b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    return found, sha(payload).hex()


def der(data, *path):  # the content at a path of child numbers; a negative one counts from the end
    nodes = []
    while data:
        long = max(data[1] - 128, 0)
        end = 2 + long + (int.from_bytes(data[2 : 2 + long], "big") if long else data[1])
        nodes, data = [*nodes, data[2 + long : end]], data[end:]
    return der(nodes[path[0]], *path[1:]) if len(path) > 1 else nodes[path[0]]


claim, deposit, challenge, opening, carriers, transcript, verdict = sys.argv[1:8]
(claim, name), (asked, number), (shown, opened), (found, _) = map(document, (claim, challenge, opening, verdict))
assert (asked["claim"], shown["challenge"], found["challenge"], found["opening"]) == (name, number, number, opened)
paper, digest = document(deposit) if deposit != "-" else ({"claim": name, "tokens": []}, "")
assert (paper["claim"], asked["deposit"]) == (name, digest)
bound = []
for one in map(base64.b64decode, paper["tokens"]):  # the TSTInfo, and of an ECDSA signature r alone
    value = der(one, 0, 1, 0, -1, 0, 5)
    value = der(value, 0, 0).lstrip(b"\0") if value[:1] == b"0" and len(value) < 140 else value
    bound.append(sha(frame("token", der(one, 0, 1, 0, 2, 1, 0), value)))
token = frame("tokens", *sorted(bound)) if bound else b""
entry, kind, policy = claim["keys"][asked["key"]], claim["draw"]["kind"], claim["policy"]
assert entry["statement"]["scheme"] in ("adi", "deepsigns-blackbox", "uchida"), "only schemes of one carrier a trial"
public, alphabet = entry["statement"], entry["statement"]["alphabet"]
text = json.dumps(public, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
rho = sha(frame("draw", sha(frame("statement", text)), kind.encode(), token))
message = []
for i in range(public["trials"]):
    words = np.frombuffer(hashlib.shake_256(frame("symbol", rho, i.to_bytes(8, "big"))).digest(512), ">u8").tolist()
    message.append(next(word for word in words if word < 2**64 // alphabet * alphabet) % alphabet)
beside, leaves, digests = Path(carriers).read_bytes(), {}, {}
for leaf in shown["leaves"]:
    i, carrier, beside = leaf["index"], beside[: leaf["size"]], beside[leaf["size"] :]
    leaves[i] = sha(b"\0" + frame("leaf", i.to_bytes(8, "big"), bytes.fromhex(leaf["salt"]), sha(carrier)))
    digests[i] = sha(carrier).hex()
level, count, proof = dict(leaves), public["carriers"], map(bytes.fromhex, shown["proof"])
while count > 1:
    for index in sorted(level):
        if index ^ 1 not in level and index ^ 1 < count:
            level[index ^ 1] = next(proof)
    pairs = {index // 2: (level[index & ~1], level.get(index | 1)) for index in level}
    level, count = {i: sha(b"\1" + a + b) if b else a for i, (a, b) in pairs.items()}, (count + 1) // 2
assert level[0].hex() == public["root"]
first = sum(entry["lots"][: asked["lot"]])
assert asked["draws"] or sorted(leaves) == list(range(first, first + entry["lots"][asked["lot"]]))
lines = Path(transcript).read_bytes()
assert sha(lines).hex() == found["transcript"]
rows = {row["carrier"]: row for row in map(json.loads, lines.splitlines()[1:]) if row["carrier"] >= 0}
assert all(row["query"] == digests[i] for i, row in rows.items())
weighed = found["weighed"][0]
matched = [rows[i]["answer"] == message[i] for i in sorted(rows)][: weighed["trials"]]
tries = (sum(len(e["lots"]) for e in claim["keys"]), policy["suspects"], policy["readings"], 1 + len(claim["prior"]))
due = {"offline": 80000, "timestamp": 48000}[kind] + sum(math.ceil(1000 * math.log2(n)) for n in tries)
p, n, best = Fraction(1, alphabet), len(matched), Fraction(1)
if asked["test"] == "exact":
    best = 1 / sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(sum(matched), n + 1))
else:
    rates = [Fraction(q, 1000) for q in (200, 300, 500, 700, 850, 900, 950, 980, 999) if q > 1000 * p]
    wealth = [Fraction(1)] * len(rates)
    for hit in matched:
        wealth = [w * (q / p if hit else (1 - q) / (1 - p)) for w, q in zip(wealth, rates, strict=True)]
        best = max(best, sum(wealth) / len(rates))
gross = math.floor(1000 * (math.log2(best.numerator) - math.log2(best.denominator)))
assert (sum(matched), gross, max(gross - due, 0)) == (weighed["matches"], weighed["gross"], weighed["net"])
assert (found["decision"] == "dependence-shown") == (weighed["net"] >= 1000 * asked["bar"])
print(f"{sum(matched)}/{len(matched)} as drawn, {gross / 1000} bits, {weighed['net'] / 1000} net: {found['decision']}")
