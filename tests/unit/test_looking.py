"""Reading with a budget: whenever it stops, it is wrong no more often than its bits say, and it asks no more than it takes."""

import bisect
import dataclasses
import math

import numpy as np
import pytest

import field_keys
from modelmark.carriers.base import every
from modelmark.errors import UsageError
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.key.secret import Secret
from modelmark.marks import looking
from modelmark.schemes.adi import Adi
from modelmark.suspects.base import Ask

BAR = 5
DRAWS, SUSPECTS = 10_000, 10


class Answering:
    """A suspect of which the labels are known, in the order in which it is asked; it counts what it is asked."""

    answers = frozenset({Ask})

    def __init__(self, labels) -> None:
        self.labels, self.queries = np.asarray(labels), 0

    def observe(self, probe):
        count = len(probe.inputs)
        self.queries += count
        return [self.labels[self.queries - count : self.queries]]


@pytest.fixture(scope="module")
def key():
    return field_keys.key()


@pytest.fixture(scope="module")
def small():
    return field_keys.key(400, 4)


def drawn(key, number: int):
    """The same carriers with another draw."""
    return dataclasses.replace(key, secret=Secret(number.to_bytes(32, "big"))).mark()


def tables(key, labels, budget: int) -> list[list[Scores]]:
    """By look and rule."""
    own = key.carriers
    parts = [(own.first(stop), labels[:stop]) for stop in looking.looks(budget)]
    return [[part.scores(read) for read in every(part, [np.array(given)])] for part, given in parts]


def test_it_is_looked_after_an_eighth_a_quarter_a_half_and_all():
    assert looking.looks(600) == (75, 150, 300, 600)
    assert looking.looks(5) == (1, 2, 3, 5)
    assert looking.looks(1) == (1,)
    with pytest.raises(UsageError, match="expected a budget of at least one query, got 0"):
        looking.looks(0)


def test_looks_raise_no_false_alarms_beyond_the_rate(small):
    """10,000 draws, ten suspects that depend on none; the old rule, to stop where any look reaches the bar, has too many."""
    alarms = {"charged": 0, "old": 0}
    for number in range(SUSPECTS):
        found = [one for look in tables(small, independent(number), 400) for one in look]
        assert len(found) == 12
        messages = np.random.default_rng(number).integers(0, 2, size=(DRAWS // SUSPECTS, 40))
        sums = np.array([one.table[np.arange(40), messages].sum(axis=1) for one in found])  # by table and draw
        for rule, bits in (("charged", BAR + math.log2(3) + math.log2(4)), ("old", BAR)):
            needed = np.array([least(one, bits) for one in found])
            alarms[rule] += int((sums >= needed[:, None]).any(axis=0).sum())
    rate = DRAWS * 2.0**-BAR
    assert 0 < alarms["charged"] <= rate + 4 * math.sqrt(rate)
    assert alarms["old"] > rate + 8 * math.sqrt(rate)


def least(table: Scores, bits: float) -> int:
    """The smallest sum that is worth so many bits; one more than there is, where none is."""
    return bisect.bisect_left(range(table.most + 1), True, key=lambda total: tail_bits(table, total).bits >= bits)


def independent(number: int) -> list[int]:
    """Labels of a model without a mark: what is likely, and a lean of its own to some classes."""
    random = np.random.default_rng(100 + number)
    lean = random.normal(size=10) / 2
    return (field_keys.scores(400) + lean + random.gumbel(size=(400, 10))).argmax(axis=1).tolist()


@pytest.mark.parametrize("number", range(12))
def test_what_it_says_is_the_best_of_all_looks_less_all_charges(small, number):
    mark, labels = drawn(small, number), independent(number)
    suspect = Answering(labels)
    found = mark.evidence(suspect, bar=BAR, budget=400)
    worth = [max(tail_bits(one, one.total(mark.message)).bits for one in look) for look in tables(small, labels, 400)]
    enough = [bits - sum(charge.bits for charge in found.charges) >= BAR for bits in worth]
    if any(enough):
        assert (found.gross_bits, suspect.queries) == (
            worth[enough.index(True)],
            (50, 100, 200, 400)[enough.index(True)],
        )
    else:
        assert suspect.queries == 400
        assert found.net_bits == max(0.0, max(worth) - sum(charge.bits for charge in found.charges))
    assert [(charge.reason, charge.bits) for charge in found.charges[1:]] == [
        ("3 readings tried", math.log2(3)), ("4 looks that could be taken", 2.0),
    ]  # fmt: skip


def test_fewer_queries_are_asked_of_a_marked_model(key):
    mark, labels = key.mark(), field_keys.answers(key, 2.5)
    whole = mark.evidence(Answering(labels), bar=10)
    assert whole.established
    assert whole.queries == 600
    suspect = Answering(labels)
    found = mark.evidence(suspect, bar=10, budget=600)
    assert found.established
    assert found.queries == suspect.queries
    assert suspect.queries in (75, 150, 300)
    assert f"the first {suspect.queries} of 600 queries" in str(found)
    assert found.net_bits < whole.net_bits
    assert suspect.queries < whole.queries


def test_all_looks_are_charged_at_the_first(key):
    """The old rule charges the looks that were taken: one, where the first is enough."""
    labels = field_keys.answers(key, 2.5)
    found = key.mark().evidence(Answering(labels), bar=0.5, budget=600)
    enough = key.mark().weigh([key.mark().read(Answering(labels))]).charges
    assert {charge.reason: charge.bits for charge in found.charges} == {
        **{charge.reason: charge.bits for charge in enough}, "4 looks that could be taken": 2.0,
    }  # fmt: skip


def test_no_more_than_the_budget_is_asked(key):
    suspect = Answering(field_keys.answers(key, 0.0))
    found = key.mark().evidence(suspect, budget=100)
    assert suspect.queries == found.queries == 100
    assert not found.established
    more = Answering(field_keys.answers(key, 0.0))
    key.mark().evidence(more, budget=10**9)
    assert more.queries == 600


def test_a_mark_that_says_nothing_before_all_is_asked_takes_no_budget():
    from modelmark.marks.keys import Key

    adi = Key(Adi(triggers=6), Secret(bytes(32)), field_keys.FEED)
    with pytest.raises(UsageError, match="expected a field key with a budget of queries, got adi"):
        adi.mark().evidence(Answering([0] * 6), budget=3)
    with pytest.raises(UsageError, match="expected a budget of queries, or a host to align to, got both"):
        adi.mark().evidence(Answering([0] * 6), budget=3, align_to=object())
