"""DeepMarks: rows that are orthogonal, codes that tell who averaged copies, and what a drawn message keeps of that."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.carriers.rows import UNIT
from modelmark.errors import CapacityError, MismatchError
from modelmark.feeds.pictures import PictureFeed
from modelmark.key.secret import Secret
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.schemes import _designs
from modelmark.schemes.deepmarks import DeepMarks, orthogonal
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox

SECRET = Secret(bytes(range(32)))
FEED = PictureFeed((1, 16, 16), tuple("0123456789"))


def net():
    with seeded(0):
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 40), nn.ReLU(), nn.Linear(40, 10)).eval()


def copied(scheme, model, message=None):
    """A copy of a model whose projections lie where training pulls them, by the least change of the mean filter."""
    mark = keygen(scheme, model, FEED, secret=SECRET).mark()
    rows = torch.from_numpy(mark.key.carriers.matrix / UNIT).float()
    wanted = mark.key.scheme.amplitude * (2 * torch.as_tensor(mark.message if message is None else message) - 1)
    other = net()
    with torch.no_grad():
        weight = other[1].weight
        weight += (rows.T @ (wanted - rows @ weight.mean(0))) / rows[0].square().sum()
    return mark, other


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (64, 64), (100, 576), (512, 600)])
def test_rows_are_orthogonal_and_of_one_length(rows, width):
    found = orthogonal(SECRET, rows, width).astype(np.int64) // UNIT
    length = 1 << (width.bit_length() - 1)
    assert np.array_equal(found @ found.T, length * np.eye(rows))
    assert set(np.unique(found)) <= {-1, 0, 1}


def test_another_secret_makes_other_rows():
    ours, theirs = (orthogonal(secret, 64, 100) for secret in (SECRET, Secret(bytes(32))))
    assert abs(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("order", _designs.ORDERS)
def test_two_lines_of_a_plane_meet_in_one_point(order):
    on = 1 - _designs.codes(order)
    assert np.array_equal(on @ on.T, order * np.eye(_designs.points(order)) + 1)


def test_the_code_tells_every_three_of_order_three_apart_and_not_every_four():
    codes = _designs.codes(3)
    groups = [list(one) for size in (1, 2, 3) for one in combinations(range(13), size)]
    assert all(_designs.users(codes[group].min(axis=0), 3) == group for group in groups)
    assert any(_designs.users(codes[list(four)].min(axis=0), 3) != list(four) for four in combinations(range(13), 4))


@pytest.mark.parametrize("group", [[7], [0, 30], [3, 9, 12, 21, 28]], ids=str)
def test_averaged_copies_name_their_users(group):
    made = [copied(DeepMarks(message="code", user=user, layer="1"), net()) for user in group]
    average = net()
    with torch.no_grad():
        average[1].weight.copy_(torch.stack([copy[1].weight for _, copy in made]).mean(0))
    found = made[0][0].evidence(WhiteBox(average))
    assert f"users by the code: {', '.join(map(str, group))};" in f"{found};"
    assert "the code was chosen for a user" in str(found)
    assert "users by the code: none, or more than" in str(made[0][0].evidence(WhiteBox(net())))


def test_more_users_than_the_code_tells_apart_are_not_named():
    made = [copied(DeepMarks(message="code", user=user, layer="1"), net()) for user in range(31)]
    average = net()
    with torch.no_grad():
        average[1].weight.copy_(torch.stack([copy[1].weight for _, copy in made]).mean(0))
    assert "users by the code: none, or more than the 5" in str(made[0][0].evidence(WhiteBox(average)))


def test_a_drawn_message_is_evidence_and_halves_of_two_copies_are_not():
    mark, marked = copied(DeepMarks(bits=144), net())
    assert mark.evidence(WhiteBox(marked)).matches == 144
    assert mark.evidence(WhiteBox(net())).gross_bits < 20
    _, other = copied(DeepMarks(bits=144), net(), message=1 - mark.message)
    with torch.no_grad():
        marked[1].weight.add_(other[1].weight).div_(2)
    assert not mark.evidence(WhiteBox(marked)).established


def test_the_slope_is_that_of_the_loss():
    mark = keygen(DeepMarks(layer="1", bits=64), net(), FEED, secret=SECRET, policy=KeyPolicy(self_check=True)).mark()
    model = net()
    hooks = mark.hooks(model)
    hooks.loss(torch.zeros(()), model, None, None, None).backward()
    slope = hooks.slope(model[1].weight.detach().mean(0))
    assert torch.allclose(model[1].weight.grad, slope.expand(40, 256), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("scheme", "error"),
    [
        (lambda: DeepMarks(order=4), ValueError),
        (lambda: DeepMarks(user=31, message="code"), ValueError),
        (lambda: DeepMarks(message="code", bits=32), ValueError),
        (lambda: DeepMarks(amplitude=0), ValueError),
        (lambda: keygen(DeepMarks(layer="1", bits=257), net(), FEED), CapacityError),
        (lambda: keygen(DeepMarks(layer="3", message="code", order=7), net(), FEED), CapacityError),
        (lambda: DeepMarks(layer="1", bits=10, width=63).check(net(), FEED), MismatchError),
        (lambda: DeepMarks(layer="9", bits=10, width=256).check(net(), FEED), MismatchError),
    ],
)
def test_what_does_not_fit_is_refused(scheme, error):
    with pytest.raises(error, match="expected"):
        scheme()
