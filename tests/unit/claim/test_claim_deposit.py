"""From claim to message: only after the deposit, by randomness that nobody chose, in the order of time."""

import dataclasses
import datetime

import claim_tokens
import numpy as np
import pytest

from modelmark.claim.dates import deposit, timestamp
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.papers import envelope
from modelmark.claim.papers.claim import Claim, DrawRule, Entry
from modelmark.claim.papers.dispute import Deposit
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.key.draw import Draw
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.schemes.adi import Adi
from spending import at_most

NOW = datetime.datetime.now(datetime.UTC)


class Lottery:
    """A beacon whose value is its proof, if that begins with the round's number."""

    name = "lottery"

    def __init__(self, published: datetime.datetime) -> None:
        self._published = published

    def published(self, round: int) -> datetime.datetime:
        return self._published

    def verify(self, round: int, proof: bytes) -> bytes:
        if not proof.startswith(b"%d:" % round):
            raise MalformedError("expected the value of this round, got another")
        return proof


def claim(case, rule: DrawRule, **changes: object):
    return envelope.sign(dataclasses.replace(case.claim("").document, draw=rule, **changes), case.OWNER)


def token(claimed, pair) -> bytes:
    local, authority = pair
    asked = deposit.request(claimed)
    return deposit.receive(claimed, local.answer(asked), asked, authority)


def deposited(case, authorities, *names: str):
    """Return claim, deposit and trust for authorities of these names, which the claim holds in ascending order."""
    pairs = sorted((authorities(name) for name in names), key=lambda pair: pair[1].fingerprint)
    claimed = claim(case, DrawRule("timestamp", tuple(pair[1].fingerprint for pair in pairs)))
    trust = Trust([pair[1] for pair in pairs])
    paper = deposit.make(claimed, [token(claimed, pair) for pair in pairs], case.OWNER, trust, issued=case.at(1))
    return claimed, paper, trust


@pytest.mark.parametrize("names", [("first",), ("first", "second", "third")])
def test_the_key_takes_the_deposited_draw(case, authorities, names) -> None:
    claimed, paper, trust = deposited(case, authorities, *names)
    draw = deposit.draw(claimed, paper, trust)
    assert (draw.kind, draw.charge, draw.statement) == ("timestamp", 48, case.key().digest)
    assert len(case.key().mark(draw).message) == 8
    assert draw.message(1000, 64).tolist() != Draw(case.key().digest).message(1000, 64).tolist()
    dated = deposit.check(claimed, paper, trust)
    assert dated.date == max(stamp.time for stamp in dated.stamps) + datetime.timedelta(seconds=1)
    assert dated.entry(case.key().digest) == (0, claimed.document.keys[0])
    with pytest.raises(MismatchError, match="a claim of other keys"):
        dated.entry(bytes(32))
    with pytest.raises(UsageError, match="expected a key from 0 to 0"):
        dated.draw(1)


def test_unsigned_parts_and_twins_of_tokens_give_the_same_draw(case, authorities) -> None:
    claimed, paper, trust = deposited(case, authorities, "first")
    (stored,) = paper.document.tokens
    expected = deposit.draw(claimed, paper, trust)
    for other in (claim_tokens.attributed(stored), claim_tokens.twin(stored)):
        assert other != stored
        again = deposit.make(claimed, [other], case.OWNER, trust, issued=case.at(1))
        assert deposit.draw(claimed, again, trust) == expected


def test_every_further_token_is_a_new_draw(case, authorities) -> None:
    """That is what the 48 bits pay for."""
    first, second = deposited(case, authorities, "first"), deposited(case, authorities, "first")
    assert first[0].data == second[0].data
    assert deposit.draw(*first) != deposit.draw(*second)


def test_several_tokens_bind_in_one_order(case, authorities) -> None:
    claimed, paper, trust = deposited(case, authorities, "first", "second")
    dated = deposit.check(claimed, paper, trust)
    bindings = [stamp.binding for stamp in dated.stamps]
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in (b"modelmark/v1/tokens", *sorted(bindings)))
    assert dated.token == joined
    backwards = paper.document.tokens[::-1]
    with pytest.raises(MalformedError, match="expected a valid token"):
        deposit.make(claimed, backwards, case.OWNER, trust, issued=case.at(1))


def test_keys_of_one_claim_draw_apart(case, authorities) -> None:
    other = Key(Adi(triggers=8), Secret(bytes(32)), case.INTERFACE)
    entries = tuple(Entry(Statement.of(key.statement), (8,)) for key in (case.key(), other))
    rule = DrawRule("timestamp", (authorities()[1].fingerprint,))
    claimed = claim(case, rule, keys=entries)
    trust = Trust([authorities()[1]])
    paper = deposit.make(claimed, [token(claimed, authorities())], case.OWNER, trust, issued=case.at(1))
    first, second = (deposit.draw(claimed, paper, trust, key=number) for number in (0, 1))
    assert first.token == second.token
    assert not np.array_equal(first.message(1000, 32), second.message(1000, 32))
    other.mark(second)
    with pytest.raises(MismatchError, match="the draw of this key"):
        other.mark(first)


def test_a_deposit_belongs_to_its_claim_its_claimant_and_its_authorities(case, authorities) -> None:
    claimed, paper, trust = deposited(case, authorities, "first")
    tokens = paper.document.tokens
    changed = claim(case, claimed.document.draw, release="")
    with pytest.raises(MismatchError, match="deposit of this claim"):
        deposit.check(changed, paper, trust)
    moved = envelope.sign(dataclasses.replace(paper.document, claim=changed.digest), case.OWNER)
    with pytest.raises(MalformedError, match="Mismatch between messages"):
        deposit.check(changed, moved, trust)
    stolen = envelope.sign(Deposit(case.JUDGE.signers, case.at(1), claimed.digest, tokens), case.JUDGE)
    with pytest.raises(MismatchError, match="the claimant's deposit"):
        deposit.check(claimed, stolen, trust)
    with pytest.raises(UsageError, match="the identity that signed the claim"):
        deposit.make(claimed, tokens, case.JUDGE, trust, issued=case.at(1))
    with pytest.raises(UsageError, match="a pinned certificate for authority"):
        deposit.check(claimed, paper, Trust([authorities("second")[1]]))
    for given in (tokens * 2, tokens):
        bad = Deposit(case.OWNER.signers, case.at(1), claimed.digest, given, b"" if given != tokens else b"value")
        with pytest.raises(MalformedError, match="expected 1 token, got"):
            deposit.check(claimed, envelope.sign(bad, case.OWNER), trust)


def test_an_offline_claim_has_no_deposit_and_a_dated_one_has(case, authorities) -> None:
    offline = case.claim("")
    dated = deposit.check(offline, None, Trust())
    assert dated.date is None
    assert dated.draw() == case.key().draw()
    assert dated.draw().charge == 80
    claimed, paper, trust = deposited(case, authorities, "first")
    for given in ((claimed, None), (offline, paper)):
        with pytest.raises(MismatchError, match="a deposit exactly when a claim is not offline"):
            deposit.check(*given, trust)


def beaconed(case, authorities, published: datetime.datetime, proof: bytes, trust: Trust | None = None):
    pair = authorities()
    claimed = claim(case, DrawRule("beacon", (pair[1].fingerprint,), "lottery", 77))
    trust = trust or Trust([pair[1]], [Lottery(published)])
    return (
        claimed,
        deposit.make(claimed, [token(claimed, pair)], case.OWNER, trust, issued=case.at(1), beacon=proof),
        trust,
    )


def test_a_beacons_value_draws_alone(case, authorities) -> None:
    """The round was named beforehand, so further tokens are no further draws."""
    later = NOW + datetime.timedelta(days=1)
    first, second = (beaconed(case, authorities, later, b"77:value") for _ in range(2))
    assert first[1].document.tokens != second[1].document.tokens
    assert deposit.draw(*first) == deposit.draw(*second)
    assert deposit.draw(*first).charge == 32
    case.key().mark(deposit.draw(*first))
    assert deposit.draw(*beaconed(case, authorities, later, b"77:other")) != deposit.draw(*first)


def test_a_beacon_that_was_known_before_the_stamp_draws_nothing(case, authorities) -> None:
    with pytest.raises(MalformedError, match="expected all stamps before round 77 of lottery"):
        beaconed(case, authorities, NOW - datetime.timedelta(days=1), b"77:value")
    with pytest.raises(MalformedError, match="the value of this round"):
        beaconed(case, authorities, NOW + datetime.timedelta(days=1), b"78:value")
    with pytest.raises(MalformedError, match="expected 1 token and a beacon"):
        beaconed(case, authorities, NOW + datetime.timedelta(days=1), b"")
    with pytest.raises(UsageError, match="a plug-in for beacon 'lottery'"):
        beaconed(case, authorities, NOW, b"77:value", Trust([authorities()[1]]))


@pytest.mark.parametrize("names", [("first",), ("first", "second")])
def test_an_offline_check_is_short_work(case, authorities, names) -> None:
    claimed, paper, trust = deposited(case, authorities, *names)
    with at_most(10_000):
        deposit.check(envelope.parse(claimed.data, Claim), envelope.parse(paper.data, Deposit), trust)


def test_what_is_stamped_is_the_payload(case, authorities) -> None:
    claimed, paper, trust = deposited(case, authorities, "first")
    assert timestamp.verify(paper.document.tokens[0], claimed.payload, trust.authorities[0])
