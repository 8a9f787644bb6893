"""A second view of a verdict, without modelmark: message, openings, queries, symbols and bits, recomputed from the files.

python recompute_verdict.py CLAIM DEPOSIT CHALLENGE OPENING CARRIERS TRANSCRIPT VERDICT     (DEPOSIT may be -)
Written from docs/spec. Taken on trust: the suspect's answers, and in how many ways it was read. Not checked: certificates of
timestamps (openssl ts -verify does that), beacons, revocations, dates, signatures other than Ed25519. It ends with a line.
"""

import base64
import hashlib
import json
import math
import re
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CHARGES = {"offline": 80_000, "timestamp": 48_000}  # thousandths of a bit
RATES = (200, 300, 500, 700, 850, 900, 950, 980, 999)  # match rates that the e-process bets on, in thousandths


def agree(what, here, there):  # what was recomputed, and what the papers say
    if here != there:
        sys.exit(f"{what}: expected {str(here)[:200]}, got {str(there)[:200]}")


def frame(tag, *parts):
    return b"".join(len(p).to_bytes(8, "big") + p for p in (b"modelmark/v1/" + tag.encode(), *parts))


def sha(data):
    return hashlib.sha256(data).digest()


def below(bound, tag, *parts):  # the first 64-bit word below the largest multiple of the bound, reduced
    stream = hashlib.shake_256(frame(tag, *parts)).digest(512)
    words = (int.from_bytes(stream[at : at + 8], "big") for at in range(0, 512, 8))
    return next(word for word in words if word < 2**64 // bound * bound) % bound


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


def drawn(public, kind, tokens, whose):  # the message, a symbol a trial, from the statement and what timestamps bind
    text, bound = json.dumps(public, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(), []
    for one in map(base64.b64decode, tokens):  # the TSTInfo, and of an ECDSA signature r alone
        value = der(one, 0, 1, 0, -1, 0, 5)
        value = der(value, 0, 0).lstrip(b"\0") if value[:1] == b"0" and len(value) < 140 else value
        bound.append(sha(frame("token", der(one, 0, 1, 0, 2, 1, 0), value)))
    token = frame("tokens", *sorted(bound)) if bound else b""
    rho = sha(frame("draw", sha(frame("statement", text)), kind.encode(), token))
    if whose:  # a recipient's: bits of one stream, the lowest of each byte first
        stream = hashlib.shake_256(frame("copy bits", sha(frame("copy", rho, whose.encode())))).digest(2**17)
        return [stream[bit // 8] >> bit % 8 & 1 for bit in range(public["trials"])]
    return [below(public["alphabet"], "symbol", rho, i.to_bytes(8, "big")) for i in range(public["trials"])]


def dealt(numbers, wanted, tag, *parts):  # so many of the numbers, in the order of a shuffle that the parts decide
    order = list(numbers)
    for i in range(wanted):
        other = i + below(len(order) - i, tag, *map(bytes.fromhex, parts), i.to_bytes(8, "big"))
        order[i], order[other] = order[other], order[i]
    return order[:wanted]


def asked_for(entry, asked):  # the trials of the lot, or so many of them that suspect and nonce decide
    first, count = sum(entry["lots"][: asked["lot"]]), entry["lots"][asked["lot"]]
    parts = entry["statement"]["root"], asked["suspect"]["digest"], asked["nonce"], asked["claim"]
    return sorted(dealt(range(first, first + count), asked["draws"], "open", *parts)) or [*range(first, first + count)]


def lead(leaves, content, count, proof):  # the root above leaves of this content, and what of the proof is left over
    parts = {leaf["index"]: (leaf["index"].to_bytes(8, "big"), bytes.fromhex(leaf["salt"])) for leaf in leaves}
    level = {i: sha(b"\0" + frame("leaf", *both, sha(content[i]))) for i, both in parts.items()}
    proof = map(bytes.fromhex, proof)
    while count > 1:
        for index in sorted(level):
            if index ^ 1 not in level and index ^ 1 < count:
                level[index ^ 1] = next(proof)
        pairs = {index // 2: (level[index & ~1], level.get(index | 1)) for index in level}
        level, count = {i: sha(b"\1" + a + b) if b else a for i, (a, b) in pairs.items()}, (count + 1) // 2
    return level[0].hex(), list(proof)


def opened(public, shown, beside):  # the carriers by number, which salts and proof lead up to the root
    found = {}
    for leaf in shown["leaves"]:
        found[leaf["index"]], beside = beside[: leaf["size"]], beside[leaf["size"] :]
    root, left = lead(shown["leaves"], found, public["carriers"], shown["proof"])
    agree("root of the carriers", root, public["root"])
    agree("carriers and proof left over", (b"", []), (beside, left))
    for one in shown["revealed"]:
        parts = one["name"].encode(), bytes.fromhex(one["salt"]), one["value"].encode()
        agree(one["name"], sha(frame("conceal", *parts)).hex(), public["concealed"][one["name"]])
    return found


def versions(pair, kind):  # of each version of a pair: its record, what that surprises a reference by, how long it is
    numbers, both = pair.split(b"\n", 1)
    *known, size, other = map(int, numbers.split()[1:])
    agree("size of a pair", size + other, len(both))
    for reference, record in zip(known, (both[:size], both[size:]), strict=True):
        told, _, stored = record.split(b"\n", 2)
        count = len(stored.decode()) if kind == "texts" else int(told[5:]) + 1
        if kind == "causal":
            count = sum(stored[at : at + 4] != b"\xff" * 4 for at in range(0, len(stored), 4))
        yield record, reference, count - int(told[5:])


def queries(public, carriers):  # what each query is made of, by its number, and how many there are a trial
    scheme, given, trials = public["scheme"], public["parameters"], public["trials"]
    face, each = public["interface"], 1 if scheme == "field" else given.get("queries", 1)
    shape, kind, makes, known = face["input_shape"], face.get("kind"), carriers, {}  # pictures have no kind, others one
    name, size = {None: ("uint8", 1), "floats": ("float32", 4)}.get(kind, ("int32", 4))
    picture = rf"{name} {'x'.join(map(str, shape))}\n.{{{size * math.prod(shape)}}}" if kind != "texts" else "text\n.*"
    if re.fullmatch("adi|certified|classes|composite|coupled|deepsigns-blackbox|entangled|margin|zhang", scheme):
        forms = [picture] * trials * each
    elif scheme in ("blackmarks", "dawn", "frontier"):  # pictures, each behind the symbol that every class stands for
        forms = [rf"code( -| \d+){{{face['classes']}}}\n{picture}"] * trials
        known = {i: re.sub(b"code|-", b"-1", one.split(b"\n")[0]).split() for i, one in carriers.items()}
        makes = {i: one.partition(b"\n")[2] for i, one in carriers.items()}
    elif scheme == "answers":  # prompts, each with the tokens among which its answer is looked for
        forms = [r'\{"candidates":\[[\d,]+\],"prompt":\[[\d,]+\](,"text":".*","words":\[".*"\])?\}'] * trials
    elif scheme in ("deepmarks", "neuralmark", "passports", "uchida"):  # rows of integers, some behind a filter's name
        before = {"neuralmark": f".{{{-(-given.get('rounds', 0) * trials // 8)}}}", "passports": r"filter \d+\n"}
        forms = [rf"{before.get(scheme, '')}.{{{4 * given.get('pooled', given.get('width', 0))}}}"] * trials
    elif scheme == "riga":  # rows of hidden units on the mean filter, then of outputs, each of which reads all units
        forms = [rf".{{{4 * given['width']}}}"] * (hidden := given["hidden"]) + [rf".{{{4 * hidden}}}"] * trials
        units = sha(b"".join(carriers[i] for i in range(hidden)))
        makes = {trial: carriers[hidden + trial] + units for trial in range(trials)}
    elif scheme == "null":  # a filter to ignore, one for each trial, and pictures that filters are put on in turn
        first, count = 1 + trials, given["pictures"]
        forms = [rf"filter \d+ \d+ [01]{{{given['side'] ** 2}}}"] * first + [rf"label \d+\n{picture}"] * count
        makes = {q: carriers[1 + q // each] + b"\n" + carriers[first + q % count] for q in range(trials * each)}
    elif scheme == "deepsigns":  # rows for each layer, then pictures of each class, whose mean is projected on them
        layers, classes, bits = range(len(given["width"])), range(given["classes"]), range(given["bits"])
        count = (public["carriers"] - (first := len(layers) * len(bits))) // len(classes)
        forms = [rf".{{{4 * n}}}" for n in given["width"] for _ in bits]
        forms += [rf"class \d+\n{picture}"] * (count * len(classes))
        means = [sha(b"".join(carriers[first + c * count + i] for i in range(count))) for c in classes]
        makes = dict(enumerate(carriers[at * len(bits) + i] + means[c] for at in layers for c in classes for i in bits))
    elif scheme in ("twins", "choice"):  # pairs of records, each weighed
        forms, each = [r"pair \d+ \d+ \d+ \d+\n.*"] * trials, 2
        known = {2 * i + j: one for i in carriers for j, one in enumerate(versions(carriers[i], kind))}
        makes = {number: record for number, (record, _, _) in known.items()}
    elif scheme == "field":  # ordinary inputs, each behind its coordinates and two references, which nobody is asked
        size = 2 * given["directions"] + 4 * (count := face["classes"])
        forms, makes = [rf".{{{size}}}{picture}"] * given["queries"], {i: one[size:] for i, one in carriers.items()}
        if given.get("answers") == "probabilities":  # what each input surprises by with each class
            makes = {i * count + c: b"told %d\n" % c + one for i, one in makes.items() for c in range(count)}
    elif scheme == "spread":  # runs of filters with seeds, which together say to which bit each weight belongs
        form = r'\{"count":\d+,"filters":\d+,"first":\d+,"layer":"[^\n]*","seed":"[0-9a-f]{64}","width":\d+\}'
        forms, every = [form] * public["carriers"], sha(b"".join(carriers[i] for i in sorted(carriers)))
        makes = {bit: b"bit %d\n" % bit + every for bit in range(trials)}
    agree("message and carriers", ("drawn", len(forms)), (given.get("message", "drawn"), public["carriers"]))
    for i, carrier in carriers.items():
        agree(f"form of carrier {i}", True, bool(re.fullmatch(forms[i].encode(), carrier, re.DOTALL)))
    return makes, each, known


def symbols(lines, head, makes, each, known, trials):  # each trial's symbol, in the order in which trials count
    first, *rows = map(json.loads, lines.splitlines())
    agree("head of the transcript", head, {name: first.get(name) for name in head})
    rows = [row for row in rows if row["carrier"] in makes]  # others are ordinary queries, which count for nothing
    answers, order = {row["carrier"]: row["answer"] for row in rows}, [n for n in sorted(makes) if n // each in trials]
    order = dealt(order, len(order), "ask", first["nonce"], head["claim"]) if first["v"] > 1 else order
    asked = order[: len(answers)] if first["v"] > 1 else sorted(answers)
    agree("order of the queries", asked, [row["carrier"] for row in rows])
    agree("queries", {i: sha(makes[i]).hex() for i in answers}, {row["carrier"]: row["query"] for row in rows})
    answers = {i: int(known[i][one + 1]) for i, one in answers.items()} if known and each == 1 else answers
    last, found = {number // each: place for place, number in enumerate(order)}, {}
    for trial in sorted(last, key=last.get):
        votes = [answers.get(query) for query in range(trial * each, (trial + 1) * each)]
        if None in votes:
            break
        found[trial] = max(sorted(set(votes) - {-1}), key=votes.count, default=-1)
        if known and each == 2:  # the version of less surprise for its size, beyond the reference's; -1 where alike
            (_, r, n), (_, other_r, other_n) = known[2 * trial], known[2 * trial + 1]
            lead = (votes[1] - other_r) * n - (votes[0] - r) * other_n
            found[trial] = -1 if -1 in votes or not lead else int(lead < 0)
    return found, first.get("test")


def tested(test, hits, most, alphabet, target):  # trials, matches and bits; the e-process ends as soon as it is decided
    def wealth(matches, n):  # log2 of the mean wealth of those who bet on each rate
        rates = [rate for rate in RATES if rate * alphabet > 1000]
        won = sum(rate**matches * (1000 - rate) ** (n - matches) for rate in rates) * alphabet**n
        return math.log2(won) - math.log2(len(rates) * 1000**n * (alphabet - 1) ** (n - matches))

    n, matches, bits = 0, 0, 0.0
    if test == "exact":
        tail = sum(math.comb(most, k) * (alphabet - 1) ** (most - k) for k in range(sum(hits), most + 1))
        n, matches, bits = most, sum(hits), math.log2(alphabet**most) - math.log2(tail)
    else:
        while n < most and bits < target <= wealth(matches + most - n, most) and (n < 60 or wealth(matches, n) >= -10):
            matches, n = matches + hits[n], n + 1
            bits = max(bits, wealth(matches, n))
    agree("trials answered", True, len(hits) >= n)
    return n, matches, bits


def leaning(public, carriers, labels, message):  # of a field by the best rule: matches, bits, score and highest sum
    width, classes, count = public["parameters"]["directions"], public["interface"]["classes"], len(message)
    sums, rules, likely = ([0] * count, [0] * count), [], public["parameters"].get("answers") == "probabilities"
    for i in carriers:
        given = [labels[i * classes + c] for c in range(classes)] if likely else [labels[i]]
        ends = range(0, 2 * (width + 2 * classes), 2)
        numbers = [int.from_bytes(carriers[i][at : at + 2], "big", signed=at < 2 * width) for at in ends]
        along, first, second = numbers[:width], numbers[width:-classes], numbers[-classes:]
        right = max(first + second) <= 6900 if likely else sum(first) == sum(second) == 2**14
        agree(f"numbers of carrier {i}", (True, True), (max(map(abs, along)) <= 768, right))
        for found, other in zip(sums, (first, second), strict=True):
            over = [2**15 * (given[0] == c) - first[c] - other[c] for c in range(classes)]
            if likely:  # thousandths of a nat, and of them what stands out of the mean over classes
                over = [first[c] + other[c] - 2 * min((given[c] + 500) // 1000, 6900) for c in range(classes)]
                over = [classes * one - sum(over) for one in over]
            for n in range(count) if min(given) >= 0 and (likely or given[0] < classes) else ():
                found[n] += along[n // classes] * over[n % classes]
    for grading, found in ((False, sums[0]), (True, sums[0]), (True, sums[1])):
        most = max(1, *map(abs, found))
        grades = [(62 * abs(one) + most) // (2 * most) if grading else int(one != 0) for one in found]
        hits = [grade > 0 and (one > 0) == bit for grade, one, bit in zip(grades, found, message, strict=True)]
        score, highest, ways = sum(grade for grade, hit in zip(grades, hits, strict=True) if hit), sum(grades), [1]
        if grading and max(256, count + sum(map(bool, grades))) * (highest // 2 + 1) * (2 * count + 1) <= 2**34:
            for grade in grades:  # times 1 + x^grade: how many messages have each sum
                ways = [a + b for a, b in zip(ways + [0] * grade, [0] * grade + ways, strict=True)]
            rules.append((sum(hits), count - math.log2(sum(ways[score:])), [score, highest]))
        else:
            rules.append((*tested("exact", hits, count, 2, 0)[1:], []))
    return max(rules, key=lambda rule: rule[1])


def chosen(said, whose, listed):  # charges for a message that could be chosen: the key's own, or a recipient's
    agree("copies in the claim", True, bool(said) or not whose)
    for one in listed:  # a place on the list that the claim fixed
        found = lead([one], {one["index"]: whose.encode()}, said[0]["count"], one["proof"])
        agree("place on the list of names", (said[0]["root"], []), found)
    own = [8000 * len(whose.encode()) + 10_000] if whose and not listed else []
    return [math.ceil(1000 * math.log2(one["count"] + 2)) for one in said] + own


def main(claim, deposit, challenge, opening, carriers, transcript, verdict):
    (claim, name), (asked, number), (shown, paper), (found, _) = map(document, (claim, challenge, opening, verdict))
    stamped, stamp = document(deposit) if deposit != "-" else ({"claim": name, "tokens": []}, "")
    lines, suspect, whose = Path(transcript).read_bytes(), asked["suspect"], asked.get("recipient", "")
    named = {"claim": name, "deposit": stamp, "challenge": number, "opening": paper, "transcript": sha(lines).hex()}
    for what, value in (named | {"suspect": suspect, "release": claim["release"]}).items():  # named by later papers
        agree(what, [value] * 4, [says.get(what, value) for says in (stamped, asked, shown, found)])
    agree("recipient", whose, found.get("recipient", ""))
    signers = stamped.get("signers", claim["signers"]), shown["signers"], found["signers"]
    agree("signers", (claim["signers"], claim["signers"], asked["signers"]), signers)
    entry, kind, policy = claim["keys"][asked["key"]], claim["draw"]["kind"], claim["policy"]
    public, trials = entry["statement"], asked_for(entry, asked)
    message, known = drawn(public, kind, stamped["tokens"], whose), opened(public, shown, Path(carriers).read_bytes())
    agree("opened", trials if len(message) == public["carriers"] else [*range(public["carriers"])], sorted(known))
    agree("suspect", named["transcript"] if suspect["kind"] == "transcript" else suspect["digest"], suspect["digest"])
    head = {"claim": name, "key": asked["key"], "lot": asked["lot"], "type": "modelmark.transcript"}
    shared = public["scheme"] == "field"  # every query is one of every trial
    asks, each, weighs = queries(public, known)
    read, named = symbols(lines, head, asks, each, weighs, range(len(asks)) if shared else trials)
    late = suspect["kind"] == "transcript" and not named and found["v"] > 1  # the test was named after the answers
    counts = [int(one["reason"].split()[0]) for one in found["weighed"][0]["charges"] if " readings " in one["reason"]]
    ways = max([policy["readings"], 3 if shared and max(read.values()) >= 0 else 1, *counts])  # more than foreseen?
    tries = sum(len(e["lots"]) for e in claim["keys"]), policy["suspects"], ways, 1 + len(claim["prior"])
    charges = [CHARGES[kind], *(math.ceil(1000 * math.log2(n)) for n in tries if n > 1)]
    said = [one for one in claim.get("recipients", []) if one["key"] == asked["key"]]
    charges += chosen(said, whose, shown.get("listed", [])) + [1000] * late
    agree("test", asked["test"], named or asked["test"])
    bar, alphabet, test = max(asked["bar"], policy["bar"]), public["alphabet"], asked["test"]
    if shared:
        agree("queries answered", ("exact", len(asks)), (test, len(read)))
        n, (matches, bits, graded) = len(trials), leaning(public, known, read, message)
    else:
        hits, graded = [symbol == message[trial] for trial, symbol in read.items()], []
        n, matches, bits = tested(test, hits, len(trials), alphabet, bar + sum(charges) / 1000)
    net = max((gross := math.floor(1000 * bits)) - sum(charges), 0)
    (weighed,), fields = found["weighed"], ("test", "trials", "matches", "alphabet", "gross", "net", "bar")
    agree("numbers", [test, n, matches, alphabet, gross, net, bar], [weighed[field] for field in fields])
    agree("grades", graded, [weighed[field] for field in ("score", "highest") if field in weighed])
    agree("charges", charges, [charge["millibits"] for charge in weighed["charges"]])
    agree("decision", "dependence-shown" if net >= 1000 * bar else "no-evidence", found["decision"])
    print(f"{matches}/{n} as drawn, {gross / 1000} bits, {net / 1000} net: {found['decision']}")


if __name__ == "__main__":
    main(*sys.argv[1:8])
