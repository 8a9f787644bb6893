"""Lots leave no choice to the claimant, and an opening shows exactly what was asked of what was committed."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from modelmark.claim.papers import envelope, lots, opening
from modelmark.claim.papers.claim import Claim, DrawRule, Entry, Policy
from modelmark.claim.papers.dispute import Challenge, Frozen
from modelmark.claim.papers.statement import Statement
from modelmark.errors import CapacityError, MalformedError, MismatchError, UsageError
from modelmark.key.secret import Secret


def challenge(case, claimed, /, **changes):
    made = Challenge(
        case.JUDGE.signers, case.at(2), case.at(9), "", claimed.digest, "", Frozen("weights", "cd" * 32), case.NONCE,
        key=0, lot=1, draws=0, test="exact", bar=8,
    )  # fmt: skip
    return envelope.sign(dataclasses.replace(made, **changes), case.JUDGE)


def leaves(case):
    key = case.key()
    return key.carriers.leaves()


def make(case, asked, **changes):
    given = {"identity": case.OWNER, "secret": case.SECRET, "carriers": leaves(case), "issued": case.at(3)} | changes
    return opening.make(case.claim(""), asked, **given)


@pytest.mark.parametrize(
    ("trials", "count", "sizes"), [(8, 2, (4, 4)), (7, 3, (3, 2, 2)), (5, 1, (5,)), (3, 3, (1, 1, 1))]
)
def test_a_split_covers_every_trial(trials, count, sizes) -> None:
    assert lots.split(trials, count) == sizes
    assert sum(sizes) == trials


@pytest.mark.parametrize("count", [0, 9])
def test_no_lot_is_empty(count) -> None:
    with pytest.raises(ValueError, match="expected 1 to 8 lots"):
        lots.split(8, count)


def test_a_whole_lot_opens(case) -> None:
    claimed, asked = case.claim(""), challenge(case, case.claim(""))
    signed, beside = make(case, asked)
    opened = opening.check(claimed, asked, signed)
    assert opened.trials == (4, 5, 6, 7)
    assert opening.unpack(opened.leaves, beside) == leaves(case)[4:]


@pytest.mark.parametrize("draws", [1, 2, 3, 4])
def test_drawn_trials_open(case, draws) -> None:
    claimed, asked = case.claim(""), challenge(case, case.claim(""), draws=draws)
    signed, beside = make(case, asked, concealed={"arch": "lenet5"})
    opened = opening.check(claimed, asked, signed)
    assert len(opened.trials) == draws
    assert set(opened.trials) <= {4, 5, 6, 7}
    assert opened.revealed == {"arch": "lenet5"}
    assert opening.unpack(opened.leaves, beside) == [leaves(case)[i] for i in opened.trials]


def test_suspect_nonce_and_claim_each_draw_other_trials(case) -> None:
    statement = dataclasses.replace(Statement.of(case.key().statement), trials=1000, carriers=1000)
    entry, base = Entry(statement, (1000,)), challenge(case, case.claim(""), lot=0, draws=40).document
    others = [
        dataclasses.replace(base, suspect=Frozen("weights", "ce" * 32)),
        dataclasses.replace(base, nonce="00" * 32),
        dataclasses.replace(base, claim="00" * 32),
    ]
    drawn = {lots.drawn(one, entry) for one in (base, *others)}
    assert len(drawn) == 4
    assert all(len(set(one)) == 40 and list(one) == sorted(one) for one in drawn)


def test_every_choice_is_equally_likely() -> None:
    counts = Counter(lots.choose(5, 2, "test", number.to_bytes(4, "big")) for number in range(5000))
    assert len(counts) == 10
    observed = np.array(list(counts.values()))
    assert ((observed - 500) ** 2 / 500).sum() < 9 + 5 * np.sqrt(18)


def test_more_than_there_is_cannot_be_chosen(case) -> None:
    with pytest.raises(ValueError, match="at most 3"):
        lots.choose(3, 4, "test")
    for changes in ({"lot": 2}, {"draws": 5}, {"key": 1}):
        with pytest.raises(MismatchError, match=r"^expected a (whole )?(lot|key)"):
            make(case, challenge(case, case.claim(""), **changes))


def test_carriers_that_are_no_trials_open_all_together(case) -> None:
    statement = dataclasses.replace(Statement.of(case.key().statement), carriers=12)
    entry, asked = Entry(statement, (8,)), challenge(case, case.claim(""), lot=0).document
    assert lots.drawn(asked, entry) == tuple(range(8))
    assert lots.carriers(asked, entry) == tuple(range(12))
    with pytest.raises(MismatchError, match="expected the whole lot of a mark whose trials share carriers"):
        lots.drawn(dataclasses.replace(asked, draws=2), entry)


def test_another_key_opens_nothing(case) -> None:
    asked = challenge(case, case.claim(""))
    for changes in ({"secret": Secret(bytes(32))}, {"carriers": leaves(case)[::-1]}):
        with pytest.raises(MismatchError, match="the key that was claimed"):
            make(case, asked, **changes)


def test_only_the_claimant_opens(case) -> None:
    with pytest.raises(UsageError, match="the identity that signed the claim"):
        make(case, challenge(case, case.claim("")), identity=case.JUDGE)


def test_another_value_than_the_concealed_one_is_refused(case) -> None:
    for concealed in ({"arch": "resnet18"}, {"layer": "lenet5"}):
        with pytest.raises(MalformedError, match="that the claim committed to"):
            make(case, challenge(case, case.claim("")), concealed=concealed)


def test_an_opening_is_for_one_challenge(case) -> None:
    """Replay to another suspect, another case, another lot; by another signer; too late."""
    claimed, asked = case.claim(""), challenge(case, case.claim(""), draws=2)
    signed, _ = make(case, asked)
    for changes in ({"suspect": Frozen("weights", "ce" * 32)}, {"case": "other"}, {"lot": 0}, {"nonce": "00" * 32}):
        with pytest.raises(MismatchError, match="opening for this challenge"):
            opening.check(claimed, challenge(case, claimed, draws=2, **changes), signed)
    with pytest.raises(MismatchError, match="a challenge to this claim"):
        opening.check(claimed, challenge(case, claimed, claim="00" * 32), signed)
    stolen = envelope.sign(dataclasses.replace(signed.document, signers=case.JUDGE.signers), case.JUDGE)
    with pytest.raises(MismatchError, match="the claimant's opening"):
        opening.check(claimed, asked, stolen)
    late = envelope.sign(dataclasses.replace(signed.document, issued=case.at(10)), case.OWNER)
    with pytest.raises(MalformedError, match="expected an opening before"):
        opening.check(claimed, asked, late)


@pytest.mark.parametrize("field", ["index", "salt", "digest", "proof", "fewer", "more"])
def test_an_opening_shows_what_was_asked_and_committed(case, field) -> None:
    claimed, asked = case.claim(""), challenge(case, case.claim(""), draws=2)
    document = make(case, asked)[0].document
    first, *rest = document.leaves
    whole = make(case, challenge(case, claimed))[0].document.leaves
    changed = {
        "index": {"leaves": (dataclasses.replace(first, index=0), *rest)},
        "salt": {"leaves": (dataclasses.replace(first, salt="00" * 32), *rest)},
        "digest": {"leaves": (dataclasses.replace(first, digest="00" * 32), *rest)},
        "proof": {"proof": ("00" * 32, *document.proof[1:])},
        "fewer": {"leaves": tuple(rest)},
        "more": {"leaves": whole},
    }[field]
    with pytest.raises(MalformedError, match="got others"):
        opening.check(claimed, asked, envelope.sign(dataclasses.replace(document, **changed), case.OWNER))


def test_carriers_beside_the_document_are_the_opened_ones(case) -> None:
    signed, beside = make(case, challenge(case, case.claim("")))
    opened = signed.document.leaves
    for bad in (beside[:-1], beside + b"\0", b"", bytes([beside[0] ^ 1]) + beside[1:]):
        with pytest.raises(MalformedError, match=r"expected (the opened carrier|\d+ bytes)"):
            opening.unpack(opened, bad)


def test_freedom_is_charged_and_a_lot_that_cannot_reach_the_bar_is_refused(case) -> None:
    statement = dataclasses.replace(Statement.of(case.key().statement), trials=1024, carriers=1024, alphabet=10)
    base = case.claim("").document

    def claim(kind: str, sizes: tuple[int, ...], **changes: object) -> Claim:
        rule = DrawRule(kind, () if kind == "offline" else ("00" * 32,))
        return dataclasses.replace(base, keys=(Entry(statement, sizes),), draw=rule, policy=Policy(), **changes)

    sixteen = claim("timestamp", lots.split(1024, 16))
    assert [charge.bits for charge in lots.charges(sixteen)] == [48.0, 4.0]
    assert lots.require_reach(sixteen) is sixteen  # 64 trials of 3.32 bits; 64 + 48 + 4 are needed
    free = claim("offline", lots.split(1024, 16), prior=("00" * 32,))
    free = dataclasses.replace(free, policy=Policy(suspects=8, readings=2))
    assert [charge.bits for charge in lots.charges(free)] == [80.0, 4.0, 3.0, 1.0, 1.0]
    with pytest.raises(CapacityError, match=r"expected lots of at least 36 trials in key 0 \(118.0 bits .* got 32"):
        lots.require_reach(claim("timestamp", lots.split(1024, 32), prior=("00" * 32,)))
