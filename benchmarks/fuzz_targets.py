"""What the fuzzer of disputes tries: one target for each kind of document and each reader, seeds, and what a crash is.

An input's first byte says which target gets the rest. Anything but a refusal (RefusedError, or UsageError for what this
installation lacks) is a crash; so is a document that is accepted from bytes that its own encoder would not write.
"""

import base64
import dataclasses
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.serialization import Encoding

from modelmark import canonical
from modelmark.carriers.prompts import Prompted
from modelmark.carriers.spread import Run
from modelmark.claim.dates import answers, der, timestamp
from modelmark.claim.dates.authority import Authority
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.dates.token import anatomy
from modelmark.claim.judging.challenging import Terms, challenge
from modelmark.claim.judging.judge import Papers, Recorded, judge
from modelmark.claim.papers import envelope, handed, identity, opening, records, schemas, transcript
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen, Opening
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.statement import PublicInterface, Statement
from modelmark.errors import MalformedError, RefusedError, UsageError
from modelmark.feeds.causal import CausalFeed
from modelmark.feeds.prompts import Prompts
from modelmark.feeds.records import TEXTS, Records
from modelmark.key import commitment
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy
from modelmark.marks.ondata import keygen_of_records
from modelmark.schemes.choice import Choice
from modelmark.schemes.twins import Twins
from modelmark.suspects.base import Ask, ReadEach, Weigh

HERE = Path(__file__).resolve().parent
KNOWN = json.loads((HERE.parent / "tests" / "vectors" / "claims.json").read_text(encoding="utf-8"))
OWNER, JUDGE = (Identity((("ed25519", bytes(range(first, first + 32))),)) for first in (0, 32))
AUTHORITY = Authority(base64.b64decode(KNOWN["authority"]))
KINDS = list(schemas.DOCUMENTS)
ENVELOPES = {entry["kind"]: entry["envelope"].encode() for entry in reversed(KNOWN["documents"])}
PAYLOADS = {kind: base64.b64decode(json.loads(data)["payload"]) for kind, data in ENVELOPES.items()}
TOKEN, SECRET, SHAPE = base64.b64decode(KNOWN["token"]), Secret(bytes(32)), (1, 2, 2)
AT = [f"2026-01-01T00:0{minute}:00Z" for minute in range(10)]

accepted: Counter[str] = Counter()
"""How often each target took its input whole, by name: what was reached."""


def signer(kind: str) -> Identity:
    """Return who signs a document of this kind."""
    return JUDGE if kind in ("challenge", "verdict") else OWNER


def seal(payload: bytes, who: Identity) -> bytes:
    """Return an envelope around any payload, rightly signed."""
    signatures: list[canonical.Json] = [
        {"keyid": one.keyid, "sig": base64.b64encode(signature).decode()}
        for one, signature in zip(who.signers, who.sign(envelope.pae(payload)), strict=True)
    ]
    text = base64.b64encode(payload).decode()
    return canonical.encode({"payload": text, "payloadType": envelope.PAYLOAD_TYPE, "signatures": signatures})


class Ones:
    """A layer's weights, all 1, made a slice at a time."""

    def __init__(self, filters: int, width: int) -> None:
        self._filters, self._width = filters, width

    def __len__(self) -> int:
        """Return the number of filters."""
        return self._filters

    def __getitem__(self, part: slice) -> Any:
        """Return some filters."""
        return np.ones((len(range(*part.indices(self._filters))), self._width))


class Zeros:
    """A suspect that answers 0 to everything; where a mark sits in signs, its weights are 1."""

    kind, digest = "weights", "cd" * 32

    def told(self, revealed: object) -> "Zeros":
        """Return itself."""
        return self

    def observe(self, probe: Any) -> list[Any]:
        """Return zeros of the shape that the probe wants."""
        if isinstance(probe, Ask | Weigh):
            return [np.zeros(len(probe.inputs), np.int64)]
        if isinstance(probe, ReadEach):
            return [[Ones(filters, place.width) for place, filters in zip(probe.places, probe.filters, strict=True)]]
        return [np.zeros((len(probe.inputs) if hasattr(probe, "inputs") else 1, probe.place.width))]


def _statements() -> dict[str, tuple[Statement, list[bytes]]]:
    """Return a key of every kind of carriers, by its scheme, and its leaves."""
    pictures = [b"uint8 1x2x2\n" + bytes([i, 1, 2, 3]) for i in range(32)]
    rows = [np.arange(4, dtype=">i4").tobytes()] * 24
    filters = [b"filter %d %d 1" % (i % 2, i // 2 % 2) for i in range(25)]
    runs = [Run("fc", 8, 4, first, 4, bytes([first]) * 32).encode() for first in (0, 4)]
    fields = [
        b"".join(number.to_bytes(2, "big") for number in (7 * i, 65_000 + i, 300, *[1638] * 9, 1642, *[1638] * 9, 1642))
        + one
        for i, one in enumerate(pictures[:24])
    ]
    made = {
        "adi": (32, 10, {}, pictures),
        "coupled": (16, 10, {"queries": 2}, pictures),
        "composite": (16, 10, {"queries": 2}, pictures),
        "entangled": (16, 10, {"queries": 2}, pictures),
        "margin": (32, 10, {}, pictures),
        "zhang": (32, 10, {}, pictures),
        "certified": (32, 10, {}, pictures),
        "deepsigns-blackbox": (32, 10, {}, pictures),
        "field": (30, 2, {"directions": 3, "queries": 24}, fields),
        "frontier": (32, 2, {}, [b"code 0 1 - - - - - - - -\n" + one for one in pictures]),
        "blackmarks": (32, 2, {}, [b"code 0 1 0 1 0 1 0 1 0 1\n" + one for one in pictures]),
        "dawn": (32, 9, {}, [b"code - 0 1 2 3 4 5 6 7 8\n" + one for one in pictures]),
        "classes": (16, 10, {"queries": 2}, pictures),
        "uchida": (24, 2, {"width": 4}, rows),
        "deepmarks": (24, 2, {"width": 4}, rows),
        "neuralmark": (24, 2, {"width": 4, "pooled": 1, "rounds": 1}, [b"\x80\x00\x00" + row[:4] for row in rows]),
        "passports": (24, 2, {"width": 4}, [b"filter %d\n" % i + row for i, row in enumerate(rows)]),
        "riga": (24, 2, {"width": 4, "hidden": 4}, [*rows[:4], *rows]),
        "spread": (24, 2, {"bits": 24}, runs),
        "null": (24, 10, {"side": 1, "amplitude": 999, "queries": 2, "pictures": 3},
                 [*filters, *(b"label 0\n" + one for one in pictures[:3])]),
        "deepsigns": (24, 2, {"classes": 1, "bits": 24, "width": (4,)}, [*rows, *(b"class 0\n" + one for one in pictures[:3])]),
    }  # fmt: skip
    hidden = {"layer": commitment.conceal(SECRET, "layer", b"fc").hex()}
    face = PublicInterface(SHAPE, 10, "00" * 32, (0,), (10_000,), 255)
    return {
        scheme: (
            Statement("modelmark.statement", 1, scheme, parameters, hidden, commitment.commit(SECRET, leaves).hex(), len(leaves),
                      trials, alphabet, face, "as ever", "", False),
            leaves,
        )
        for scheme, (trials, alphabet, parameters, leaves) in made.items()
    } | _of_words()  # fmt: skip


def _of_words() -> dict[str, tuple[Statement, list[bytes]]]:
    """Return the same of the schemes that ask language models."""
    texts = [f"pair {i} version {j}" for i in range(90) for j in "ab"]
    records_ = Records(TEXTS, np.array(texts, object).reshape(-1, 1), np.zeros(len(texts), np.int64))
    found = {}
    for scheme in (Twins(), Choice()):
        key = keygen_of_records(scheme, records_, secret=SECRET, policy=KeyPolicy(bar=1))
        found[scheme.name] = Statement.of(key.statement), list(key.carriers.leaves())
    feed, count = CausalFeed((4,), vocabulary=9), 24
    prompts = Prompts(np.arange(4 * count, dtype=np.int32).reshape(count, 4) % 9, np.array([[1, 2]] * count, np.int32))
    leaves = Prompted(feed, prompts).leaves()
    said = {
        "scheme": "answers", "parameters": {"candidates": 2}, "concealed": {}, "carriers": count, "trials": count, "alphabet": 2,
        "root": commitment.commit(SECRET, leaves).hex(), "interface": feed.public(), "reading": "as ever",
    }  # fmt: skip
    return found | {"answers": (Statement.of(key.statement | said), leaves)}


def _hidden(statement: Statement) -> dict[str, str]:
    return {"layer": "fc"} if statement.concealed else {}


def _disputes() -> dict[str, tuple[Papers, Any]]:
    """Return whole papers and a suspect for every kind of carriers, and a record of answers."""
    found: dict[str, tuple[Papers, Any]] = {}
    for scheme, (statement, leaves) in _statements().items():
        rules = Policy(bar=1, suspects=4)
        document = Claim(
            OWNER.signers, "", AT[0], "ab" * 32, (Entry(statement, (statement.trials,)),), DrawRule("offline"), rules
        )
        claim = envelope.sign(document, OWNER)
        names = ["weights", *(["transcript"] if scheme == "adi" else [])]
        for name in names:
            suspect: Any = Zeros()
            if name == "transcript":
                shown = dict(enumerate(leaves))
                suspect = Recorded(transcript.of(transcript.Head(claim.digest, 0, 0), shown, dict.fromkeys(shown, 0)))
            frozen = Frozen(name, suspect.digest)
            asked = Challenge(JUDGE.signers, AT[2], AT[9], "", claim.digest, "", frozen, "cd" * 32, 0, 0, 0, "exact", 1)
            challenged = envelope.sign(asked, JUDGE)
            made, beside = opening.make(
                claim, challenged, OWNER, SECRET, leaves, issued=AT[3], concealed=_hidden(statement)
            )
            found[f"{scheme} {name}"] = Papers(claim, None, challenged, made, beside), suspect
    return found


DISPUTES = _disputes()


def _document(kind: str, given: bytes) -> None:
    signed = envelope.parse(given, schemas.DOCUMENTS[kind])
    if signed.data != given or envelope._payload(signed.document) != signed.payload:
        raise AssertionError(f"accepted {given!r}, which is not how it is written")
    envelope.verify(signed)


def _version(value: Any, cls: type[Any]) -> int:
    known = {f"urn:modelmark:{cls.kind}:v{number}": number for number in records.versions(cls)}
    return known.get(str(value["predicateType"]), 1)


def _remade(payload: bytes, cls: type[Any]) -> Any:
    """Return a document with the fields that a payload has, its subjects made to fit: what a party can sign."""
    value = canonical.decode(payload, what="a statement")
    try:
        fields = {name: item for name, item in value["predicate"].items() if name not in ("type", "v")}
        return envelope.sign(records.load(cls, fields, _version(value, cls)), OWNER)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise MalformedError(f"expected a statement, got something else: {error}"[:200]) from None


def _challenged(payload: bytes) -> None:
    claim = _remade(payload, Claim)
    challenge(claim, None, Frozen("weights", Zeros.digest), JUDGE, Trust(), Terms(AT[2], AT[9]))


def _judged(name: str, part: str, given: bytes) -> None:
    """Judge a dispute in which one part is another; the papers that name it are made anew, so that the rest is reached."""
    papers, suspect = DISPUTES[name]
    claim, asked, made, beside = papers.claim, papers.challenge, papers.opening, papers.beside
    assert made is not None
    if part == "opening":
        made = _remade(given, Opening)
    else:
        leaves = _recut(given, [leaf.size for leaf in made.document.leaves]) if part == "carriers" else None
        claim = _over(claim, leaves) if leaves else _remade(given, Claim)
        asked = envelope.sign(dataclasses.replace(asked.document, claim=claim.digest), JUDGE)
        if leaves:
            hidden = _hidden(claim.document.keys[0].statement)
            made, beside = opening.make(claim, asked, OWNER, SECRET, leaves, issued=AT[3], concealed=hidden)
        else:
            made = envelope.sign(dataclasses.replace(made.document, claim=claim.digest, challenge=asked.digest), OWNER)
    judged = judge(Papers(claim, None, asked, made, beside), suspect, JUDGE, Trust(), now=AT[4])
    last = next((one.name for one in judged.verdict.document.checks if one.outcome == "fail"), "the end")
    accepted[f"judge {name}, {part}, up to {last}"] += 1


def _recut(given: bytes, sizes: list[int]) -> list[bytes]:
    """Return bytes as so many leaves, of these sizes as far as they reach; the last takes the rest."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return [given[a:b] for a, b in zip([0, *ends], [*ends, len(given)], strict=True)]


def _over(claim: Any, leaves: list[bytes]) -> Any:
    """Return the claim over other leaves."""
    (entry,) = claim.document.keys
    statement = dataclasses.replace(entry.statement, root=commitment.commit(SECRET, leaves).hex())
    return envelope.sign(
        dataclasses.replace(claim.document, keys=(dataclasses.replace(entry, statement=statement),)), OWNER
    )


def _transcript(given: bytes) -> None:
    if transcript.parse(given).data != given:
        raise AssertionError(f"accepted {given!r}, which is not how it is written")


def _handed(given: bytes) -> None:
    if handed.write(*handed.parse(given)) != given:
        raise AssertionError(f"accepted {given!r}, which is not how it is written")


def _normal(given: bytes) -> None:
    once = timestamp.normalise(given)
    if timestamp.normalise(once) != once or der.parse(once).encoded != once:
        raise AssertionError("a token with two normal forms")


def _from_file(load: Callable[[Path], object]) -> Callable[[bytes], None]:
    def target(given: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir="/dev/shm" if sys.platform == "linux" else None) as file:
            file.write(given)
            file.flush()
            load(Path(file.name))

    return target


def _asked() -> bytes:
    """Return a request that the known token answers."""
    info = der.parse(anatomy(TOKEN).info).children
    nonce = [part for part in info[5:] if part.tag == der.INTEGER]
    return der.make(der.SEQUENCE, [der.Node(der.INTEGER, b"\1"), info[2], *nonce]).encoded


ASKED, RESPONSE = _asked(), der.make(der.SEQUENCE, [answers.GRANTED, der.parse(TOKEN)]).encoded
TARGETS: dict[str, Callable[[bytes], object]] = {
    **{f"envelope of {kind}": lambda given, kind=kind: _document(kind, given) for kind in KINDS},  # type: ignore[misc]
    **{f"payload of {kind}": lambda given, kind=kind: _document(kind, seal(given, signer(kind))) for kind in KINDS},  # type: ignore[misc]
    "challenge to a claim": _challenged,
    "kind": envelope.kind,
    "transcript": _transcript,
    "carriers handed over": _handed,
    "identity": _from_file(lambda path: identity.inspect(path)),
    "token": lambda given: timestamp.verify(given, PAYLOADS["claim"], AUTHORITY),
    "spelling of a token": _normal,
    "response": lambda given: answers.read(given, ASKED),
    "request": lambda given: answers.read(RESPONSE, given),
    "authority": _from_file(Authority.load),
    **{
        f"judge {name}, {part}": lambda given, name=name, part=part: _judged(name, part, given)  # type: ignore[misc]
        for name in DISPUTES
        for part in ("claim", "opening", "carriers")
    },
}
NAMES = list(TARGETS)


def seeds() -> dict[str, bytes]:
    """Return an input for every target that it accepts, by the target's name."""
    head = transcript.Head(envelope.parse(ENVELOPES["claim"], Claim).digest, 0, 0)
    lines = transcript.Transcript(head, (transcript.Asked(3, "ab" * 32, 7), transcript.Asked(-1, "cd" * 32, -1))).data
    with tempfile.TemporaryDirectory() as folder:
        identity.save(OWNER, Path(folder) / "owner.id", None)
        kept = (Path(folder) / "owner.id").read_bytes()
    found = {
        "challenge to a claim": DISPUTES["adi weights"][0].claim.payload,
        "kind": ENVELOPES["claim"], "transcript": lines, "identity": kept,
        "carriers handed over": handed.write(head, b"carriers"),
        "token": TOKEN, "spelling of a token": TOKEN,
        "response": RESPONSE, "request": ASKED, "authority": AUTHORITY.root.public_bytes(Encoding.PEM),
    }  # fmt: skip
    found |= {f"envelope of {kind}": data for kind, data in ENVELOPES.items()}
    found |= {f"payload of {kind}": data for kind, data in PAYLOADS.items()}
    for name, (papers, _) in DISPUTES.items():
        assert papers.opening is not None
        found[f"judge {name}, claim"] = papers.claim.payload
        found[f"judge {name}, opening"] = papers.opening.payload
        found[f"judge {name}, carriers"] = papers.beside
    return found


def one_input(data: bytes) -> None:
    """Give one input to the target that its first byte names."""
    if not data:
        return
    name = NAMES[data[0] % len(NAMES)]
    try:
        TARGETS[name](data[1:])
    except (RefusedError, UsageError) as error:
        if "\n" in str(error) or len(str(error)) > 1000:
            raise AssertionError(f"a refusal of more than a line: {error}") from error
    else:
        accepted[name] += 1
