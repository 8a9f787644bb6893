"""Disputes about ordinary answers that lean: all signs share all queries, and clearer signs count more."""

import dataclasses
import runpy
from types import SimpleNamespace

import claim_cases as cases
import numpy as np
import pytest
from field_disputes import SCRIPT, dispute, recomputed, recorded, suspect

import field_keys
from modelmark.carriers.field import Fields
from modelmark.claim.judging import asking, challenging, explaining, pages, reading, telling, weighing
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.papers import envelope, lots, records, transcript
from modelmark.claim.papers.claim import Entry
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import Head
from modelmark.claim.papers.verdict import Graded, Verdict
from modelmark.errors import CapacityError, MalformedError, MismatchError
from modelmark.evidence import stats
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.function import BlackBox


@pytest.fixture(scope="module")
def key():
    return field_keys.key()


def silent(key) -> cases.Fixed:
    return suspect(key, 1.0, instead=dict.fromkeys(range(600), ABSTAIN))


def by_count(weighed) -> float:
    """Bits by the old rule: matches alone."""
    return stats.tail_bits(weighed.matches, weighed.trials, stats.Fraction(1, weighed.alphabet))


@pytest.mark.parametrize(("strength", "decision"), [(1.0, "dependence-shown"), (0.0, "no-evidence")])
@pytest.mark.parametrize("known", ["weights", "transcript"])
def test_a_dispute_ends_as_the_signs_say_and_the_second_implementation_agrees(
    key, tmp_path, capsys, strength, decision, known
):
    one = suspect(key, strength) if known == "weights" else recorded(key, strength)
    made = dispute(tmp_path, key, one)
    assert made.verdict.decision == decision
    (weighed,) = made.verdict.weighed
    assert weighed.trials == 200
    bits = f"{weighed.gross / 1000} bits, {weighed.net / 1000} net: {decision}"
    assert recomputed(made, capsys) == f"{weighed.matches}/200 as drawn, {bits}"
    assert [charge.millibits for charge in weighed.charges if " readings " in charge.reason] == [1585]
    assert len(made.judged.record.asked) == field_keys.COUNT


def test_the_old_rule_lost_bits_that_the_verdict_holds_now(key, tmp_path):
    """By count alone some 145 of 200 signs are a fifth less than they are graded, exactly counted."""
    (weighed,) = dispute(tmp_path, key, suspect(key, 0.4)).verdict.weighed
    assert isinstance(weighed, Graded)
    assert weighed.test == "exact"
    assert 1000 * by_count(weighed) < 0.85 * weighed.gross
    table = Scores(key.carriers.table(np.array(field_keys.answers(key, 0.4))))
    assert (table.total(key.mark().message), table.most) == (weighed.score, weighed.highest)
    assert int(1000 * tail_bits(table, weighed.score).bits) == weighed.gross


def test_the_best_rule_is_best_in_bits_and_not_in_matches(key):
    """The old rule took what has most matches: the count, of a suspect that two graded rules say more of."""
    message = key.mark().message

    def read(seed: int):
        one = cases.Fixed(key.carriers.feed.leaves(key.carriers.inputs), field_keys.answers(key, 0.4, seed))
        found = reading.answered({"as it is": lambda: one}, key.carriers, range(200), message.tolist())
        counted = int((key.carriers.symbols(np.array(one.given)) == message).sum())
        return one, found, counted, sum(a == b for a, b in zip(found.symbols, message.tolist(), strict=True))

    one, found, counted, matches = next(made for made in map(read, range(50)) if made[2] > made[3])
    assert found.scores is not None
    bits = tail_bits(found.scores, found.scores.total(message)).bits
    assert (
        bits > stats.tail_bits(counted, 200, stats.Fraction(1, 2)) > stats.tail_bits(matches, 200, stats.Fraction(1, 2))
    )
    assert found.readings == 3
    assert found.answers.tolist() == list(one.given)  # a record holds labels, by whatever rule they are read
    assert "how clearly each sign shows" in found.word


def test_a_rule_whose_tail_is_too_long_to_count_is_weighed_by_its_signs(key, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("modelmark.evidence.scores.EXACT_WORK", 2**10)
    made = dispute(tmp_path, key, suspect(key, 1.0))
    (weighed,) = made.verdict.weighed
    assert not isinstance(weighed, Graded)
    assert records.version(made.verdict) < 4
    assert weighed.gross == int(1000 * by_count(weighed))
    script = SCRIPT.read_text().replace("<= 2**34", "<= 2**10")
    assert script != SCRIPT.read_text()
    (tmp_path / "script.py").write_text(script)
    files = [str(made.folder / name) for name in ("challenge", "opening", "carriers", "transcript", "verdict")]
    runpy.run_path(str(tmp_path / "script.py"))["main"](str(made.folder / "claim"), "-", *files)
    assert capsys.readouterr().out.startswith(f"{weighed.matches}/200 as drawn, {weighed.gross / 1000} bits")
    with pytest.raises(SystemExit, match=r"^numbers: "):
        recomputed(made, capsys)


def test_a_claim_has_one_lot_even_where_there_are_as_many_queries_as_signs():
    """The old rule told lots that can be opened apart by equal numbers: 200 queries, 200 signs, and every sign needs all."""
    statement = Statement.of(field_keys.key(200, 20).statement)
    assert statement.carriers == statement.trials == 200
    with pytest.raises(ValueError, match="expected one lot"):
        Entry(statement, (100, 100))
    claim = cases.claimed(statement)
    asked = cases.challenged(claim, SimpleNamespace(kind="weights", digest="cd" * 32), draws=40).document
    with pytest.raises(MismatchError, match="expected the whole lot of a mark whose trials share carriers"):
        lots.drawn(asked, claim.document.keys[0])
    assert lots.carriers(dataclasses.replace(asked, draws=0), claim.document.keys[0]) == tuple(range(200))


def test_signs_that_share_all_queries_are_not_taken_one_after_the_other(key, tmp_path):
    one = recorded(key, 1.0)
    terms = challenging.Terms(issued=cases.at(2), expires=cases.at(9), test="e-process")
    claim = cases.claimed(Statement.of(key.statement))
    frozen = challenging.Frozen("transcript", one.digest)
    with pytest.raises(MismatchError, match="expected the exact test of field, whose trials share all queries"):
        challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms)
    weights = suspect(key, 1.0)
    made = dispute(tmp_path, key, weights, test="e-process")
    assert made.verdict.decision == "not-decidable"
    assert [check.name for check in made.verdict.checks if check.outcome == "fail"] == ["scheme"]


@pytest.mark.parametrize("count", [0, 1, field_keys.COUNT - 1])
def test_a_record_that_lacks_a_query_opens_nothing_and_decides_nothing(key, tmp_path, count):
    short = recorded(key, 1.0, count=count)
    claim, frozen = cases.claimed(Statement.of(key.statement)), challenging.Frozen("transcript", short.digest)
    terms = challenging.Terms(issued=cases.at(2), expires=cases.at(9))
    with pytest.raises(MismatchError, match=f"expected answers to all 600 queries in the transcript, got {count}"):
        challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=short.record)
    challenge = cases.challenged(claim, short)
    papers = cases.laid(claim, challenge, key.secret, cases.leaves(key), shown=cases.concealed(key))
    judged = cases.verdict(papers, short).verdict.document
    assert judged.decision == "not-decidable"
    assert any("expected answers to all 200 trials for the exact test, got 0" in one.detail for one in judged.checks)


def test_a_whole_record_is_challenged_with_its_rules_charged(key):
    whole = recorded(key, 1.0)
    claim, frozen = cases.claimed(Statement.of(key.statement)), challenging.Frozen("transcript", whole.digest)
    terms = challenging.Terms(issued=cases.at(2), expires=cases.at(9))
    assert challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=whole.record)
    small = field_keys.key(200, 9)  # 90 signs reach 8 bits after 82 of charges, and not after the 1.6 of three rules
    claim, one = cases.claimed(Statement.of(small.statement)), recorded(small, 1.0)
    frozen = challenging.Frozen("transcript", one.digest)
    weighing.require_reach(
        claim.document, cases.challenged(claim, one).document, claim.document.keys[0]
    )  # the old rule
    with pytest.raises(CapacityError, match=r"83\.6 of charges, 90 give at most 90\.0"):
        challenging.challenge(claim, None, frozen, cases.JUDGE, cases.NOBODY, terms, record=one.record)


def test_a_judge_asks_queries_in_the_order_of_a_nonce_and_the_record_is_taken(key, tmp_path, capsys):
    statement, leaves = Statement.of(key.statement), cases.leaves(key)
    assert reading.cut(statement, b"".join(leaves), range(len(leaves))) == dict(enumerate(leaves))
    with pytest.raises(MalformedError, match="expected the 600 carriers"):
        reading.cut(statement, b"".join(leaves)[:-1], range(len(leaves)))
    opened = reading.kind(statement, recorded=True).opened(statement, dict(enumerate(leaves)), {})
    known = dict(zip(key.carriers.feed.leaves(key.carriers.inputs), field_keys.answers(key, 1.0), strict=True))
    told = (key.carriers.feed.mean[0] / 1e4, key.carriers.feed.std[0] / 1e4)

    def answer(batch):
        pixels = np.rint((batch.numpy() * told[1] + told[0]) * 255).astype(np.uint8)
        return np.array([known[leaf] for leaf in key.carriers.feed.leaves(pixels)])

    head = asking.begun(tmp_path / "a", Head(cases.claimed(statement).digest, 0, 0), "exact")
    record = asking.record(tmp_path / "a", head, opened, BlackBox(answer))
    assert [one.carrier for one in record.asked] == list(transcript.order(head, range(len(leaves))))
    made = dispute(tmp_path, key, Recorded(record))
    assert made.verdict.decision == "dependence-shown"
    assert "dependence-shown" in recomputed(made, capsys)


def test_refusals_count_for_nothing(key, tmp_path, capsys):
    refusing = suspect(key, 1.0, instead=dict.fromkeys(range(0, 600, 3), ABSTAIN))
    made = dispute(tmp_path, key, refusing)
    (weighed,) = made.verdict.weighed
    part = field_keys.key()  # the same key without those queries
    kept = np.arange(600) % 3 > 0
    fields = Fields(
        part.feed, *(getattr(part.carriers, name)[kept] for name in ("inputs", "coordinates", "references"))
    )
    labels = np.array(refusing.given)[kept]
    assert np.array_equal(fields.table(labels), key.carriers.table(np.array(refusing.given)))
    assert weighed.score <= weighed.highest == int(fields.table(labels).sum())
    assert f"{weighed.gross / 1000} bits" in recomputed(made, capsys)
    nothing = dispute(tmp_path, key, silent(key))
    assert [(one.matches, one.gross) for one in nothing.verdict.weighed] == [(0, 0)]
    assert nothing.verdict.decision == "no-evidence"
    assert "0/200 as drawn, 0.0 bits" in recomputed(nothing, capsys)


@pytest.mark.parametrize(("at", "word"), [(0, b"\x7f\xff"), (40, b"\x7f\xff"), (60, b"\x00\x00")])
def test_both_refuse_coordinates_and_references_that_are_none(key, tmp_path, capsys, at, word):
    """A claimant can commit to anything: one input that decides every sign, or shares that add up to nothing."""
    leaves = cases.leaves(key)
    leaves[0] = leaves[0][:at] + word + leaves[0][at + 2 :]
    claim = cases.claimed(cases.statement_over(key, leaves, key.secret))
    one = suspect(key, 1.0)
    challenge = cases.challenged(claim, one)
    papers = cases.laid(claim, challenge, key.secret, leaves, shown=cases.concealed(key))
    judged = cases.verdict(papers, one).verdict.document
    assert judged.decision == "invalid-claim"
    assert [check.name for check in judged.checks if check.outcome == "fail"] == ["form"]
    script = runpy.run_path(str(SCRIPT))
    with pytest.raises(SystemExit, match=r"^numbers of carrier 0: "):
        script["leaning"](
            key.statement, dict(enumerate(leaves)), dict(enumerate(one.given)), key.mark().message.tolist()
        )


def test_people_read_that_signs_do_not_count_alike(key, tmp_path):
    made = dispute(tmp_path, key, suspect(key, 1.0))
    signed, claim, challenge = made.judged.verdict, made.papers.claim, made.papers.challenge
    (weighed,) = made.verdict.weighed
    for text in ("\n".join(explaining.explain(signed, claim, challenge)), pages.page(signed, claim, challenge)):
        assert f"{weighed.matches} of 200 signs are those that were drawn; all were counted, once." in text
        assert "They do not count alike" in text
        assert f"got {weighed.score:,} of {weighed.highest:,} points" in text
        assert "ordinary inputs, and along each of some directions" in text
    assert f"graded {weighed.score:,} of {weighed.highest:,}" in explaining.summary(signed)
    assert telling.tell(signed, claim, challenge).strength
    plain = "\n".join(explaining.explain(dispute(tmp_path, key, silent(key)).judged.verdict))
    assert "They do not count alike" not in plain


def test_verdicts_are_of_version_4_exactly_where_they_hold_grades(key, tmp_path):
    graded, counted = (dispute(tmp_path, key, one).judged.verdict for one in (suspect(key, 1.0), silent(key)))
    assert records.version(graded.document) == 4
    assert records.version(counted.document) == 2
    assert envelope.parse(graded.data, Verdict).document == graded.document
    (weighed,) = graded.document.weighed
    for wrong in ({"score": weighed.highest + 1}, {"test": "e-process"}, {"score": -1}, {"highest": True}):
        with pytest.raises(ValueError, match="expected"):
            dataclasses.replace(weighed, **wrong)


@pytest.mark.parametrize("change", [lambda said: said | {"v": 3}, lambda said: said | {"weighed": []}, lambda said: said | {
    "weighed": [{name: value for name, value in said["weighed"][0].items() if name not in ("score", "highest")}]},
    lambda said: said | {"weighed": [{name: v for name, v in said["weighed"][0].items() if name != "highest"}]},
])  # fmt: skip
def test_a_verdict_in_another_version_than_it_needs_is_refused(key, tmp_path, change):
    import base64
    import json

    signed = dispute(tmp_path, key, suspect(key, 1.0)).judged.verdict
    outer = json.loads(signed.data)
    payload = json.loads(base64.b64decode(outer["payload"]))
    said = change(payload["predicate"])
    payload = payload | {"predicate": said, "predicateType": f"urn:modelmark:verdict:v{said['v']}"}
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(MalformedError):
        envelope._document(text, Verdict)
    assert envelope._document(signed.payload, Verdict) == signed.document
