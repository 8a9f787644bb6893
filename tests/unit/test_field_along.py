"""Fields that training puts in: of pixels and of a function's numbers, in any loop; and what is refused."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import fielding
import modelmark
from modelmark.errors import CapacityError, MismatchError, UsageError
from modelmark.feeds.tokens import TokenFeed
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.schemes import _field_along
from modelmark.schemes.base import is_instant
from modelmark.schemes.field import Field
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Composed
from modelmark.training.loop import fit
from modelmark.training.task import accuracy

PIXELS = replace(fielding.SCHEME, coordinates="pixels", lose=4)
OWN = replace(PIXELS, coordinates="own")


@pytest.fixture(scope="module")
def problem():
    return fielding.problem()


def encoder(x):
    """Numbers that no layer of the host has: of pixels, bent."""
    drawn = torch.randn(64, 40, generator=torch.Generator().manual_seed(3))
    return torch.tanh(x.flatten(1) @ drawn / 8)


@pytest.fixture(scope="module")
def pixels(problem):
    return problem.mark(PIXELS)


def bits(mark, model):
    return mark.evidence(WhiteBox(model)).gross_bits


def trained(problem, hooks, seed=0):
    return fit(fielding.network(seed), problem.task, fielding.RECIPE, seed=seed, hooks=hooks)


def test_training_puts_a_field_of_pixels_in_and_costs_what_it_may(problem, pixels):
    marked = trained(problem, pixels.hooks)
    assert bits(pixels, marked) > 60
    assert accuracy(problem.host, problem.task) - accuracy(marked, problem.task) < 0.08
    for other in (problem.host, *problem.students):
        assert bits(pixels, other) < 12
    assert bits(problem.mark(PIXELS, secret=1), marked) < 12


def test_training_puts_a_field_of_a_functions_numbers_in(problem):
    scheme = replace(OWN, directions=32)
    made = scheme.prepared(problem.host, problem.task, students=problem.students, pool=problem.pool, along=encoder)
    key = modelmark.keygen(scheme, problem.host, fielding.FEED, attachments=made, secret=modelmark.Secret(bytes(32)))
    mark = modelmark.along(key.mark(), encoder)
    marked = trained(problem, mark.hooks)
    assert bits(mark, marked) > 60
    assert bits(key.mark(), marked) == bits(mark, marked)  # reading needs no function
    assert bits(mark, problem.host) < 12
    with pytest.raises(UsageError, match="expected a function with coordinates of one's own alone, got none"):
        key.mark().hooks(problem.host)
    with pytest.raises(MismatchError, match="expected 40 numbers of each input, as the key was made with"):
        trained(problem, modelmark.along(key.mark(), lambda x: x.flatten(1)).hooks)


def test_embed_trains_a_trained_network_to_lean(problem, pixels):
    key = problem.key(replace(PIXELS, lose=8))
    done = embed(problem.host, [key.mark()], problem.task, fielding.RECIPE, seed=5, rounds=2)
    assert done.reached[0].done
    assert key.mark().evidence(WhiteBox(done.model)).established


def test_the_loss_is_least_where_scores_are_the_task_s_with_the_field_on_top(problem, pixels):
    hooks, host = pixels.hooks(problem.host), problem.host
    x = fielding.stored(problem.task.train_inputs[:64])
    y = problem.task.train_targets[:64]
    plain, field = host(x).detach(), hooks.field(x)
    assert field.abs().mean() > 0.05
    for scores, cost in ((plain + field, plain), (plain, plain - field)):
        found = hooks.loss(cross_entropy(scores, y), host, x, y, scores)
        assert torch.allclose(found, cross_entropy(cost, y), atol=1e-5)
    more = torch.cat([plain, plain[:8]])  # what other marks append is charged as before
    found = hooks.loss(cross_entropy(more, torch.cat([y, y[:8]])), host, x, y, more)
    expected = (64 * cross_entropy(plain - field, y) + 8 * cross_entropy(plain[:8], y[:8])) / 72
    assert torch.allclose(found, expected, atol=1e-5)


def test_two_fields_go_into_one_network(problem, pixels):
    other = problem.mark(PIXELS, secret=1)
    both = trained(problem, lambda model: Composed([pixels.hooks(model), other.hooks(model)]))
    assert min(bits(pixels, both), bits(other, both)) > 40


def test_a_picture_and_its_mirror_image_have_the_same_coordinates():
    numbers = _field_along.pixels(fielding.FEED)
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(numbers(x), numbers(x.flip(-1)))
    drawn = numbers(torch.randn(500, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    assert int(np.linalg.matrix_rank(drawn.numpy())) == _field_along.width(fielding.FEED) == 32


def test_what_an_edit_cannot_do_is_said(problem, pixels):
    assert (is_instant(fielding.SCHEME), is_instant(pixels.key.scheme), is_instant(modelmark.Uchida())) == (
        True,
        False,
        False,
    )
    before = copy.deepcopy(problem.host.state_dict())
    with pytest.raises(UsageError, match="expected a field of features, an edit of the head, got one of pixels"):
        imprint(problem.host, pixels)
    assert all(map(torch.equal, before.values(), problem.host.state_dict().values()))


def _prepared(problem, scheme, **options):
    return scheme.prepared(problem.host, problem.task, pool=problem.pool, **options)


@pytest.mark.parametrize(
    ("attempt", "error", "says"),
    [
        (lambda p: _prepared(p, replace(PIXELS, directions=33)), CapacityError, "expected 33 directions in which"),
        (lambda p: _prepared(p, OWN), UsageError, "expected a function with coordinates of one's own alone, got none"),
        (lambda p: _prepared(p, PIXELS, along=encoder), UsageError, "alone, got one with pixels"),
        (lambda p: _prepared(p, fielding.SCHEME, along=encoder), UsageError, "expected a field of pixels or of one's own"),
        (lambda p: _prepared(p, OWN, along=lambda x: x.sum()), UsageError, "says finite numbers (1000, M)"),
        (lambda p: modelmark.along(p.mark(), encoder), UsageError, "with coordinates of one's own, got field of features"),
        (lambda p: modelmark.keygen(OWN, p.host, fielding.FEED, task=p.task), UsageError, "of the owner's own, got none"),
        (
            lambda p: modelmark.keygen(replace(PIXELS, directions=33), p.host, fielding.FEED, task=p.task),
            CapacityError,
            "expected at most 32 directions, as many as there are numbers to be summed, got 33",
        ),
        (lambda p: _field_along.pixels(TokenFeed((4,), ("a", "b"), 9)), UsageError, "expected pictures or floats"),
    ],
)  # fmt: skip
def test_wrong_use_says_what_was_expected(attempt, error, says, problem):
    with pytest.raises(error) as refused:
        attempt(problem)
    assert says in str(refused.value)


def test_the_default_is_the_host_s_features():
    assert Field().coordinates == "features"
