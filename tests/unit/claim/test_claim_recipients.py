"""A recipient's copy before the judge: whose it is, what a name costs, and what nobody gains by naming after he has seen.

``old`` is the rule as it was: the key's own message alone was judged, and a claim said nothing of names.
"""

import dataclasses
import itertools
import math
import runpy
from collections.abc import Mapping
from fractions import Fraction

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import NOBODY, at, challenged, claimed, concealed, leaves, verdict
from test_claim_second import SCRIPT, weights_of
from verdict_cases import Lottery

from modelmark.claim.judging import explaining, weighing
from modelmark.claim.judging.challenging import Known, Terms, challenge
from modelmark.claim.papers import envelope, lots, recipients, records
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Frozen
from modelmark.claim.papers.recipients import Listing, Recipients
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, Provenance, keygen
from modelmark.schemes.spread import Spread
from modelmark.suspects.base import Probe

NAMES = ("Ada Ltd", "Bob & Sons", "Cleo", "Dora GmbH", "Erika Mustermann")
COPIES = (Recipients(0, 0, ""),)


@dataclasses.dataclass(frozen=True)
class Copy:
    """A suspect whose weights say the bits of a message, but for every tenth, at random."""

    key: Key
    message: tuple[int, ...]
    digest: str = "cd" * 32
    kind = "weights"

    def told(self, revealed: Mapping[str, str]) -> "Copy":
        return self

    def observe(self, probe: Probe) -> list[np.ndarray]:
        rng, right = np.random.default_rng(0), np.array(self.message)
        answers = np.where(rng.random(len(right)) < 0.9, right, rng.integers(0, 2, len(right)))
        return [weights_of(self.key.carriers, 2 * answers - 1)]


class Exact(Copy):
    """A suspect whose weights say these bits, all of them."""

    def observe(self, probe: Probe) -> list[np.ndarray]:
        return [weights_of(self.key.carriers, 2 * np.array(self.message) - 1)]


@pytest.fixture(scope="module")
def key(fresh, digits):
    owner = Provenance(arch="cnn")
    return keygen(Spread(bits=512), fresh, digits.feed, secret=Secret(bytes(32)), owner=owner)


@pytest.fixture(scope="module")
def claim(key):
    return claimed(Statement.of(key.statement), recipients=COPIES, policy=Policy(bar=8))


@pytest.fixture(scope="module")
def listed(key, authorities):
    """A dated claim that fixes a list of names, its deposit, who is trusted, and the draw."""
    from modelmark.claim.dates import deposit
    from modelmark.claim.dates.deposit import Trust

    local, authority = authorities()
    said = (recipients.fix(0, NAMES, key.secret),)
    rule = DrawRule("timestamp", (authority.fingerprint,))
    claim = claimed(Statement.of(key.statement), recipients=said, policy=Policy(bar=8), draw=rule)
    asked, trust = deposit.request(claim), Trust([authority])
    token = deposit.receive(claim, local.answer(asked), asked, authority)
    paper = deposit.make(claim, [token], cases.OWNER, trust, issued=at(1))
    return claim, paper, trust, deposit.check(claim, paper, trust).draw()


def copy_for(key: Key, name: str, draw=None, **changes) -> Copy:
    drawn = draw or key.mark().draw
    return Copy(key, tuple((drawn.of(name) if name else drawn).message(2, 512).tolist()), **changes)


def judged(key, claim, suspect, name, *, paper=None, trust=NOBODY, names=(), **known):
    asked = challenged(claim, suspect, recipient=name, deposit=paper.digest if paper else "")
    made = cases.opening.make(
        claim, asked, cases.OWNER, key.secret, leaves(key), issued=at(3), concealed=concealed(key), names=names
    )
    papers = cases.Papers(claim, paper, asked, *made, **known)
    return papers, verdict(papers, suspect, trust)


def ask(claim, name, digest="cd" * 32, **known):
    terms = Terms(at(2), at(9), recipient=name)
    return challenge(claim, None, Frozen("weights", digest), cases.JUDGE, NOBODY, terms, known=Known(**known))


def charges(judgement) -> dict[str, int]:
    (weighed,) = judgement.verdict.document.weighed
    return {charge.reason: charge.millibits for charge in weighed.charges}


def test_the_right_recipient_is_established_and_the_verdict_says_who(key, claim):
    papers, found = judged(key, claim, copy_for(key, "Ada Ltd"), "Ada Ltd")
    said = found.verdict.document
    assert (said.decision, said.recipient) == ("dependence-shown", "Ada Ltd")
    assert charges(found) == {
        "offline draw": 80_000, "2 readings tried, more than the claim foresaw": 1000,
        "2 messages, all names counted as one": 1000, "a name of 7 bytes": 66_000,
    }  # fmt: skip
    assert [records.version(one.document) for one in (claim, papers.challenge, papers.opening)] == [2, 3, 1]
    assert envelope.parse(found.verdict.data, type(said)).document == said
    lines = explaining.explain(found.verdict, claim, papers.challenge)
    assert "Message: that of the copy for Ada Ltd" in lines
    assert any("does not say that the recipient passed the copy on" in line for line in lines)
    assert "; copy of Ada Ltd; " in explaining.summary(found.verdict)


@pytest.mark.parametrize("name", ["Bob & Sons", "ada Ltd", ""])
def test_an_innocent_recipient_is_not_established_nor_the_keys_own_message(key, claim, name):
    said = judged(key, claim, copy_for(key, "Ada Ltd"), name)[1].verdict.document
    assert (said.decision, said.recipient) == ("no-evidence", name)


def test_old_a_recipients_copy_was_no_evidence_of_anything(key):
    """All that was judged was the key's own message, which no copy carries."""
    before = claimed(Statement.of(key.statement), policy=Policy(bar=8))
    assert judged(key, before, copy_for(key, "Ada Ltd"), "")[1].verdict.document.decision == "no-evidence"


def test_a_claim_that_says_nothing_of_copies_pays_for_no_name(key):
    """Neither does the judge ask for one, nor does a verdict on such a challenge show anything."""
    before = claimed(Statement.of(key.statement), policy=Policy(bar=8))
    with pytest.raises(MismatchError, match="expected a claim that says beforehand that key 0 has copies"):
        ask(before, "Ada Ltd")
    said = judged(key, before, copy_for(key, "Ada Ltd"), "Ada Ltd")[1].verdict.document
    assert (said.decision, said.weighed) == ("invalid-claim", ())
    assert [check.name for check in said.checks if check.outcome == "fail"] == ["papers"]


def test_a_name_chosen_after_the_suspect_was_seen_is_charged(key, claim):
    """The best of 4,096 names of three letters gains twelve bits on an unmarked suspect; it pays 34 and the old rule nothing."""
    read, own = np.random.default_rng(5).integers(0, 2, 512), key.mark().draw
    matches = {
        name: int((own.of(name).message(2, 512) == read).sum())
        for name in map("".join, itertools.product("abcdefghijklmnop", repeat=3))
    }
    best = max(matches, key=lambda name: matches[name])
    assert stats.tail_bits(matches[best], 512, Fraction(1, 2)) > 10  # by patience alone
    found = judged(key, claim, Exact(key, tuple(read.tolist())), best)[1]
    assert found.verdict.document.weighed[0].matches == matches[best]
    assert charges(found)["a name of 3 bytes"] == 34_000
    assert found.verdict.document.decision == "no-evidence"


def test_what_all_names_together_may_gain_is_shared_out_beforehand():
    """Over the key's own message, a list of any length and all other names the chances add up to at most 1."""
    for count in (0, 1, 1000):
        said = Recipients(0, count, "ab" * 32 if count else "")

        def chance(name: str, said: Recipients = said, *, listed: bool = False) -> float:
            return 2 ** -sum(charge.bits for charge in recipients.charges(said, name, listed=listed))

        others = sum(256**size * chance("x" * size) for size in range(1, 100))  # each name of so many bytes
        others += sum(1 / 1024 / (count + 2) for _ in range(100, 801))  # beyond, where floats end: the same each
        assert chance("") + count * chance("x", listed=True) + others <= 1
    assert recipients.charges(None, "", listed=False) == ()


def test_a_name_that_the_claim_fixed_is_charged_by_their_number_alone(key, listed):
    claim, paper, trust, draw = listed
    suspect = copy_for(key, "Erika Mustermann", draw)
    papers, found = judged(key, claim, suspect, "Erika Mustermann", paper=paper, trust=trust, names=NAMES[::-1])
    assert found.verdict.document.decision == "dependence-shown"
    assert charges(found)["7 messages, names off the list counted as one"] == math.ceil(1000 * math.log2(7))
    assert not any("bytes" in reason for reason in charges(found))
    opening = papers.opening.document
    assert (records.version(opening), len(opening.listed)) == (2, 1)
    free = judged(key, claim, suspect, "Erika Mustermann", paper=paper, trust=trust)[1]  # the list was not shown
    assert charges(free)["a name of 16 bytes"] == 138_000
    off = judged(key, claim, copy_for(key, "Faye", draw), "Faye", paper=paper, trust=trust, names=NAMES)[1]
    assert charges(off)["a name of 4 bytes"] == 42_000


def test_a_name_put_on_the_list_afterwards_is_refused(key, listed):
    claim, paper, trust, draw = listed
    suspect = copy_for(key, "Faye", draw)
    with pytest.raises(UsageError, match="expected the 5 names that the claim fixed, got 6 or others"):
        judged(key, claim, suspect, "Faye", paper=paper, trust=trust, names=(*NAMES, "Faye"))
    papers, _ = judged(key, claim, suspect, "Faye", paper=paper, trust=trust)
    of_ada = recipients.show(claim.document.recipients[0], "Ada Ltd", NAMES, key.secret)
    other = recipients.fix(0, (*NAMES, "Faye"), key.secret)
    of_faye = recipients.show(other, "Faye", (*NAMES, "Faye"), key.secret)
    for place in (of_ada, of_faye, Listing(0, "00" * 32)):
        forged = envelope.sign(dataclasses.replace(papers.opening.document, listed=(place,)), cases.OWNER)
        said = verdict(dataclasses.replace(papers, opening=forged), suspect, trust).verdict.document
        assert said.decision == "invalid-claim"
        assert [check.name for check in said.checks if check.outcome == "fail"] == ["opening"]


def test_a_place_on_the_list_belongs_to_a_named_recipient(key, listed):
    claim, paper, trust, draw = listed
    papers, _ = judged(key, claim, copy_for(key, "", draw), "", paper=paper, trust=trust)
    place = recipients.show(claim.document.recipients[0], "Ada Ltd", NAMES, key.secret)
    forged = envelope.sign(dataclasses.replace(papers.opening.document, listed=(place,)), cases.OWNER)
    with pytest.raises(MalformedError, match="expected no place on a list of names"):
        cases.opening.check(claim, papers.challenge, forged)


def test_an_offline_claim_fixes_no_list_as_its_draw_does_not_depend_on_it(key):
    """Offline the message of every name is known before the claim is written, so a list could be of names that suit."""
    said = (recipients.fix(0, NAMES, key.secret),)
    with pytest.raises(ValueError, match="an offline one binds the key alone"):
        claimed(Statement.of(key.statement), recipients=said)


def test_copies_are_of_keys_that_carry_them(key):
    statement = dataclasses.replace(Statement.of(key.statement), scheme="uchida")
    with pytest.raises(ValueError, match="expected a key of spread for copies, key 0 is none"):
        claimed(statement, recipients=COPIES)
    with pytest.raises(ValueError, match="key 1 is none"):
        claimed(Statement.of(key.statement), recipients=(Recipients(1, 0, ""),))
    with pytest.raises(ValueError, match="ascending order of keys"):
        claimed(Statement.of(key.statement), recipients=COPIES * 2)


def test_two_who_put_their_copies_together_are_judged_on_one_lot(key, claim):
    """One suspect, one claim, two messages: the lot is asked for again; for the same name, or for another suspect, it is not."""
    first = ask(claim, "Ada Ltd")
    assert ask(claim, "Bob & Sons", challenges=[first])
    assert ask(claim, "", challenges=[first])
    with pytest.raises(MismatchError, match="expected an unspent lot"):
        ask(claim, "Ada Ltd", challenges=[first])
    with pytest.raises(MismatchError, match="expected an unspent lot"):
        ask(claim, "Bob & Sons", digest="ee" * 32, challenges=[first])
    _, found = judged(key, claim, copy_for(key, "Ada Ltd"), "Ada Ltd")
    assert ask(claim, "Bob & Sons", verdicts=[found.verdict])
    with pytest.raises(MismatchError, match="was opened before"):
        ask(claim, "Ada Ltd", verdicts=[found.verdict])
    both = np.where(np.arange(512) % 2, copy_for(key, "Ada Ltd").message, copy_for(key, "Bob & Sons").message)
    mixed = Copy(key, tuple(both.tolist()))
    papers, one = judged(key, claim, mixed, "Ada Ltd")
    again = judged(key, claim, mixed, "Bob & Sons", challenges=[papers.challenge], verdicts=[one.verdict])[1]
    assert next(check for check in again.verdict.document.checks if check.name == "lot").outcome == "pass"
    assert again.verdict.document.weighed


def test_another_claim_of_the_key_gets_no_second_look_for_another_name(key, claim):
    other = claimed(Statement.of(key.statement), recipients=COPIES, policy=Policy(bar=8), nonce="11" * 32)
    with pytest.raises(MismatchError, match="expected an unspent lot"):
        ask(other, "Bob & Sons", challenges=[ask(claim, "Ada Ltd")], claims=[claim])


def test_a_name_that_the_lot_cannot_pay_for_is_not_asked_for(key, listed):
    claim = claimed(Statement.of(key.statement), recipients=COPIES, policy=Policy(bar=8))
    with pytest.raises(CapacityError, match="expected trials enough for 8 bits"):
        ask(claim, "x" * 53)
    entry = listed[0].document.keys[0]
    asked = challenged(listed[0], copy_for(key, ""), recipient="x" * 53)
    weighing.require_reach(listed[0].document, asked.document, entry)  # it may be on the list


def test_a_claim_needs_lots_for_what_is_charged(key):
    small = Entry(dataclasses.replace(Statement.of(key.statement), trials=88), (88,))
    plain = Claim(cases.OWNER.signers, "", at(0), cases.NONCE, (small,), DrawRule("offline"), Policy(bar=8))
    assert lots.require_reach(plain)
    with pytest.raises(CapacityError, match=r"89\.0 bits"):
        lots.require_reach(dataclasses.replace(plain, recipients=COPIES))


def test_a_beacon_binds_the_list_too(key):
    said = (recipients.fix(0, NAMES, key.secret),)
    rule = DrawRule("beacon", ("ab" * 32,), Lottery.name, 77)
    assert claimed(Statement.of(key.statement), recipients=said, draw=rule).document.recipients == said


def test_the_order_and_the_spelling_of_names_do_not_matter(key):
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    assert recipients.fix(0, [composed, "Ada"], key.secret) == recipients.fix(0, ["Ada", decomposed], key.secret)
    with pytest.raises(UsageError, match="expected a name of 1 to 200"):
        recipients.fix(0, [" Ada"], key.secret)
    with pytest.raises(ValueError, match="expected a name of 1 to 200"):
        challenged(claimed(Statement.of(key.statement), recipients=COPIES), copy_for(key, ""), recipient="Ada ")


@pytest.mark.parametrize("name", ["Ada Ltd", "Bob & Sons", ""])
@pytest.mark.parametrize("fixes", [False, True])
def test_the_second_implementation_agrees(key, claim, listed, tmp_path, capsys, name, fixes):
    about, paper, trust, draw = listed if fixes else (claim, None, NOBODY, key.mark().draw)
    suspect = copy_for(key, "Ada Ltd", draw)
    papers, found = judged(key, about, suspect, name, paper=paper, trust=trust, names=NAMES if fixes else ())
    said = found.verdict.document
    assert said.decision == ("dependence-shown" if name == "Ada Ltd" else "no-evidence")

    def recomputed() -> str:
        documents = {
            "claim": about.data, "deposit": paper.data if paper else b"", "challenge": papers.challenge.data,
            "opening": papers.opening.data, "carriers": papers.beside, "transcript": found.record.data,
        }  # fmt: skip
        for title, data in documents.items():
            (tmp_path / title).write_bytes(data)
        files = [str(tmp_path / title) for title in (*documents, "verdict")]
        runpy.run_path(str(SCRIPT))["main"](*[file if paper or "deposit" not in file else "-" for file in files])
        return capsys.readouterr().out.strip()

    (tmp_path / "verdict").write_bytes(found.verdict.data)
    (weighed,) = said.weighed
    assert recomputed() == (
        f"{weighed.matches}/{weighed.trials} as drawn, {weighed.gross / 1000} bits, {weighed.net / 1000} net: {said.decision}"
    )
    if name == "Ada Ltd":
        free = dataclasses.replace(
            weighed, charges=weighed.charges[:-1], net=weighed.net + weighed.charges[-1].millibits
        )
        cheap = dataclasses.replace(said, weighed=(free,))
        (tmp_path / "verdict").write_bytes(envelope.sign(cheap, cases.JUDGE).data)
        with pytest.raises(SystemExit, match=r"^numbers: "):
            recomputed()
    (tmp_path / "verdict").write_bytes(envelope.sign(dataclasses.replace(said, recipient="Zoe"), cases.JUDGE).data)
    with pytest.raises(SystemExit, match=r"^recipient: "):
        recomputed()
