"""A reading is data: what it counts, and that charges follow from the list of readings and nothing else."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from modelmark.errors import MismatchError
from modelmark.evidence.evidence import Evidence, Graded, Observation
from modelmark.evidence.scores import Scores, tail_bits
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks import reading
from modelmark.marks.keys import Key
from modelmark.marks.reading import Reading, Unread, read, tried
from modelmark.schemes.adi import Adi
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.base import Array, Ask, Probe, Read
from modelmark.suspects.function import BlackBox

FACE = PictureFeed((1, 4, 4), tuple("0123456789"))
SECRET = Secret(bytes(range(32)))
ASKED = Key(Adi(triggers=80), SECRET, FACE).mark()
SEEN = Key(Uchida(layer="fc", bits=16, width=40), SECRET, FACE).mark()


def counting(right: int, mark=ASKED) -> Reading:
    """Return a reading that matches in the first ``right`` trials."""
    _, alphabet = mark.key.scheme.size(FACE)
    symbols = np.where(np.arange(len(mark.message)) < right, mark.message, (mark.message + 1) % alphabet)
    return Reading((Scores.one_hot(symbols, alphabet),), queries=right, note=f"{right} right")


def charges(found) -> list[tuple[str, float]]:
    return [(charge.reason, charge.bits) for charge in found.charges]


class Several:
    """A suspect in which several places fit."""

    answers = frozenset({Read})
    queries = 0

    def __init__(self, weights: Sequence[Array]) -> None:
        self.weights = weights

    def observe(self, probe: Probe) -> Sequence[Array]:
        return self.weights


def marked(right: int) -> Array:
    """Return weights whose first ``right`` projections have the sign that was drawn, all others the other sign."""
    signs = np.where(np.arange(16) < right, 1, -1) * (2 * SEEN.message - 1)
    return np.linalg.lstsq(SEEN.key.carriers.matrix / 65536, signs, rcond=None)[0][None]


def test_a_reading_counts_the_queries_that_it_cost():
    suspect = BlackBox(lambda x: np.zeros(len(x), int))
    suspect.observe(Ask(FACE, np.zeros((7, 1, 4, 4), np.uint8)))
    found = ASKED.read(suspect)
    assert (found.queries, suspect.queries) == (80, 87)
    assert found.scores[0].symbols.tolist() == [0] * 80
    assert (found.note, found.objection) == ("", "")


def test_every_place_that_fits_is_a_table_and_the_first_is_the_likeliest():
    found = read(SEEN.key.carriers, Several([marked(3), marked(16), marked(9)]))
    assert [table.total(SEEN.message) for table in found.scores] == [3, 16, 9]


def test_more_ways_to_read_than_say_anything_are_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST", 2)
    with pytest.raises(MismatchError, match="at most 2 ways to read the suspect, got 3"):
        SEEN.read(Several([marked(1)] * 3))


def test_the_best_of_all_candidates_counts_and_each_is_charged():
    one, three = (SEEN.evidence(Several(weights)) for weights in ([marked(16)], [marked(3), marked(16), marked(9)]))
    assert (one.matches, three.matches) == (16, 16)
    assert charges(one) == [("offline draw", 80.0)]
    assert charges(three) == [("offline draw", 80.0), ("3 readings tried", math.log2(3))]
    assert three.gross_bits == one.gross_bits == 16


@pytest.mark.parametrize(
    ("readings", "tried", "matches", "note", "queries"),
    [
        ([counting(80)], 1, 80, "80 right", 80),
        ([counting(20), counting(80)], 2, 80, "80 right", 100),
        ([counting(80), Unread("a layer is missing")], 2, 80, "80 right", 80),
        ([Unread("a layer is missing"), counting(5), Unread("another")], 3, 5, "5 right", 5),
        ([Unread("a layer is missing")], 1, 0, "not readable: a layer is missing", 0),
        ([Unread("a layer is missing"), Unread("another")], 2, 0, "not readable: a layer is missing", 0),
    ],
)
def test_charges_follow_from_the_list_of_readings(readings, tried, matches, note, queries):
    found = ASKED.weigh(readings)
    assert isinstance(found, Evidence)
    assert not isinstance(found, Graded)
    assert (found.matches, found.trials, found.note, found.queries) == (matches, 80, note, queries)
    assert found.chance == Fraction(1, 10)
    assert charges(found)[1:] == ([(f"{tried} readings tried", math.log2(tried))] if tried > 1 else [])


def test_suspects_are_charged_beside_readings_and_a_bar_is_kept():
    found = ASKED.weigh([counting(80), Unread("no")], suspects=8, bar=300)
    assert charges(found) == [("offline draw", 80.0), ("8 suspects tried", 3.0), ("2 readings tried", 1.0)]
    assert found.net_bits == pytest.approx(80 * math.log2(10) - 84)
    assert found.bar == 300
    assert not found.established


def test_a_reading_that_depends_on_the_draw_is_an_observation_with_rates_beside_it():
    objected = Reading(counting(80).scores, 80, "through another head", "the head was trained with the message")
    reference = BlackBox(lambda x: np.resize(ASKED.message[:20], len(x)))
    found = ASKED.weigh([counting(10), objected], references=[reference])
    assert isinstance(found, Observation)
    assert (found.matches, found.reason) == (80, "the head was trained with the message")
    expected = (np.resize(ASKED.message[:20], 80) == ASKED.message).mean()
    assert found.reference == (expected,)
    assert not found.established


def test_only_a_place_that_is_missing_counts_as_tried():
    assert tried(lambda: counting(3)).note == "3 right"

    def missing():
        raise MismatchError("expected a layer, got none")

    assert tried(missing) == Unread("expected a layer, got none")
    with pytest.raises(ZeroDivisionError):
        tried(lambda: 1 // 0)


def test_graded_scores_are_weighed_by_their_tail_and_say_how():
    table = np.zeros((80, 10), np.int64)
    table[np.arange(80), ASKED.message] = 3
    table[np.arange(80), (ASKED.message + 1) % 10] = 1
    graded = Scores(table)
    found = ASKED.weigh([Reading((graded,), 80), Unread("no")])
    assert isinstance(found, Graded)
    assert (found.matches, found.trials) == (240, 240)
    assert found.gross_bits == tail_bits(graded, 240).bits == pytest.approx(80 * math.log2(10))
    assert found.net_bits == pytest.approx(80 * math.log2(10) - 81)
    said = found.to_json()
    assert (said["v"], said["score"], said["highest"], said["method"]) == (2, 240, 240, "exact")
    assert str(found).startswith("adi: score 240 of 240 (exact), 265.7 bits (net 184.7): established")


def test_a_table_that_counts_is_weighed_as_matches_beside_one_that_grades():
    table = np.zeros((80, 10), np.int64)
    table[np.arange(80), (ASKED.message + 1) % 10] = 5  # a high score for another message is none for this one
    found = ASKED.weigh([Reading((Scores(table),)), counting(30)])
    assert type(found) is Evidence
    assert (found.matches, found.trials) == (30, 80)
