"""A verdict computed again by a reader: honest ones come out the same, and what a judge made up does not."""

import dataclasses
import hashlib
import re
from types import SimpleNamespace

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import Fixed, leaves
from verdict_cases import KEY, WAYS, dated, failing, judged

import field_keys
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging import again, pages, reading
from modelmark.claim.judging.again import LEFT_OUT, OTHER, SAME
from modelmark.claim.judging.explaining import explain
from modelmark.claim.papers import envelope
from modelmark.claim.papers.verdict import SENTENCES, Check
from modelmark.errors import MismatchError, UsageError


def made(held, draw, end, **changes):
    return judged(held, draw, end, **changes), held[2]


@pytest.mark.parametrize(("draw", "end"), WAYS)
def test_what_an_honest_judge_signed_comes_out_the_same_from_papers_and_record(authorities, draw, end):
    case, trust = made(dated(draw, authorities), draw, end)
    found = again.again(case.signed, case.papers, trust, record=case.record)
    assert found.agrees, found.summary
    came = {one.name: one.came for one in found.checks}
    assert list(came) == [check.name for check in case.verdict.checks]
    left = {name for name, word in came.items() if word == LEFT_OUT}
    if end in ("silent", "revoked"):  # decided before anybody looks at the suspect
        assert not left
    elif case.record is not None:  # the suspect is not here, what it answered is
        assert left == {"suspect"}
        assert "in how many ways the suspect was read" in found.on_trust
    elif end == "older":
        assert left == {"suspect"}
    else:  # another suspect came, no record was kept, and nobody here can say what it was
        assert {"suspect", "answers", "test"} <= left


def test_a_record_of_an_api_is_the_suspect_itself_and_nothing_is_left_out(authorities):
    case, trust = made(dated("offline", authorities), "offline", "matches", recorded=True)
    found = again.again(case.signed, case.papers, trust, record=case.record)
    assert {one.came for one in found.checks} == {SAME}
    assert found.summary.startswith(f"All {len(case.verdict.checks)} checks were made again here")


def test_with_the_suspect_itself_every_check_is_made_again(authorities):
    held = dated("offline", authorities)
    case, trust = made(held, "offline", "matches")
    message = KEY.mark(KEY.draw()).message
    suspect = Fixed(leaves(KEY), message)
    claim = case.claim.document
    assert claim.draw.kind == "offline"
    found = again.again(case.signed, case.papers, trust, suspect=suspect)
    assert {one.came for one in found.checks} == {SAME}
    assert found.agrees


def test_without_suspect_and_record_what_needs_them_is_left_out_and_nothing_is_accused(authorities):
    case, trust = made(dated("offline", authorities), "offline", "matches")
    found = again.again(case.signed, case.papers, trust)
    assert found.agrees
    assert {one.name for one in found.checks if one.came == LEFT_OUT} == {"suspect", "answers", "test"}
    assert found.lacking == ("the suspect, or the record of its answers",)


def test_numbers_that_a_judge_made_up_come_out_otherwise(authorities):
    """Signed and well-formed: ``explain`` alone, which checks the signature, takes it."""
    case, trust = made(dated("offline", authorities), "offline", "misses")
    (weighed,) = case.verdict.weighed
    due = sum(charge.millibits for charge in weighed.charges)
    forged = dataclasses.replace(weighed, matches=weighed.trials, gross=due + 400_000, net=400_000)
    lie = dataclasses.replace(
        case.verdict, weighed=(forged,), decision="dependence-shown", sentence=SENTENCES["dependence-shown"]
    )
    signed = envelope.sign(lie, cases.JUDGE)
    assert envelope.parse(signed.data, type(lie)).document.decision == "dependence-shown"
    found = again.again(signed, case.papers, trust, record=case.record)
    assert not found.agrees
    assert found.differing == ("the decision", "the numbers of the test")
    assert "otherwise than the judge signed" in found.summary


def test_a_check_that_a_judge_says_failed_and_did_not_is_named(authorities):
    case, trust = made(dated("offline", authorities), "offline", "matches")
    found = again.again(failing(case, "carriers", "invalid-claim").signed, case.papers, trust, record=None)
    assert next(one.name for one in found.checks if one.came == OTHER) == "carriers"
    assert "carriers" in found.summary


def test_a_judge_may_know_papers_that_a_reader_has_not(authorities):
    case, trust = made(dated("offline", authorities), "offline", "revoked")
    bare = dataclasses.replace(case.papers, revocations=[])
    found = again.again(case.signed, bare, trust)
    (row,) = [one for one in found.checks if one.name == "revocation"]
    assert row.came == OTHER
    assert row.detail.endswith("the judge may have known papers that are not at hand")


def test_an_authority_that_the_reader_does_not_trust_is_said_to_be_lacking(authorities):
    case, _ = made(dated("timestamp", authorities), "timestamp", "matches")
    found = again.again(case.signed, case.papers, Trust(), record=case.record)
    assert (found.summary, found.checks) == (again.NOTHING, ())
    (line,) = found.lacking
    assert re.fullmatch(
        "the root certificate of the timestamp authority [0-9a-f]{16}, which dates the claim; .* trust it", line
    )


def test_what_is_refused_is_not_said_to_be_lacking(authorities, monkeypatch):
    case, trust = made(dated("timestamp", authorities), "timestamp", "matches")

    def refusing(*_, **__):
        raise UsageError("expected X, got Y", hint="do Z")

    monkeypatch.setattr(again, "examine", refusing)
    found = again.again(case.signed, case.papers, trust, record=case.record)
    assert (found.summary, found.lacking, found.stopped) == (again.NOTHING, (), "expected X, got Y. do Z")
    assert "It was refused: expected X, got Y. do Z." in explain(case.signed, came=found)
    assert "<p>It was refused: expected X, got Y. do Z</p>" in pages.page(case.signed, None, None, "", found)


def test_papers_that_are_not_at_hand_are_named(authorities):
    case, _ = made(dated("timestamp", authorities), "timestamp", "matches")
    names = [line.split(",")[0] for line in again.lacking(case.signed, [case.claim])]
    assert names == ["the deposit", "the challenge", "the opening"]
    assert not again.lacking(case.signed, [case.claim, case.challenge, case.papers.deposit, case.papers.opening])


def test_another_suspect_or_record_than_the_verdicts_is_refused(authorities):
    case, trust = made(dated("offline", authorities), "offline", "matches")
    other, _ = made(dated("offline", authorities), "offline", "misses")
    with pytest.raises(MismatchError, match="expected the suspect that was judged"):
        again.again(case.signed, case.papers, trust, suspect=Fixed((), (), digest="ab" * 32))
    with pytest.raises(MismatchError, match=r"expected the record .* that the verdict names"):
        again.again(case.signed, case.papers, trust, record=other.record)


def test_a_check_of_a_later_version_is_left_out_and_not_accused(authorities):
    case, trust = made(dated("offline", authorities), "offline", "matches")
    later = dataclasses.replace(case.verdict, checks=(*case.verdict.checks, Check("aura", "pass", "bright")))
    found = again.again(envelope.sign(later, cases.JUDGE), case.papers, trust, record=case.record)
    assert (found.checks[-1].name, found.checks[-1].came) == ("aura", LEFT_OUT)


@pytest.mark.parametrize(("gross", "says"), [(0, "come out as the judge signed them"), (1, "ask him why")])
def test_the_page_says_beside_each_check_what_came_out_here(authorities, gross, says):
    case, trust = made(dated("offline", authorities), "offline", "matches")
    (weighed,) = case.verdict.weighed
    changed = dataclasses.replace(weighed, gross=weighed.gross + gross, net=weighed.net + gross)
    signed = envelope.sign(dataclasses.replace(case.verdict, weighed=(changed,)), cases.JUDGE)
    found = again.again(signed, case.papers, trust, record=case.record)
    page = pages.page(signed, case.claim, case.challenge, "", found)
    assert page.count('<span class="again">Made again: ') == len(case.verdict.checks)
    assert says in page
    assert pages.part(signed, case.claim, case.challenge, "", found) in page


def test_a_record_of_a_field_is_weighed_by_its_grades_again():
    """Signs counted alone would come out as another verdict than the judge's, who weighed them."""
    key = field_keys.key()
    carriers, message = key.carriers, key.mark(key.draw(offline=True)).message.tolist()
    labels = field_keys.answers(key, 1.0)
    own = reading.answered(
        {"": lambda: Fixed(list(carriers.queries().values()), labels)}, carriers, carriers.trials, message
    )
    asked = [
        SimpleNamespace(carrier=number, query=hashlib.sha256(query).hexdigest(), answer=int(labels[number]))
        for number, query in carriers.queries().items()
    ]
    found = again._Replayed(SimpleNamespace(asked=asked), own.readings)(carriers, carriers.trials, message)
    assert own.scores is not None
    assert found.scores is not None
    assert np.array_equal(found.scores.table, own.scores.table)
    assert (found.symbols, found.readings) == (own.symbols, 3)
