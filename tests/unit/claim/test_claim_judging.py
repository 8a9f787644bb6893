"""The judge's arithmetic and bookkeeping: levels, lots, dates, revocations, rivals; and what judging costs."""

import dataclasses
import hashlib
from fractions import Fraction

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import NOBODY, Fixed, at, challenged, claimed, decided, laid, leaves, verdict

from modelmark.claim.judging import explaining, rival, weighing
from modelmark.claim.judging.challenging import Known, Terms, challenge
from modelmark.claim.judging.judge import Recorded
from modelmark.claim.judging.software import software
from modelmark.claim.papers import envelope, transcript
from modelmark.claim.papers.dispute import Frozen
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.transcript import ORDINARY, Asked, Head, Transcript
from modelmark.claim.papers.verdict import SENTENCES, Revocation, Spent
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.evidence import sequential, stats
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi
from spending import at_most

FACE = PictureFeed((1, 4, 4), tuple("0123456789"))
TENTH = Fraction(1, 10)
SUSPECT = Frozen("weights", "cd" * 32)


def key_of(count: int) -> Key:
    return Key(Adi(triggers=count), Secret(bytes(32)), FACE, arch="cnn")


@pytest.fixture(scope="module")
def key() -> Key:
    return key_of(128)


@pytest.fixture(scope="module")
def claim(key):
    return claimed(Statement.of(key.statement), count=2)


@pytest.fixture(scope="module")
def marked(key) -> Fixed:
    return Fixed(leaves(key), key.mark().message)


def papers(claim, key, answering, **changes):
    return laid(claim, challenged(claim, answering, **changes), key.secret, leaves(key), shown=cases.concealed(key))


def ask(claim, **changes):
    known = Known(changes.pop("verdicts", ()), changes.pop("revocations", ()))
    record = changes.pop("record", None)
    terms = Terms(**({"issued": at(2), "expires": at(9)} | changes))
    return challenge(claim, None, SUSPECT, cases.JUDGE, NOBODY, terms, known=known, record=record)


@pytest.mark.parametrize("bar", [4, 8, 12])
def test_false_alarms_are_as_frequent_as_the_exact_tail_says(claim, bar):
    """10^5 independent suspects, answers 64 each; what is charged is left out, or there would be none to count."""
    entry, runs = claim.document.keys[0], 100_000
    message = np.random.default_rng(bar).integers(0, 10, 64)
    answers = np.random.default_rng(100 + bar).integers(0, 10, (runs, 64))
    counts = np.bincount((answers == message).sum(axis=1), minlength=65)
    asked = challenged(claim, SUSPECT).document
    gross = []
    for matches in range(65):
        found = [int(symbol) if i < matches else int(symbol + 1) % 10 for i, symbol in enumerate(message)]
        gross.append(weighing.weigh(claim.document, asked, entry, message.tolist(), found).gross)
    alarms = int(counts[np.array(gross) >= 1000 * bar].sum())
    fewest = stats.minimum_matches(bar, 64, TENTH)
    exact = 2.0 ** -stats.tail_bits(fewest, 64, TENTH)
    assert exact <= 2.0**-bar
    assert abs(alarms / runs - exact) < 4 * np.sqrt(exact / runs)


@pytest.mark.parametrize("bar", [4, 8, 12])
def test_the_e_process_keeps_its_level_though_it_is_looked_at_after_every_query(bar):
    runs, length = 100_000, 64
    hits = (np.random.default_rng(bar).integers(0, 10, (runs, length)) == 0).cumsum(axis=1)
    wealth = np.full((length + 1, length + 1), -np.inf)
    fixed = np.zeros_like(wealth)
    for trials in range(1, length + 1):
        for matches in range(trials + 1):
            wealth[matches, trials] = sequential.wealth_bits(matches, trials, TENTH)
            fixed[matches, trials] = stats.tail_bits(matches, trials, TENTH)
    columns = np.arange(1, length + 1)
    reached = (wealth[hits, columns] >= bar).any(axis=1).mean()
    assert reached <= 2.0**-bar + 4 * np.sqrt(2.0**-bar / runs)
    peeked = (fixed[hits, columns] >= bar).any(axis=1).mean()
    assert peeked > 1.5 * 2.0**-bar  # a fixed-size test that is looked at so often does not


def test_seventeen_queries_reach_forty_bits_at_a_match_rate_of_nine_in_ten():
    rng, needed = np.random.default_rng(0), []
    for _ in range(400):
        walk = sequential.Walk(TENTH, 40.0)
        while walk.stand == "open":
            walk = walk.after(bool(rng.random() < 0.9))
        needed.append(walk.trials)
    assert np.median(needed) <= 17


@pytest.mark.parametrize("test", ["exact", "e-process"])
def test_a_verdict_over_1024_triggers_asks_and_opens_each_once(test):
    key = key_of(1024)
    claim = claimed(Statement.of(key.statement))
    suspect = Fixed(leaves(key), np.random.default_rng(0).integers(0, 10, 1024))
    laid_out = papers(claim, key, suspect, test=test)
    software()  # once a process, and by the number of our own files
    with at_most(135_000):  # half of what it took when every JSON value and every field of a record were walked twice
        verdict(laid_out, suspect)


def test_a_verdict_on_a_claim_about_a_release_has_its_root_as_subject(claim, key, marked):
    named = claimed(Statement.of(key.statement), count=2, release="ab" * 32)
    found = verdict(papers(named, key, marked), marked).verdict.document
    assert (found.release, found.subjects[-1]) == ("ab" * 32, ("release", "sha256", "ab" * 32))
    assert not verdict(papers(claim, key, marked), marked).verdict.document.release


def test_the_e_process_stops_when_it_is_decided(claim, key, marked):
    found = verdict(papers(claim, key, marked, test="e-process"), marked).verdict.document
    assert found.decision == "dependence-shown"
    assert found.weighed[0].trials < 40
    assert found.weighed[0].net >= 8000
    again = verdict(papers(claim, key, marked), marked).verdict.document
    assert again.weighed[0].trials == 64


def test_a_spent_lot_is_not_challenged_and_not_judged_again(claim, key, marked):
    first = verdict(papers(claim, key, marked), marked).verdict
    assert first.document.spent == (Spent(0, 0),)
    assert ask(claim, lot=1, issued=at(5), verdicts=[first]).document.lot == 1
    with pytest.raises(MismatchError, match="expected an unspent lot"):
        ask(claim, lot=0, issued=at(5), verdicts=[first])
    late = dataclasses.replace(papers(claim, key, marked, issued=at(5)), verdicts=[first])
    assert decided(late, marked, now=at(6)) == "not-decidable"
    frozen_before = dataclasses.replace(papers(claim, key, marked), verdicts=[first])
    assert decided(frozen_before, marked) == "dependence-shown"


def test_more_suspects_than_the_claim_pays_for_are_refused(claim, key, marked):
    earlier = []
    for number in range(4):
        suspect = dataclasses.replace(marked, digest=f"{number:02}" * 32)
        earlier.append(verdict(papers(claim, key, suspect, lot=1), suspect).verdict)
    with pytest.raises(MismatchError, match="at most 4 suspects"):
        ask(claim, issued=at(5), verdicts=earlier)
    assert ask(claim, issued=at(5), verdicts=earlier[:3])


def revoked(claim, reason, effective, lots=()):
    paper = Revocation(cases.OWNER.signers, at(1), claim.digest, reason, effective, lots=lots)
    return envelope.sign(paper, cases.OWNER)


@pytest.mark.parametrize(("reason", "effective", "lots", "stands"), [
    ("mistake", at(8), (), False), ("superseded", at(8), (), False),
    ("key-leaked", at(1), (), False), ("key-leaked", at(3), (), True),
    ("lots-burned", at(1), (Spent(0, 0),), False), ("lots-burned", at(1), (Spent(0, 1),), True),
    ("lots-burned", at(3), (Spent(0, 0),), True),
])  # fmt: skip
def test_what_a_revocation_leaves(claim, key, marked, reason, effective, lots, stands):
    paper = revoked(claim, reason, effective, lots)
    asked = dataclasses.replace(papers(claim, key, marked), revocations=[paper])
    assert decided(asked, marked) == ("dependence-shown" if stands else "invalid-claim")
    if stands:
        assert ask(claim, revocations=[paper])
    else:
        with pytest.raises(MismatchError, match="taken back"):
            ask(claim, revocations=[paper])


def test_a_revocation_by_somebody_else_is_none(claim, key, marked):
    paper = Revocation(cases.THIEF.signers, at(1), claim.digest, "mistake", at(1))
    forged = envelope.sign(paper, cases.THIEF)
    assert decided(dataclasses.replace(papers(claim, key, marked), revocations=[forged]), marked) == "dependence-shown"


def test_a_challenge_that_could_not_be_met_or_kept_is_refused(claim, key):
    for changes, error, text in (
        ({"bar": 7}, UsageError, "at least the claim's 8 bits"),
        ({"lot": 2}, MismatchError, "a lot from 0 to 1"),
        ({"key": 1}, MismatchError, "a key from 0 to 0"),
        ({"draws": 20}, CapacityError, "20 give at most 66.4"),
        ({"bar": 200}, CapacityError, "trials enough"),
    ):
        with pytest.raises(error, match=text):
            ask(claim, **changes)
    terms = Terms(at(2), at(9), draws=50)
    with pytest.raises(UsageError, match="the whole lot where answers are recorded"):
        challenge(claim, None, Frozen("transcript", "ab" * 32), cases.JUDGE, NOBODY, terms)
    assert ask(claim).document.nonce != ask(claim).document.nonce


def test_a_transcript_is_judged_by_its_answers(claim, key, marked):
    opened = dict(enumerate(leaves(key)[:64]))
    record = transcript.of(Head(claim.digest, 0, 0), opened, {i: int(marked.given[i]) for i in range(64)})
    suspect = Recorded(record)
    judgement = verdict(papers(claim, key, suspect), suspect)
    found = judgement.verdict.document
    assert (found.decision, found.transcript, judgement.record) == ("dependence-shown", record.digest, record)
    assert "rests on whoever kept the record" in " ".join(explaining.explain(judgement.verdict))
    short = Recorded(Transcript(record.head, record.asked[:50]))
    assert decided(papers(claim, key, short), short) == "not-decidable"
    found = verdict(papers(claim, key, short, test="e-process"), short).verdict.document
    assert found.decision == "dependence-shown"
    elsewhere = Recorded(Transcript(Head(claim.digest, 0, 1), record.asked))
    assert decided(papers(claim, key, elsewhere), elsewhere) == "not-decidable"
    false = Recorded(
        Transcript(record.head, (dataclasses.replace(record.asked[0], query="00" * 32), *record.asked[1:]))
    )
    assert decided(papers(claim, key, false), false) == "not-decidable"


def test_transcripts_are_canonical_or_refused(claim):
    record = Transcript(
        Head(claim.digest, 0, 0), (Asked(3, "ab" * 32, 7), Asked(ORDINARY, "cd" * 32, 1), Asked(4, "ef" * 32, -1))
    )
    data = record.data
    assert transcript.parse(data) == record
    assert transcript.parse(data + data[-20:-1], unfinished=True) == record
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        try:
            assert transcript.parse(changed) != record
        except MalformedError:
            continue
    for cut in range(len(data)):
        if data[:cut].count(b"\n") == 0 or not data[:cut].endswith(b"\n"):
            with pytest.raises(MalformedError):
                transcript.parse(data[:cut])
    with pytest.raises(ValueError, match="ascending order"):
        Transcript(record.head, record.asked[::-1])


def test_ordinary_queries_are_strewn_among_the_others():
    head = Head("ab" * 32, 0, 0, nonce="01" * 32, test="exact")
    plan = transcript.plan(head, range(10, 20), 30)
    assert [one for one in plan if one != ORDINARY] == list(transcript.order(head, range(10, 20)))
    assert plan.count(ORDINARY) == 30
    assert plan == transcript.plan(head, range(10, 20), 30)
    assert plan != transcript.plan(dataclasses.replace(head, nonce="02" * 32), range(10, 20), 30)


def recorded(claim, marked, key, test="exact", count=64):
    """Return a record in an order of its own that ends after so many answers."""
    head = Head(claim.digest, 0, 0, nonce="01" * 32, test=test)
    opened = dict(enumerate(leaves(key)[:64]))
    numbers = transcript.order(head, opened)[:count]
    asked = (Asked(i, hashlib.sha256(opened[i]).hexdigest(), int(marked.given[i])) for i in numbers)
    return Transcript(head, tuple(asked))


def test_a_record_in_the_order_of_its_nonce_is_judged_and_in_another_order_is_not(claim, key, marked):
    found = {}
    for test, count in (("exact", 64), ("e-process", 50)):
        suspect = Recorded(recorded(claim, marked, key, test, count))
        found[test] = verdict(papers(claim, key, suspect, test=test), suspect).verdict.document
        assert found[test].decision == "dependence-shown"
        asked = "asked in the order of its nonce"
        assert asked in next(check.detail for check in found[test].checks if check.name == "suspect")
    assert found["e-process"].weighed[0].trials < 50
    record = recorded(claim, marked, key)
    for wrong in (record.asked[1:], record.asked[::-1], sorted(record.asked, key=lambda one: one.carrier)):
        suspect = Recorded(Transcript(record.head, tuple(wrong)))
        other = verdict(papers(claim, key, suspect), suspect).verdict.document
        assert (other.decision, other.weighed) == ("not-decidable", ())
        with pytest.raises(MismatchError, match="order that the transcript's nonce gives"):
            ask(claim, record=suspect.record)
    assert decided(papers(claim, key, Recorded(record), test="e-process"), Recorded(record)) == "not-decidable"
    with pytest.raises(MismatchError, match="expected the exact test, which the transcript named"):
        ask(claim, record=record, test="e-process")


def test_a_test_that_was_named_after_the_answers_costs_a_bit(claim, key, marked):
    """Both tests can be computed of a record that names none, and the better one named: two tries."""
    named = recorded(claim, marked, key)
    late = transcript.of(Head(claim.digest, 0, 0), *(
        dict(enumerate(values[:64])) for values in (leaves(key), list(map(int, marked.given)))
    ))  # fmt: skip
    found = [verdict(papers(claim, key, Recorded(one)), Recorded(one)).verdict.document for one in (named, late)]
    (fixed,), (free,) = (one.weighed for one in found)
    assert (fixed.gross, fixed.net - free.net) == (free.gross, 1000)
    assert free.charges[-1].reason == "2 tests that could be named after the answers"


def test_who_was_first_among_rivals(claim, key, marked):
    """The thief marked the owner's marked model again: his model carries both marks, the owner's only one."""
    second = Key(Adi(triggers=128), Secret(bytes(31) + b"\1"), FACE, arch="cnn")
    other = claimed(Statement.of(second.statement), count=2, identity=cases.THIEF)
    own = second.mark().message
    answers = {(0, 0): marked.given, (0, 1): marked.given, (1, 0): (own + 1) % 10, (1, 1): own}
    found = {}
    for (who, whose), given in answers.items():
        held, made = ((claim, key), (other, second))[who]
        suspect = Fixed(leaves(made), given, digest=("cd" if whose == 0 else "ef") * 32)
        asked = challenged(held, suspect)
        identity = cases.OWNER if who == 0 else cases.THIEF
        shown = laid(held, asked, made.secret, leaves(made), identity=identity, shown=cases.concealed(made))
        found[who, whose] = verdict(shown, suspect, first_seen="2025-12-01T00:00:00Z").verdict
    assert rival.rival(found).first == 0
    swapped = {(1 - a, 1 - b): signed for (a, b), signed in found.items()}
    assert rival.rival(swapped).first == 1
    for pair, signed in found.items():  # the same papers, but nothing could be tested
        document = dataclasses.replace(
            signed.document, decision="not-decidable", sentence=SENTENCES["not-decidable"], weighed=()
        )
        unread = rival.rival(found | {pair: envelope.sign(document, cases.JUDGE)})
        assert (unread.first, unread.reason) == (None, f"claim {pair[0]} could not be judged on model {pair[1]}")
    late = dataclasses.replace(
        found[1, 0].document,
        decision="not-decidable",
        sentence=SENTENCES["not-decidable"],
        weighed=(),
        order="suspect-first",
    )
    assert rival.rival(found | {(1, 0): envelope.sign(late, cases.JUDGE)}).first == 0
    with pytest.raises(MismatchError, match="both claims on both models"):
        rival.rival({pair: found[pair] for pair in list(found)[:3]})
    with pytest.raises(MismatchError, match="more than two"):
        rival.rival(found | {(0, 1): found[0, 0], (1, 1): found[1, 0], (1, 0): found[0, 0]})


def test_dates_of_the_suspect_come_from_its_tokens_too(authorities, claim, key, marked):
    from modelmark.claim.dates import timestamp
    from modelmark.claim.dates.deposit import Trust

    local, authority = authorities()
    raw = bytes.fromhex(marked.digest)
    asked = timestamp.request(raw)
    token = timestamp.receive(local.answer(asked), asked, raw, authority)
    frozen = Frozen("weights", marked.digest, (token,))
    shown = papers(claim, key, marked, suspect=frozen)
    found = verdict(shown, marked, Trust([authority])).verdict.document
    assert found.suspect_date > "2026"
    assert found.order == "unknown"  # an offline claim has no date
    assert (
        verdict(shown, marked, Trust([authority]), first_seen="2001-01-01T00:00:00Z").verdict.document.suspect_date
        < "2002"
    )
    assert decided(shown, marked) == "not-decidable"  # the judge pins no authority
    for suspect, trust in ((frozen, NOBODY), (Frozen("weights", "00" * 32, (token,)), Trust([authority]))):
        with pytest.raises(MalformedError, match="the suspect's token"):  # before a lot is spent on it
            challenge(claim, None, suspect, cases.JUDGE, trust, Terms(at(1), at(9)))


def test_the_reasoning_names_every_check_and_every_number(claim, key, marked):
    judgement = verdict(papers(claim, key, marked), marked)
    lines = explaining.explain(judgement.verdict, claim)
    text = "\n".join(lines)
    for check in judgement.verdict.document.checks:
        assert f". {check.name}: " in text
    assert "64 of 64 answers" in text
    assert "80.0 bits, offline draw" in text
    assert explaining.summary(judgement.verdict).startswith("dependence-shown; 64/64 as drawn, 212.6 bits (net 129.6)")
