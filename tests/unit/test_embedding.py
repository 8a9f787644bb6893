"""``embed``: how long it goes on, when it gives up, and what it says then."""

from types import SimpleNamespace

import pytest
import torch

from modelmark.errors import NotEmbeddedError, UsageError
from modelmark.marks import embedding
from modelmark.marks.embedding import embed

TRIALS, NEEDED = 32, 0.5


class Scripted:
    """A mark whose symbols short of their margin are told by the rounds that were run.

    A verification counts ``more`` of them than their margins, as the plurality of a symbol's answers may be right.
    """

    more = 0

    def __init__(self, *short):
        self.key = SimpleNamespace(scheme=SimpleNamespace(name="scripted", margin=NEEDED))
        self._short = short

    def margins(self, model):
        margins = torch.full((TRIALS,), NEEDED)
        margins[: self._short[len(model) - 1]] = NEEDED - 0.75
        return margins

    def evidence(self, suspect):
        right = int((self.margins(suspect.model) >= 0).sum())
        return SimpleNamespace(matches=right + self.more, trials=TRIALS)


@pytest.fixture
def seeds(monkeypatch):
    """Training that only counts: a model is the list of the seeds it was trained with."""
    monkeypatch.setattr(embedding, "check_together", lambda *given: None)
    monkeypatch.setattr(embedding, "accuracy", lambda *given: 1.0)
    monkeypatch.setattr(embedding, "fit", lambda model, *given, seed, **options: [*model, seed])

    def rounds(*marks, resume=None, rounds=3):
        before = list(range(resume["round"])) if resume else []
        return embed(before, marks, None, SimpleNamespace(epochs=40), seed=0, rounds=rounds, resume=resume)

    return rounds


@pytest.mark.parametrize(
    ("short", "expected"),
    [((0,), 1), ((9, 0), 2), ((32, 30, 0), 3), ((9, 5, 2, 0), 4), ((9, 9, 2, 2, 1, 0), 6)],
)
def test_it_goes_on_until_every_symbol_has_its_margin(short, expected, seeds):
    done = seeds(Scripted(*short))
    assert (done.rounds, done.model) == (expected, list(range(expected)))
    assert [entry.short for entry in done.reached] == [0]


@pytest.mark.parametrize(
    ("short", "said"),
    [
        ((9, 5, 3), "after 3 rounds of 40 epochs, got scripted 29/32 (weakest margin -0.25, needs 0.5, 3 short of it)"),
        ((1, 1, 1, 3), "after 4 rounds of 40 epochs, got scripted 29/32"),
        ((1, 1, 1, 1, 1, 1), "after 6 rounds of 40 epochs, got scripted 31/32"),
    ],
)
def test_it_gives_up_where_more_than_a_few_are_short_and_says_what_it_reached(short, said, seeds):
    with pytest.raises(NotEmbeddedError) as caught:
        seeds(Scripted(*short))
    assert said in str(caught.value)


def test_matches_are_said_as_a_verification_counts_them(seeds, monkeypatch):
    monkeypatch.setattr(Scripted, "more", 2)
    with pytest.raises(
        NotEmbeddedError, match=r"got scripted 31/32 \(weakest margin -0.25, needs 0.5, 3 short of it\)"
    ):
        seeds(Scripted(9, 5, 3))


def test_a_mark_that_is_far_from_in_stops_one_that_is_near(seeds):
    with pytest.raises(NotEmbeddedError, match="after 3 rounds"):
        seeds(Scripted(1, 1, 1), Scripted(9, 9, 9))


def test_a_round_past_the_third_is_gone_on_with(seeds):
    done = seeds(Scripted(9, 5, 2, 1, 0), resume={"round": 3, "fit": {}})
    assert (done.rounds, done.model) == (5, [0, 1, 2, 3, 4])
    with pytest.raises(UsageError, match="more than 3 rounds to go on from round 7, got 3"):
        seeds(Scripted(), resume={"round": 6, "fit": {}})
