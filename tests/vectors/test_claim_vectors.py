"""Known claims: every later version reads them, names them alike, and draws the same message from the same token."""

import base64
import json
import runpy
from pathlib import Path

import pytest

from modelmark.claim.dates import deposit
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.dates.timestamp import Authority
from modelmark.claim.judging.cut_and_choose import half
from modelmark.claim.papers import envelope, lots, opening, records, schemas, transcript
from modelmark.claim.papers.claim import Claim
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.verdict import Graded, Verdict

HERE = Path(__file__).parent
KNOWN = json.loads((HERE / "claims.json").read_text(encoding="utf-8"))
SIGNED = {
    entry["kind"]: envelope.parse(entry["envelope"].encode(), schemas.DOCUMENTS[entry["kind"]])
    for entry in KNOWN["documents"]
}


def test_there_is_one_document_of_every_kind_and_each_has_its_known_name() -> None:
    assert list(SIGNED) == list(schemas.DOCUMENTS)
    assert [signed.digest for signed in SIGNED.values()] == [entry["digest"] for entry in KNOWN["documents"]]


@pytest.mark.parametrize("known", KNOWN["later"], ids=lambda known: known["kind"])
def test_documents_of_later_versions_have_their_known_names_too(known) -> None:
    signed = envelope.parse(known["envelope"].encode(), schemas.DOCUMENTS[known["kind"]])
    assert (signed.digest, records.version(signed.document)) == (known["digest"], 2)


@pytest.mark.parametrize(
    ("known", "version"), list(zip(KNOWN["copies"], (2, 3, 2, 3), strict=True)), ids=lambda one: str(one)[:20]
)
def test_documents_about_a_recipients_copy_have_their_known_names_too(known, version) -> None:
    signed = envelope.parse(known["envelope"].encode(), schemas.DOCUMENTS[known["kind"]])
    assert (signed.digest, records.version(signed.document)) == (known["digest"], version)


def test_a_claim_of_other_inputs_has_its_known_name_and_is_of_version_3() -> None:
    (known,) = KNOWN["inputs"]
    signed = envelope.parse(known["envelope"].encode(), Claim)
    assert (signed.digest, records.version(signed.document)) == (known["digest"], 3)
    fed = signed.document.keys[0].statement.feed
    assert (fed.kind, fed.input_shape, fed.classes) == ("causal", (16,), 512)


def test_a_verdict_about_grades_has_its_known_name_and_is_of_version_4() -> None:
    (known,) = KNOWN["graded"]
    signed = envelope.parse(known["envelope"].encode(), Verdict)
    assert (signed.digest, records.version(signed.document)) == (known["digest"], 4)
    (weighed,) = signed.document.weighed
    assert isinstance(weighed, Graded)
    assert (weighed.score, weighed.highest, weighed.matches, weighed.trials) == (41, 47, 6, 8)


def test_the_deposit_draws_the_known_message() -> None:
    trust = Trust([Authority(base64.b64decode(KNOWN["authority"]))])
    dated = deposit.check(SIGNED["claim"], SIGNED["deposit"], trust)
    assert dated.token.hex() == KNOWN["draw"]["token"]
    assert dated.draw().message(3, 8).tolist() == KNOWN["draw"]["message"]
    assert dated.date is not None
    assert dated.date.isoformat() == KNOWN["date"]


def test_the_opening_opens_the_claim() -> None:
    opened = opening.check(SIGNED["claim"], SIGNED["challenge"], SIGNED["opening"])
    assert len(opened.trials) == 3
    assert opened.revealed == {"arch": "lenet5"}


def test_the_claim_signed_in_three_ways_is_read() -> None:
    signed = envelope.parse(KNOWN["lasting"].encode(), Claim)
    assert [signer.algorithm for signer in signed.document.signers] == ["ed25519", "ml-dsa-65", "p256"]


ANSWERS = json.loads((HERE / "known-answers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("known", [entry["answer"] for entry in ANSWERS if "statement" in entry["function"]])
def test_the_statement_of_every_scheme_fits_into_a_claim(known) -> None:
    statement = Statement.of(known["statement"])
    assert records.dump(statement) == known["statement"]
    assert statement.digest.hex() == known["digest"]


@pytest.mark.parametrize("known", KNOWN["choose"])
def test_the_known_choice(known) -> None:
    assert list(lots.choose(known["count"], known["wanted"], "open", b"a", b"b")) == known["answer"]


@pytest.mark.parametrize("known", KNOWN["order"])
def test_the_known_order_of_asking(known) -> None:
    head = transcript.Head(known["claim"], 0, 0, known["nonce"], "exact")
    assert list(transcript.order(head, range(known["count"]))) == known["answer"]


@pytest.mark.parametrize("known", KNOWN["half"])
def test_the_known_half(known) -> None:
    assert list(half(bytes(32), known["count"], bytes(32), b"")) == known["answer"]


def test_the_script_writes_the_same_again() -> None:
    made = runpy.run_path(str(HERE / "make_claims.py"))
    anchor, token, lasting = made["stamped"]()
    assert made["build"](anchor, token) | {"lasting": lasting} == KNOWN
