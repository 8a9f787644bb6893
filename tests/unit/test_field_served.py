"""A field on the answers of a network that is left alone: what is served, what is left as it was, what a thief inherits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import fielding
import modelmark
from modelmark.errors import MismatchError, UsageError
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.marks.leaned import Leaned, leaned
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox, logits
from modelmark.suspects.probabilities import Probabilities


@pytest.fixture(scope="module")
def problem():
    return fielding.problem()


@pytest.fixture(scope="module")
def mark(problem):
    return problem.mark()


def bits(mark, model):
    return mark.evidence(WhiteBox(model)).gross_bits


def state(model):
    return b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())


def test_what_is_served_is_what_the_edited_network_answers_and_the_host_stays_as_it_was(problem, mark):
    before, x = state(problem.host), fielding.stored(problem.pool[:500])
    served = Leaned(mark, problem.host)
    assert torch.allclose(served(x), logits(imprint(problem.host, mark), x), atol=1e-4)
    assert state(problem.host) == before
    assert mark.evidence(BlackBox(lambda inputs: served(inputs).argmax(dim=1))).established
    assert bits(mark, served) > 145
    assert bits(mark, problem.host) < 12
    assert torch.allclose(
        Leaned(mark, problem.host, times=2)(x) - logits(problem.host, x),
        2 * (served(x) - logits(problem.host, x)),
        atol=1e-4,
    )


def test_a_thief_of_what_is_served_inherits_the_field(problem, mark):
    assert bits(mark, problem.stolen(Leaned(mark, problem.host))) > 40


def test_labels_stay_where_they_lead_by_the_limit(problem, mark):
    x = fielding.stored(problem.pool)
    plain = logits(problem.host, x)
    first, second = plain.topk(2, dim=1).values.T
    near = first - second < 0.3
    changed = Leaned(mark, problem.host, limit=0.3)(x).argmax(dim=1) != plain.argmax(dim=1)
    everywhere = Leaned(mark, problem.host)(x).argmax(dim=1) != plain.argmax(dim=1)
    assert torch.equal(changed, everywhere & near)
    assert 0 < changed.sum() < everywhere.sum()
    assert not (Leaned(mark, problem.host, limit=0.0)(x).argmax(dim=1) != plain.argmax(dim=1)).any()


def test_the_ranking_below_the_label_carries_a_field_that_costs_no_answer(problem):
    """By the labels' rule there is nothing to be read, by the probabilities' there is."""
    mark = problem.mark(replace(fielding.SCHEME, answers="probabilities"))
    below = Leaned(mark, problem.host, limit=0.0)
    assert mark.evidence(Probabilities(lambda x: below(x).softmax(dim=1))).established
    by_label = problem.mark()
    assert bits(by_label, Leaned(by_label, problem.host, limit=0.0)) == bits(by_label, problem.host) < 12


def test_a_field_of_pixels_and_one_of_a_function_are_served_too(problem):
    pixels = problem.mark(replace(fielding.SCHEME, coordinates="pixels"))
    assert bits(pixels, Leaned(pixels, problem.host)) > 100
    scheme = replace(fielding.SCHEME, coordinates="own")
    made = scheme.prepared(
        problem.host, problem.task, students=problem.students, pool=problem.pool, along=fielding.halves
    )
    key = keygen(scheme, problem.host, fielding.FEED, attachments=made, policy=KeyPolicy(self_check=True))
    own = modelmark.along(key.mark(), fielding.halves)
    assert bits(own, Leaned(own, problem.host)) > 60
    with pytest.raises(UsageError, match="expected a function with coordinates of one's own alone, got none"):
        Leaned(key.mark(), problem.host)


def test_a_held_label_keeps_half_of_its_lead_over_every_class():
    rng = np.random.default_rng(0)
    scores, field = (torch.from_numpy(rng.normal(size=(400, 7))) for _ in range(2))
    found = leaned(scores, 5 * field, 0.0)
    top = scores.argmax(dim=1, keepdim=True)
    before, after = (rows.gather(1, top) - rows for rows in (scores, found))
    assert (after >= 0.5 * before - 1e-9).all()
    moved = (found - scores) / (5 * field)
    assert torch.allclose(moved, moved[:, :1].expand(-1, 7))  # one part of the field of each input
    assert ((moved > 0) & (moved <= 1 + 1e-9)).all()
    tied = leaned(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 3.0]]), 0.0)
    assert tied.argmax(dim=1).item() == 0


def test_wrong_use_says_what_was_expected(problem, mark):
    with pytest.raises(UsageError, match="expected a limit of at least 0 and a strength above 0, got -1 and 1"):
        Leaned(mark, problem.host, limit=-1)
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(MismatchError, match="expected a head that receives 48 numbers, got 64"):
        Leaned(mark, other)
    spread = modelmark.keygen(modelmark.Spread(bits=16), problem.host, fielding.FEED, policy=KeyPolicy(self_check=True))
    with pytest.raises(UsageError, match="expected a mark of field, got spread"):
        Leaned(spread.mark(), problem.host)
