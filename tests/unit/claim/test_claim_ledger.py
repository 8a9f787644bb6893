"""What was tried before counts: challenges that wait, draws that were declined, lots of a key under whatever claim.

``old`` is the rule as it was: verdicts alone counted, those of the same claim alone, and no verdict without an opening spent.
"""

import dataclasses

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import NOBODY, Fixed, at, challenged, claimed, decided, laid, leaves, verdict

from modelmark.claim.judging.challenging import Known, Terms, challenge
from modelmark.claim.judging.judge import Papers
from modelmark.claim.papers import envelope, lots, records
from modelmark.claim.papers.claim import Policy
from modelmark.claim.papers.dispute import Frozen
from modelmark.claim.papers.shapes import instant
from modelmark.claim.papers.statement import Statement
from modelmark.claim.papers.verdict import SENTENCES, Burned, Revocation, Spent, Verdict
from modelmark.errors import MismatchError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi

FACE = PictureFeed((1, 4, 4), tuple("0123456789"))
KEY = Key(Adi(triggers=128), Secret(bytes(32)), FACE, arch="cnn")
STATEMENT = Statement.of(KEY.statement)
CLAIM = claimed(STATEMENT, count=2, policy=Policy(bar=8, suspects=1))


def old(claim, asked, verdicts) -> bool:
    """Return whether the rule that was granted a challenge, or judged it."""
    own = [one.document for one in verdicts if one.document.claim == claim.digest]
    before = [one for one in own if instant(one.issued) <= instant(asked.document.issued)]
    spent = {(lot.key, lot.lot) for one in before if one.opening for lot in one.spent}
    tried = {one.suspect.digest for one in before} | {asked.document.suspect.digest}
    return (asked.document.key, asked.document.lot) not in spent and len(tried) <= claim.document.policy.suspects


def suspect(number: int, matches: int = 0) -> Fixed:
    """A suspect with a digest of its own that answers so many pictures as drawn."""
    message = np.array(KEY.mark().message)
    given = np.where(np.arange(128) % 64 < matches, message, (message + 1) % 10)
    return Fixed(leaves(KEY), given.tolist(), digest=f"{number:064x}")


def ask(claim, number=0, **changes):
    known = Known(**{name: changes.pop(name, ()) for name in ("verdicts", "revocations", "challenges", "claims")})
    terms = Terms(**({"issued": at(2), "expires": at(9)} | changes))
    return challenge(claim, None, Frozen("weights", suspect(number).digest), cases.JUDGE, NOBODY, terms, known=known)


def opened(claim, asked, answering, **known):
    identity = cases.OWNER if claim.document.signers == cases.OWNER.signers else cases.THIEF
    shown = laid(claim, asked, KEY.secret, leaves(KEY), shown=cases.concealed(KEY), identity=identity)
    return dataclasses.replace(shown, **known)


def silent(claim, asked, **known):
    """Return the papers of a challenge that nobody answered in time."""
    return Papers(claim, None, asked, None, **known)


def test_suspects_that_wait_for_a_verdict_are_tried_like_those_that_have_one():
    """Forty challenges on one lot, all before the first verdict; one suspect is paid for."""
    waiting = [challenged(CLAIM, suspect(number), nonce=f"{number:064x}") for number in range(40)]
    assert all(old(CLAIM, one, ()) for one in waiting)
    fortunate = suspect(7, matches=64)
    judged = opened(CLAIM, waiting[7], fortunate)
    assert decided(judged, fortunate) == "dependence-shown"  # handed no other challenge, a judge cannot know
    assert decided(dataclasses.replace(judged, challenges=waiting), fortunate) == "not-decidable"
    for one in waiting[:2]:  # two of the same second exclude each other, with and without the rest
        pair = dataclasses.replace(opened(CLAIM, one, fortunate), challenges=waiting[:2])
        found = verdict(pair, suspect(int(one.document.nonce, 16))).verdict.document
        assert (found.decision, found.weighed) == ("not-decidable", ())
    with pytest.raises(MismatchError, match="lot 0 of key 0 is asked for in a challenge that has no verdict yet"):
        ask(CLAIM, 1, challenges=waiting[:1])
    with pytest.raises(MismatchError, match="at most 1 suspects"):
        ask(CLAIM, 1, challenges=waiting[:1], lot=1)
    assert ask(CLAIM, 0, challenges=waiting[:1], lot=1)  # the same suspect again, on the other lot


def test_the_challenge_that_was_issued_first_is_judged_whenever_its_turn_comes():
    first = challenged(CLAIM, suspect(0), issued=at(1))
    second = challenged(CLAIM, suspect(1, matches=64), issued=at(2))
    both = {"challenges": [second, first]}
    assert decided(opened(CLAIM, second, suspect(1), **both), suspect(1, matches=64)) == "not-decidable"
    assert decided(opened(CLAIM, first, suspect(0), **both), suspect(0)) == "no-evidence"
    later = verdict(opened(CLAIM, second, suspect(1)), suspect(1, matches=64)).verdict
    heard = {"verdicts": [later], **both}
    assert decided(opened(CLAIM, first, suspect(0), **heard), suspect(0)) == "no-evidence"
    alone = {"verdicts": [later]}  # without its challenge nobody knows that it was issued later
    assert decided(opened(CLAIM, first, suspect(0), **alone), suspect(0)) == "not-decidable"


def test_while_a_challenge_is_issued_all_that_are_at_hand_count_whatever_their_clocks_say():
    ahead = challenged(CLAIM, suspect(1), issued=at(8))
    with pytest.raises(MismatchError, match="no verdict yet"):
        ask(CLAIM, 0, challenges=[ahead], issued=at(2))


def test_a_draw_that_was_declined_is_a_draw():
    """The owner computes what forty of the lot's trials would give, and answers the nonce that suits."""
    claim = claimed(STATEMENT, count=2, policy=Policy(bar=8, suspects=1))
    half = suspect(0, matches=44)
    asked = [challenged(claim, half, draws=40, nonce=f"{number:064x}") for number in range(30)]
    drawn = [lots.drawn(one.document, claim.document.keys[0]) for one in asked]
    hits = [sum(trial % 64 < 44 for trial in trials) for trials in drawn]
    assert max(hits) - min(hits) > 5  # so much is in the choice
    ended = [verdict(silent(claim, one), half, now="2026-01-02T00:00:00Z").verdict for one in asked]
    assert all(old(claim, asked[-1], ended[:number]) for number in range(30))
    found = ended[0].document
    assert (found.decision, found.spent) == ("no-evidence", (Spent(0, 0),))
    assert found.burned == (Burned(STATEMENT.root, 0, 64),)
    with pytest.raises(MismatchError, match="was asked for before, and no opening came"):
        ask(claim, verdicts=ended[:1], issued="2026-01-03T00:00:00Z", expires="2026-01-04T00:00:00Z")
    again = dataclasses.replace(opened(claim, asked[1], half), verdicts=ended[:1])
    assert decided(again, half) == "not-decidable"


def test_an_opening_of_something_else_is_no_way_to_decline_either():
    """What is no answer of the claimant's to this challenge spends nothing, and leaves the challenge waiting."""
    asked, other = challenged(CLAIM, suspect(0)), challenged(CLAIM, suspect(0), lot=1)
    replayed = dataclasses.replace(opened(CLAIM, other, suspect(0)), challenge=asked)
    found = verdict(replayed, suspect(0)).verdict
    assert (found.document.decision, found.document.spent) == ("invalid-claim", ())
    with pytest.raises(MismatchError, match="lot 0 of key 0"):
        ask(CLAIM, verdicts=[found], challenges=[asked], issued=at(5))
    wrong = opened(CLAIM, asked, suspect(0))
    paper = wrong.opening.document
    leaf = dataclasses.replace(paper.leaves[0], salt="00" * 32)
    spoilt = envelope.sign(dataclasses.replace(paper, leaves=(leaf, *paper.leaves[1:])), cases.OWNER)
    found = verdict(dataclasses.replace(wrong, opening=spoilt), suspect(0)).verdict.document
    assert (found.decision, found.spent) == ("invalid-claim", (Spent(0, 0),))  # his answer, and a wrong one


def test_nothing_shown_and_nothing_decided_gives_the_lot_back():
    asked = challenged(CLAIM, suspect(0))
    found = verdict(silent(CLAIM, asked), suspect(0), now="2026-01-02T00:00:00Z").verdict
    decision = "not-decidable"
    void = dataclasses.replace(found.document, decision=decision, sentence=SENTENCES[decision], spent=(), burned=())
    assert ask(CLAIM, 1, verdicts=[envelope.sign(void, cases.JUDGE)], challenges=[asked])


@pytest.mark.parametrize("version", [1, 2])
def test_a_lot_is_spent_by_its_root_under_whatever_claim(version):
    """Two claims of one key, each with its own two lots; the second cuts it in four."""
    first = challenged(CLAIM, suspect(0))
    ended = verdict(opened(CLAIM, first, suspect(0)), suspect(0)).verdict
    assert records.version(ended.document) == 2
    if version == 1:  # as written before carriers were named
        ended = envelope.sign(dataclasses.replace(ended.document, burned=()), cases.JUDGE)
        assert records.version(ended.document) == 1
    another = claimed(STATEMENT, count=4, nonce="12" * 32, policy=Policy(bar=8, suspects=2))
    known = {"verdicts": [ended]} | ({"claims": [CLAIM]} if version == 1 else {})
    for lot in (0, 1):
        asked = challenged(another, suspect(0), lot=lot, issued=at(5))
        assert old(another, asked, [ended])
        with pytest.raises(MismatchError, match=f"lot {lot} of key 0 was opened before"):
            ask(another, lot=lot, **known, issued=at(5))
        assert decided(opened(another, asked, suspect(0), **known), suspect(0), now=at(6)) == "not-decidable"
    assert ask(another, lot=2, **known, issued=at(5))
    with pytest.raises(MismatchError, match="at most 2 suspects"):  # under the first claim one was tried already
        ask(another, 2, lot=3, **known, challenges=[challenged(another, suspect(1), lot=2)], issued=at(5))
    if version == 1:
        assert ask(another, lot=0, verdicts=[ended], issued=at(5))  # without that claim nobody knows what lot 0 was


def test_a_challenge_under_another_claim_of_the_key_takes_its_lot_too():
    another = claimed(STATEMENT, count=4, nonce="12" * 32)
    waiting = challenged(another, suspect(0), lot=1)
    with pytest.raises(MismatchError, match="lot 0 of key 0 is asked for"):
        ask(CLAIM, challenges=[waiting], claims=[another])
    assert ask(CLAIM, lot=1, challenges=[waiting], claims=[another])


def test_a_stranger_who_claims_the_same_carriers_burns_nothing_by_silence():
    """Statements are public: anybody may sign a claim of them, and cannot open it."""
    copied = claimed(STATEMENT, count=2, identity=cases.THIEF)
    waiting = challenged(copied, suspect(9))
    ended = verdict(silent(copied, waiting), suspect(9), now="2026-01-02T00:00:00Z").verdict
    for known in ({"challenges": [waiting]}, {"verdicts": [ended]}, {"challenges": [waiting], "verdicts": [ended]}):
        assert ask(CLAIM, **known, claims=[copied])
    burned = Revocation(cases.THIEF.signers, at(1), copied.digest, "lots-burned", at(1), lots=(Spent(0, 0),))
    assert ask(CLAIM, claims=[copied], revocations=[envelope.sign(burned, cases.THIEF)])


def test_what_was_taken_back_with_another_claim_of_the_key_is_taken_back():
    another = claimed(STATEMENT, count=4, nonce="12" * 32)
    for reason, spent, lot, stands in (
        ("lots-burned", (Spent(0, 1),), 0, False), ("lots-burned", (Spent(0, 1),), 1, True),
        ("key-leaked", (), 1, False), ("mistake", (), 0, True),
    ):  # fmt: skip
        paper = Revocation(cases.OWNER.signers, at(1), another.digest, reason, at(1), lots=spent)
        known = {"revocations": [envelope.sign(paper, cases.OWNER)], "claims": [another]}
        asked = challenged(CLAIM, suspect(0), lot=lot)
        expected = "no-evidence" if stands else "invalid-claim"
        assert decided(opened(CLAIM, asked, suspect(0), **known), suspect(0)) == expected
        if stands:
            assert ask(CLAIM, lot=lot, **known)
        else:
            with pytest.raises(MismatchError, match="taken back with another claim"):
                ask(CLAIM, lot=lot, **known)


def test_a_verdict_of_version_2_is_read_and_of_either_version_in_one_spelling():
    ended = verdict(opened(CLAIM, challenged(CLAIM, suspect(0)), suspect(0)), suspect(0)).verdict
    assert b'"predicateType":"urn:modelmark:verdict:v2"' in ended.payload
    assert envelope.parse(ended.data, Verdict) == ended
    plain = envelope.sign(dataclasses.replace(ended.document, burned=()), cases.JUDGE)
    assert b'"predicateType":"urn:modelmark:verdict:v1"' in plain.payload
    assert b'"burned"' not in plain.payload
