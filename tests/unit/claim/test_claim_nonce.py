"""Where a nonce comes from: the judge's own can be chosen, a token's or a beacon's round's cannot, and the verdict says which."""

import dataclasses
import datetime
import sys
from types import SimpleNamespace

import claim_cases as cases
import numpy as np
import pytest
from claim_cases import NOBODY, Fixed, at, challenged, claimed, decided, laid, leaves, verdict

from modelmark.claim.dates import nonce, timestamp
from modelmark.claim.dates.deposit import Trust
from modelmark.claim.judging.challenging import Terms, challenge, termed
from modelmark.claim.papers import envelope, lots, records
from modelmark.claim.papers.dispute import Challenge, Frozen, Source
from modelmark.claim.papers.statement import Statement
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, Provenance, keygen
from modelmark.models import build
from modelmark.schemes.adi import Adi
from modelmark.suspects.files import held
from modelmark.suspects.state import State

KEY = Key(Adi(triggers=128), Secret(bytes(32)), PictureFeed((1, 4, 4), tuple("0123456789")), arch="cnn")
CLAIM = claimed(Statement.of(KEY.statement))
MESSAGE = np.array(KEY.mark().message)
HALF = Fixed(leaves(KEY), np.where(np.arange(128) < 64, MESSAGE, (MESSAGE + 1) % 10).tolist())
TERMS = Terms(at(2), at(9), draws=64)


def asked(trust: Trust, terms: Terms = TERMS, suspect: Frozen | None = None):
    return challenge(CLAIM, None, suspect or Frozen("weights", HALF.digest), cases.JUDGE, trust, terms)


def judged(paper, trust: Trust = NOBODY):
    return verdict(laid(CLAIM, paper, KEY.secret, leaves(KEY), shown=cases.concealed(KEY)), HALF, trust)


def said(paper, trust: Trust = NOBODY) -> tuple[str, str]:
    (found,) = (check for check in judged(paper, trust).verdict.document.checks if check.name == "nonce")
    return found.outcome, found.detail


def stamped(local, authority, terms: Terms = TERMS) -> Source:
    over = nonce.terms(termed(CLAIM, None, Frozen("weights", HALF.digest), cases.JUDGE, terms))
    request = timestamp.request(over)
    return Source(authority.fingerprint, timestamp.receive(local.answer(request), request, over, authority))


def test_of_a_judges_own_nonces_one_can_be_chosen_and_the_verdict_says_so():
    """Half of the lot matches; the best of fifty nonces finds five matches more than the middle one."""
    tries = [challenged(CLAIM, HALF, draws=64, nonce=f"{number:064x}") for number in range(50)]
    hits = sorted(sum(trial < 64 for trial in lots.drawn(one.document, CLAIM.document.keys[0])) for one in tries)
    assert hits[-1] - hits[25] >= 5
    assert said(tries[0]) == ("skipped", "the judge's own word: he could have tried several")
    assert said(challenged(CLAIM, HALF)) == ("pass", "decides nothing, as the whole lot is asked for")


def test_a_nonce_from_a_timestamp_over_the_terms_is_what_the_token_gives(authorities):
    local, authority = authorities()
    trust, source = Trust([authority]), stamped(local, authority)
    paper = asked(trust, dataclasses.replace(TERMS, source=source))
    assert records.version(paper.document) == 2
    assert envelope.parse(paper.data, Challenge) == paper
    assert paper.document.nonce == asked(trust, dataclasses.replace(TERMS, source=source)).document.nonce
    outcome, detail = said(paper, trust)
    assert (outcome, detail) == ("pass", f"from a timestamp of authority {authority.fingerprint[:16]} over the terms")
    other = envelope.sign(dataclasses.replace(paper.document, nonce="00" * 32), cases.JUDGE)
    assert said(other, trust) == ("fail", "expected the nonce that the challenge's source gives, got another")
    assert judged(other, trust).verdict.document.decision == "not-decidable"
    for change in ({"draws": 63}, {"bar": 9}, {"test": "e-process"}):  # terms chosen when the nonce was known
        with pytest.raises(MalformedError):
            asked(trust, dataclasses.replace(TERMS, source=source, **change))
        changed = envelope.sign(dataclasses.replace(paper.document, **change), cases.JUDGE)
        assert decided(
            laid(CLAIM, changed, KEY.secret, leaves(KEY), shown=cases.concealed(KEY)), HALF, trust=trust
        ) == ("not-decidable")
    with pytest.raises(UsageError, match="which gave the nonce, got none"):
        judged(paper)


class Beacon:
    """Round n at minute n of the day; its value is its number."""

    name = "moon"

    def published(self, round: int) -> datetime.datetime:
        start = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return start + datetime.timedelta(minutes=round)

    def verify(self, round: int, proof: bytes) -> bytes:
        if proof != b"signed":
            raise MalformedError("expected the moon's proof, got another")
        return round.to_bytes(8, "big")


def test_a_nonce_from_a_beacon_is_of_the_first_round_after_the_suspects_timestamp(authorities):
    local, authority = authorities()
    raw = bytes.fromhex(HALF.digest)
    request = timestamp.request(raw)
    token = timestamp.receive(local.answer(request), request, raw, authority)
    trust = Trust([authority], [Beacon()])
    latest = timestamp.verify(token, raw, authority).latest
    first = int((latest - Beacon().published(0)).total_seconds() // 60) + 1
    frozen = Frozen("weights", HALF.digest, (token,))

    def of(round: int, **changes):
        source = Source(beacon="moon", round=round, proof=b"signed")
        return asked(trust, dataclasses.replace(TERMS, source=dataclasses.replace(source, **changes)), frozen)

    paper = of(first)
    assert said(paper, trust) == ("pass", f"from round {first} of beacon moon, the first after the suspect's timestamp")
    for other in (first - 1, first + 1):
        with pytest.raises(MismatchError, match="expected the first round of moon after"):
            of(other)
    with pytest.raises(MalformedError, match="the moon's proof"):
        of(first, proof=b"forged")
    with pytest.raises(MismatchError, match="a suspect with a timestamp"):
        asked(trust, dataclasses.replace(TERMS, source=Source(beacon="moon", round=first, proof=b"signed")))


@pytest.mark.parametrize("fields", [
    {}, {"token": b"x"}, {"authority": "ab" * 32}, {"beacon": "moon", "round": 1}, {"beacon": "moon", "proof": b"x"},
    {"authority": "ab" * 32, "token": b"x", "beacon": "moon", "round": 1, "proof": b"x"},
])  # fmt: skip
def test_a_source_is_a_token_or_a_round_and_whole(fields):
    with pytest.raises(ValueError, match="an authority and its token, or a beacon"):
        Source(**fields)


def test_a_verdict_says_by_which_code_and_in_which_architecture_it_was_reached(fresh, digits, monkeypatch):
    key = keygen(Adi(), fresh, digits.feed, secret=Secret(bytes(32)), owner=Provenance(arch="cnn"))
    made = SimpleNamespace(net=lambda: build("cnn", (1, 8, 8), 10, seed=1))
    long = f"judges_{'o' * 990}wn"  # as a configuration is: the word on it had more characters than a verdict takes
    for module in ("judges_own", long):
        monkeypatch.setitem(sys.modules, module, made)
    words = []
    for arch in ("", "cnn", "judges_own:net", f"{long}:net"):
        suspect = State(held(fresh.state_dict()), arch, trusted=True)
        found = cases.tried(key, suspect).verdict.document
        words.append(next(check.detail for check in found.checks if check.name == "answers"))
        assert found.software.startswith("modelmark ")
        assert len(found.software.split(", code ")[1]) == 32
    assert words[0] == words[1] == "100 queries were answered as cnn, which the claim committed to"
    assert words[2].endswith("as judges_own:net by the judge's word, not the committed cnn")
    assert words[3].endswith("ooo... by the judge's word, not the committed cnn")
