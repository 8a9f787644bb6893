"""Attacks of a thief who knows everything but the secret: what each does to the weights, to the letter."""

import math

import pytest
import torch

import nets
from modelmark.attacks.piracy.collude import Collude
from modelmark.attacks.piracy.compare import Compare
from modelmark.attacks.pruning.scramble import Scramble
from modelmark.attacks.tuning.reinitialise import Reinitialise
from modelmark.attacks.weights import drown
from modelmark.attacks.weights.drown import Drown
from modelmark.attacks.weights.merge import Merge, slerp, ties
from modelmark.attacks.weights.rebase import Rebase
from modelmark.carriers.spread import HOST_RULES, RULES
from modelmark.errors import UsageError
from modelmark.key.secret import Secret
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.models import build
from modelmark.networks import layers
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox

STILL = {"rate": 1e-12, "epochs": 1}  # tuning that moves nothing


@pytest.fixture(scope="module")
def fresh(digits):
    return nets.cnn(digits)


@pytest.fixture(scope="module")
def few(digits):
    """A thief's data, for attacks that train and are to move nothing."""
    return digits.subset(64, seed=0)


@pytest.fixture(scope="module")
def copies(fresh, digits):
    """Marks of ten keys, each with its copy of one network."""
    host = Provenance(host=weights.digest(fresh.state_dict()))
    secrets = [Secret(bytes([i] * 32)) for i in range(10)]
    marks = [keygen(Spread(), fresh, digits.feed, secret=secret, owner=host).mark() for secret in secrets]
    return marks, [imprint(fresh, mark) for mark in marks]


def conv(model):
    return layers.weight(model, "conv3").detach()


def matches(mark, model, host):
    return mark.evidence(WhiteBox(model), align_to=host).matches


def test_ten_who_compare_copies_come_close_to_the_unmarked_network_and_ten_who_average_do_not(copies, fresh, digits):
    """Most pushes have one size, up to what balances them: the middle between one up and one down is about the host's weight."""
    marks, models = copies
    middle, mean = (attack(models, digits, seed=0) for attack in (Compare("middle", 10), Collude("mean", 10)))
    assert max(matches(mark, middle, fresh) for mark in marks[:2]) < 800  # of 1,024
    assert min(matches(mark, mean, fresh) for mark in marks[:2]) > 1000
    two = Compare("middle", 2)(models[:2], digits, seed=0)
    assert min(matches(mark, two, fresh) for mark in marks[:2]) > 1000


def test_the_side_of_the_minority_carries_every_mark_with_the_other_sign_and_is_read_turned(copies, fresh, digits):
    marks, models = copies
    found = Compare("minority", 5)(models[:5], digits, seed=0)
    for mark in marks[:2]:
        tables = [table for reading in mark.readings(WhiteBox(found), align_to=fresh)[:1] for table in reading.scores]
        read = dict(zip(RULES + HOST_RULES, (table.total(mark.message) for table in tables), strict=True))
        turned = read.pop("signs of differences, turned")
        assert turned > 1000
        assert max(read.values()) < 600
        assert matches(mark, found, fresh) == turned


def test_what_stands_where_copies_differ(fresh, digits):
    stacked = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, 4.0], [0.0, 4.0, 4.0]])
    generator = torch.Generator().manual_seed(0)
    found = {how: Compare(how).of(stacked, generator) for how in ("middle", "random", "reflect", "minority", "beyond")}
    assert found["middle"].tolist() == [0.0, 2.5, 3.0]
    assert found["minority"].tolist() == [0.0, 4.0, 2.0]
    assert found["beyond"][1] in (-2.0, 7.0)
    assert found["beyond"][2] in (0.0, 6.0)
    assert found["reflect"][1] in (3.0, 0.0)
    assert 1 <= found["random"][1] <= 4
    assert all(value[0] == 0 for value in found.values())
    even = Compare("minority").of(torch.tensor([[1.0] * 200, [3.0] * 200]), generator)
    assert set(even.tolist()) == {1.0, 3.0}


def test_scrambled_weights_are_the_smallest_and_none_is_zero(fresh, few):
    before, after = conv(fresh), conv(Scramble(0.8, 0.5)(fresh, few, seed=0))
    line = before.abs().flatten().sort().values[round(0.8 * before.numel())]
    large = before.abs() >= line
    assert torch.equal(before[large], after[large])
    assert after.count_nonzero() == before.count_nonzero()
    assert torch.equal(after[~large].sort().values, (0.5 * before[~large]).sort().values)
    assert float((after[~large] == 0.5 * before[~large]).float().mean()) < 0.01


@pytest.mark.parametrize("scope", ["weights", "filters"])
def test_as_many_weights_are_drawn_anew_as_the_share_says(fresh, few, scope):
    before = conv(fresh)
    moved = (conv(Reinitialise(0.4, scope, **STILL)(fresh, few, seed=0)) - before).abs() > 1e-6
    assert float(moved.float().mean()) == pytest.approx(0.4, abs=0.02 if scope == "weights" else 0.2)
    if scope == "filters":
        assert set(moved.flatten(1).float().mean(1).round().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("bears", "expected"), [(1.0, 8 * 2 ** (-6 / 64)), (0.0, 0.0)])
def test_the_noise_is_the_strongest_that_accuracy_bears(fresh, few, monkeypatch, bears, expected):
    """Six halvings of the interval from 2^-6 to 1, where all is borne or nothing."""
    seen = iter([0.5])
    monkeypatch.setattr(drown, "accuracy", lambda model, task: next(seen, bears))
    found = Drown(lost=0.0, **STILL)(fresh, few, seed=0)
    spread = float((conv(found) - conv(fresh)).std() / conv(fresh).std())
    assert spread == pytest.approx(expected, rel=0.03)


def test_straight_and_along_the_arc():
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert slerp(one, other, 0.5).tolist() == pytest.approx([math.sqrt(0.5)] * 2)
    assert slerp(one, 2 * one, 0.5).tolist() == [1.5, 0.0]
    assert slerp(torch.zeros(2), other, 0.5).tolist() == [0.0, 0.5]


def test_ties_by_hand():
    differences = torch.tensor([[3.0, -1.0, 2.0, 0.5], [-1.0, -2.0, 4.0, 0.1]])
    halves = torch.full((2, 1), 0.5)
    assert ties(differences, halves, 1.0).tolist() == pytest.approx([3.0, -1.5, 3.0, 0.3])
    assert ties(differences, halves, 0.5).tolist() == pytest.approx([3.0, -2.0, 3.0, 0.0])


def test_a_merge_goes_from_the_stolen_model_to_the_other_fine_tune(fresh, few):
    stolen = build("cnn", few.feed.input_shape, 10, seed=1)
    base = fresh
    for how in ("linear", "slerp"):
        assert torch.allclose(conv(Merge(how, 0.0, **STILL)([stolen, base], few, seed=0)), conv(stolen), atol=1e-6)
        assert torch.allclose(conv(Merge(how, 1.0, **STILL)([stolen, base], few, seed=0)), conv(base), atol=1e-6)
    half = conv(base) + (conv(stolen) - conv(base)) / 2
    dropped = conv(Merge("dare", 0.5, 0.25, **STILL)([stolen, base], few, seed=0))
    kept = (dropped - conv(base)).abs() > 1e-6
    assert float(kept.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.allclose((dropped - conv(base))[kept], 4 * (half - conv(base))[kept], atol=1e-5)


def test_of_the_difference_to_the_base_as_much_is_kept_as_said(fresh, few):
    stolen = build("cnn", few.feed.input_shape, 10, seed=1)
    difference = conv(stolen) - conv(fresh)
    left = {
        how: conv(Rebase(how, 0.25)([stolen, fresh], few, seed=0)) - conv(fresh) for how in ("shrink", "trim", "rank")
    }
    assert torch.allclose(left["shrink"], difference / 4, atol=1e-6)
    trimmed = left["trim"].abs() > 1e-6
    assert float(trimmed.float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(difference[trimmed].abs().min()) >= float(difference[~trimmed].abs().max()) - 1e-6
    assert int(torch.linalg.matrix_rank(left["rank"].flatten(1), rtol=1e-3)) == 16


def test_a_base_is_one_more_model_of_the_same_architecture(fresh, few):
    for attack in (Merge(), Rebase()):
        with pytest.raises(
            UsageError, match="expected the stolen model and the base that it was trained on from, got 3 models"
        ):
            attack([fresh] * 3, few, seed=0)
        with pytest.raises(UsageError, match="expected a base of the stolen model's architecture"):
            attack([fresh, build("mlp", few.feed.input_shape, 10, seed=0)], few, seed=0)
