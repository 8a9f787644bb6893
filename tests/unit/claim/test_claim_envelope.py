"""What is signed is DSSE's encoding of an in-toto statement; who must sign is in what is signed."""

import base64
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelmark.claim.papers import envelope, schemas
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Deposit
from modelmark.claim.papers.identity import Identity
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.verdict import Charged, Revocation, Spent, Weighed
from modelmark.errors import MalformedError, MismatchError, OutputExistsError


def test_pae_is_that_of_the_dsse_specification() -> None:
    assert envelope.pae(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_signed_document_comes_back_from_its_file(case, tmp_path) -> None:
    signed = case.claim("")
    envelope.save(signed, tmp_path / "a.claim")
    assert envelope.load(tmp_path / "a.claim", Claim) == signed
    assert envelope.kind(signed.data) == "claim"
    with pytest.raises(OutputExistsError):
        envelope.save(signed, tmp_path / "a.claim")
    with pytest.raises(MalformedError, match="found none"):
        envelope.load(tmp_path / "b.claim", Claim)


def test_the_payload_is_an_in_toto_statement_about_the_keys_and_the_release(case) -> None:
    signed = case.claim("")
    statement = json.loads(base64.b64decode(json.loads(signed.data)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:modelmark:claim:v1"
    assert [subject["digest"] for subject in statement["subject"]] == [
        {"modelmarkStatementV1": case.key().fingerprint}, {"sha256": "ab" * 32},
    ]  # fmt: skip
    assert Statement.of(statement["predicate"]["keys"][0]["statement"]).digest == case.key().digest


def test_signatures_are_no_part_of_the_name(case) -> None:
    """ML-DSA and ECDSA signatures differ from one signing to the next."""
    first, second = case.claim("", case.LASTING), case.claim("", case.LASTING)
    assert first.data != second.data
    assert first.digest == second.digest


def test_only_the_named_identity_signs(case) -> None:
    with pytest.raises(MismatchError, match="the identity that the claim names"):
        envelope.sign(case.claim("").document, case.JUDGE)


@pytest.mark.parametrize("kept", [[0], [1], [0, 1], [0, 2], [1, 2], [1, 0, 2], [0, 1, 2, 2], []])
def test_no_signature_is_stripped_swapped_or_doubled(case, kept) -> None:
    value = json.loads(case.claim("", case.LASTING).data)
    value["signatures"] = [value["signatures"][i] for i in kept]
    with pytest.raises(MalformedError):
        envelope.parse(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), Claim)


def test_a_signature_cannot_be_stripped_by_naming_fewer_signers(case) -> None:
    lasting = case.claim("", case.LASTING)
    fewer = dataclasses.replace(lasting.document, signers=lasting.document.signers[:1])
    stripped = envelope.sign(fewer, Identity(case.LASTING.private[:1]))
    assert stripped.digest != lasting.digest


def test_a_document_of_one_kind_is_none_of_another(case) -> None:
    signed = envelope.sign(Deposit(case.OWNER.signers, case.at(0), "00" * 32, (b"token",)), case.OWNER)
    for kind, cls in schemas.DOCUMENTS.items():
        if kind != "deposit":
            with pytest.raises(MalformedError, match=f"expected a document of kind {kind}, got one of kind deposit"):
                envelope.parse(signed.data, cls)


def entry(case, **changes: object) -> Entry:
    return Entry(dataclasses.replace(Statement.of(case.key().statement), **changes), (4, 4))


def revocation(case, reason: str, burned: tuple[Spent, ...]) -> Revocation:
    return Revocation(case.OWNER.signers, case.at(0), "00" * 32, reason, case.at(0), lots=burned)


def replaced(case, **changes: object) -> Claim:
    return dataclasses.replace(case.claim("").document, **changes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda case: Entry(Statement.of(case.key().statement), (4, 3)), "cover 8 trials, got 7"),
        (lambda case: Entry(Statement.of(case.key().statement), (8, 0)), "integer from 1"),
        (lambda case: entry(case, carriers=9), "expected one lot, as 9 carriers are not the 8 trials"),
        (lambda case: entry(case, self_check=True), "self-check key"),
        (lambda case: entry(case, alphabet=1), "integer from 2"),
        (lambda case: DrawRule("offline", ("00" * 32,)), "authorities exactly when there is a deposit"),
        (lambda case: DrawRule("timestamp"), "authorities exactly when there is a deposit"),
        (lambda case: DrawRule("timestamp", ("00" * 32,), "drand", 5), "a beacon and its round exactly"),
        (lambda case: DrawRule("beacon", ("00" * 32,)), "a beacon and its round exactly"),
        (lambda case: DrawRule("beacon", ("00" * 32,), "drand"), "a beacon and its round exactly"),
        (lambda case: DrawRule("timestamp", ("11" * 32, "00" * 32)), "ascending order"),
        (lambda case: DrawRule("timestamp", ("00" * 32, "00" * 32)), "ascending order"),
        (lambda case: Policy(bar=0), "integer from 1"),
        (lambda case: replaced(case, prior=("11" * 32, "00" * 32)), "prior claims in ascending"),
        (lambda case: replaced(case, keys=(entry(case), entry(case, reading="x"))), "one root twice"),
        (lambda case: replaced(case, signers=()), "a list of 1 to 3"),
        (lambda case: Weighed("exact", 3, 4, 10, 0, (), 0, 64), "at most 3 matches"),
        (lambda case: Weighed("exact", 3, 3, 10, 9000, (Charged("draw", 8000),), 2000, 64), "net bits as gross less charges"),
        (lambda case: revocation(case, "mistake", (Spent(0, 0),)), "lots exactly"),
        (lambda case: revocation(case, "lots-burned", ()), "lots exactly"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_never_made(case, make, said) -> None:
    with pytest.raises(ValueError, match=said):
        make(case)


def test_a_verdict_shows_dependence_at_the_bar_alone_and_says_what_it_shows(case) -> None:
    verdict = next(
        envelope.parse(entry["envelope"].encode(), schemas.DOCUMENTS["verdict"]).document
        for entry in json.loads(case.FILE.read_text())["documents"]
        if entry["kind"] == "verdict"
    )
    shown = {"decision": "dependence-shown", "sentence": case.SENTENCES["dependence-shown"]}
    reached = dataclasses.replace(verdict, weighed=(Weighed("exact", 30, 30, 10, 99000, (), 99000, 64),), **shown)
    assert reached.weighed[0].net == 99000
    with pytest.raises(ValueError, match="the sentence of 'dependence-shown'"):
        dataclasses.replace(reached, sentence=case.SENTENCES["no-evidence"])
    for change in ({"weighed": ()}, {"weighed": verdict.weighed}, {"checks": (case.Check("order", "fail"),)}):
        with pytest.raises(ValueError, match="only at the bar and with no failed check"):
            dataclasses.replace(reached, **change)


def test_line_by_line_a_claim_reads_as_its_statement_says(case) -> None:
    statement = case.key().statement
    for change in ({"type": "other"}, {"v": 2}, {"v": True}, {"root": "AB" * 32}, {"more": 1}, {"trials": 0},
                   {"parameters": {"x": None}}, {"parameters": {"x": [[1]]}}, {"interface": {}},
                   {"scheme": "a\x1b[2J"}):  # fmt: skip
        with pytest.raises(ValueError, match=r"^expected"):
            Statement.of(statement | change)


def test_the_whole_room_loads_without_torch_and_without_the_timestamp_client() -> None:
    folder = Path(envelope.__file__).parent
    names = sorted(f"modelmark.claim.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(names) > 15
    code = (
        f"import sys, {', '.join(names)}; sys.exit(len({{'torch', 'rfc3161_client', 'pydantic'}} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
