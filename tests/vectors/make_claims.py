"""Write the known claims anew: ``python tests/vectors/make_claims.py``.

Only for a change of the format that is meant; ``README.md`` says what ``claims.json`` holds. The timestamp token is kept
while the claim stays the same byte for byte; otherwise a throwaway authority (openssl) stamps it anew.
"""

import base64
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelmark import hashing
from modelmark.claim.dates import deposit, timestamp
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.dates.timestamp import Authority
from modelmark.claim.judging.cut_and_choose import half
from modelmark.claim.papers import envelope, lots, opening, recipients, schemas
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen, Opening, Source
from modelmark.claim.papers.envelope import Signed
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.interface import OtherInterface
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Head, order
from modelmark.claim.papers.verdict import (
    SENTENCES,
    Burned,
    Charged,
    Check,
    Graded,
    Revocation,
    Spent,
    Verdict,
    Weighed,
)
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

HERE = Path(__file__).parent
FILE = HERE / "claims.json"
SCHEMAS = HERE.parents[1] / "docs" / "spec" / "schemas"
SECRET = Secret(bytes(range(32)))
INTERFACE = PictureFeed((1, 4, 4), ("zero", "one", "two"))
OWNER = Identity((("ed25519", bytes(range(32))),))
JUDGE = Identity((("ed25519", bytes(range(32, 64))),))
LASTING = Identity(tuple((name, bytes(range(32))) for name in ("ed25519", "ml-dsa-65", "p256")))
NONCE = bytes(range(64, 96)).hex()


def at(minute: int) -> str:
    """A moment of the made-up dispute."""
    return f"2026-01-01T00:{minute:02}:00Z"


def key() -> Key:
    """The smallest key that shows everything: eight pictures of 4 x 4 pixels."""
    return Key(Adi(triggers=8), SECRET, INTERFACE, arch="lenet5")


def claim(authority: str, identity: Identity = OWNER) -> Signed[Claim]:
    """Its claim: two lots of four."""
    entry = Entry(Statement.of(key().statement), (4, 4))
    rule = DrawRule("timestamp", (authority,)) if authority else DrawRule("offline")
    document = Claim(identity.signers, "Emmy Noether", at(0), NONCE, (entry,), rule, Policy(bar=8), release="ab" * 32)
    return envelope.sign(document, identity)


def dispute(claimed: Signed[Claim], paper: Signed[Any]) -> list[Signed[Any]]:
    """Challenge, opening, verdict and revocation that follow."""
    made = key()
    suspect = Frozen("weights", "cd" * 32)
    challenge = envelope.sign(
        Challenge(
            JUDGE.signers, at(2), at(9), "Noether v. Hilbert", claimed.digest, paper.digest, suspect, NONCE,
            key=0, lot=1, draws=3, test="exact", bar=8,
        ),
        JUDGE,
    )  # fmt: skip
    leaves = made.carriers.leaves()
    opened, _ = opening.make(claimed, challenge, OWNER, SECRET, leaves, issued=at(3), concealed={"arch": "lenet5"})
    verdict = Verdict(
        JUDGE.signers, at(4), claimed.digest, paper.digest, challenge.digest, opened.digest, suspect, "",
        claim_date=at(1), suspect_date="", order="unknown", checks=(Check("signatures", "pass", "all hold"),),
        weighed=(Weighed("exact", 3, 1, 3, 506, (Charged("timestamp draw", 48000),), 0, 8),),
        decision="no-evidence", sentence=SENTENCES["no-evidence"], spent=(Spent(0, 1),), software="modelmark 0.1.0",
    )  # fmt: skip
    burned = Revocation(OWNER.signers, at(5), claimed.digest, "lots-burned", at(5), lots=(Spent(0, 1),))
    return [challenge, opened, envelope.sign(verdict, JUDGE), envelope.sign(burned, OWNER)]


def later(challenge: Challenge, verdict: Verdict) -> list[Signed[Any]]:
    """The same challenge and verdict as they are written since version 2."""
    source, burned = Source(beacon="moon", round=7, proof=b"signed"), Burned(key().statement["root"], 4, 4)
    return [
        envelope.sign(replace(challenge, source=(source,)), JUDGE),
        envelope.sign(replace(verdict, burned=(burned,), release="ab" * 32), JUDGE),
    ]


def copies(claimed: Claim, challenge: Challenge, opened: Opening, verdict: Verdict) -> list[Signed[Any]]:
    """The same claim, challenge, opening and verdict as they are written where a recipient's copy is judged."""
    names, spread = ("Ada Ltd", "Bob & Sons", "Cleo"), replace(claimed.keys[0].statement, scheme="spread", alphabet=2)
    said = recipients.fix(0, names, SECRET)
    place = recipients.show(said, "Cleo", names, SECRET)
    assert place is not None
    entries = (replace(claimed.keys[0], statement=spread),)
    return [
        envelope.sign(replace(claimed, keys=entries, recipients=(said,)), OWNER),
        envelope.sign(replace(challenge, recipient="Cleo"), JUDGE),
        envelope.sign(replace(opened, listed=(place,)), OWNER),
        envelope.sign(replace(verdict, recipient="Cleo"), JUDGE),
    ]


def inputs(claimed: Claim) -> list[Signed[Any]]:
    """The same claim as it is written of a language model: since version 3."""
    fed = OtherInterface("causal", (16,), 512, hashing.digest("class-map", b"[]").hex(), 512, "cd" * 32)
    public = replace(claimed.keys[0].statement, v=2, scheme="answers", alphabet=16, interface=fed)
    return [envelope.sign(replace(claimed, keys=(replace(claimed.keys[0], statement=public),)), OWNER)]


def graded(verdict: Verdict) -> list[Signed[Any]]:
    """The same verdict as it is written of grades: since version 4."""
    weighed = Graded("exact", 8, 6, 2, 5000, (Charged("timestamp draw", 48000),), 0, 8, score=41, highest=47)
    return [envelope.sign(replace(verdict, weighed=(weighed,)), JUDGE)]


def asking(nonce: str) -> Head:
    """The first line of a record whose order a nonce gives."""
    return Head("ab" * 32, 0, 0, nonce, "exact")


def entry(one: Signed[Any]) -> dict[str, Any]:
    """A document, its name and its kind."""
    return {"kind": one.document.kind, "digest": one.digest, "envelope": one.data.decode()}


def build(anchor: bytes, token: bytes) -> dict[str, Any]:
    """Return all that follows from an authority's certificate and its token."""
    authority = Authority(anchor)
    trust, claimed = Trust([authority]), claim(authority.fingerprint)
    paper = deposit.make(claimed, [token], OWNER, trust, issued=at(1))
    dated = deposit.check(claimed, paper, trust)
    signed = [claimed, paper, *dispute(claimed, paper)]
    return {
        "authority": base64.b64encode(anchor).decode(),
        "token": base64.b64encode(token).decode(),
        "documents": [entry(one) for one in signed],
        "later": [entry(one) for one in later(signed[2].document, signed[4].document)],
        "copies": [entry(one) for one in copies(*(signed[i].document for i in (0, 2, 3, 4)))],
        "inputs": [entry(one) for one in inputs(claimed.document)],
        "graded": [entry(one) for one in graded(signed[4].document)],
        "date": dated.date.isoformat() if dated.date else "",
        "draw": {"token": dated.token.hex(), "message": dated.draw().message(3, 8).tolist()},
        "choose": [
            {"count": count, "wanted": wanted, "answer": list(lots.choose(count, wanted, "open", b"a", b"b"))}
            for count, wanted in ((1, 1), (8, 3), (100, 40))
        ],
        "order": [
            {"nonce": NONCE, "claim": "ab" * 32, "count": count, "answer": list(order(asking(NONCE), range(count)))}
            for count in (1, 8, 40)
        ],
        "half": [{"count": count, "answer": list(half(bytes(32), count, bytes(32), b""))} for count in (4, 40)],
    }


def stamped() -> tuple[bytes, bytes, str]:
    """Return a certificate, its token of the claim, and the claim in all three algorithms; old ones where they still fit."""
    if FILE.exists():
        old = json.loads(FILE.read_text(encoding="utf-8"))
        anchor, token = base64.b64decode(old["authority"]), base64.b64decode(old["token"])
        claimed = claim(Authority(anchor).fingerprint)
        if claimed.data.decode() == old["documents"][0]["envelope"]:
            return anchor, token, old["lasting"]
    from modelmark.testing.authority import LocalAuthority

    with tempfile.TemporaryDirectory() as folder:
        local = LocalAuthority.make(Path(folder))
        authority = Authority.load(local.root)
        claimed = claim(authority.fingerprint)
        asked = timestamp.request(claimed.payload)
        token = deposit.receive(claimed, local.answer(asked), asked, authority)
    return authority.anchor, token, claim("", LASTING).data.decode()


if __name__ == "__main__":
    anchor, token, lasting = stamped()
    FILE.write_text(json.dumps(build(anchor, token) | {"lasting": lasting}, indent=1) + "\n", encoding="utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for name, (kind, version) in schemas.names().items():
        text = json.dumps(schemas.schema(kind, version), indent=2, ensure_ascii=False) + "\n"
        (SCHEMAS / f"{name}.json").write_text(text, encoding="utf-8")
