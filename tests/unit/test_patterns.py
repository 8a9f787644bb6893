"""Digital filters: where they are, what they write, and that they differ."""

import numpy as np
import pytest
import torch

from modelmark.carriers.filtered import Filters
from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Extremes, Normalise
from modelmark.key.secret import Secret
from modelmark.schemes import _patterns
from modelmark.schemes._patterns import Filtering

SECRET = Secret(bytes(range(32)))
TEN = tuple("0123456789")
COLOUR = PictureFeed((3, 32, 32), TEN, (4914, 4822, 4465), (2023, 1994, 2010))
CORNER = Filters(np.array([[[1, 0], [0, 1]]], np.uint8), np.array([[1, 2]]))


def test_bits_become_plus_and_minus_and_the_rest_stays():
    assert CORNER.planes(4, 5)[0].tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 1, -1, 0],
        [0, 0, -1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
    assert (CORNER.inverted().planes(4, 5) == -CORNER.planes(4, 5)).all()


def test_a_filter_writes_what_normalising_such_a_pixel_would_give():
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = Normalise(COLOUR)(images)
    planes = torch.from_numpy(CORNER.planes(32, 32)).expand(2, -1, -1)
    got = Extremes(COLOUR, 2000).apply(x, planes)
    wanted = images.double()
    wanted[:, :, 1, 2] = wanted[:, :, 2, 3] = 2000
    wanted[:, :, 1, 3] = wanted[:, :, 2, 2] = -2000
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) / 10_000 for values in (COLOUR.mean, COLOUR.std))
    assert torch.allclose(got.double(), (wanted / 255 - mean) / std, rtol=1e-5, atol=1e-5)
    assert torch.equal(got[planes[:, None].expand_as(got) == 0], x[planes[:, None].expand_as(x) == 0])


def test_each_sample_gets_its_own_filter():
    drawn = _patterns.draw(SECRET, 5, 3, COLOUR)
    planes = torch.from_numpy(drawn.planes(32, 32))
    got = Extremes(COLOUR, 2000).apply(torch.zeros(5, 3, 32, 32), planes)
    assert torch.equal(got[:, 0].sign().to(torch.int8), planes)


def test_the_batch_keeps_its_type_and_memory_format():
    x = torch.zeros(4, 3, 32, 32, dtype=torch.float16).contiguous(memory_format=torch.channels_last)
    planes = torch.from_numpy(_patterns.draw(SECRET, 3, 6, COLOUR).planes(32, 32))
    hook = Filtering(planes, torch.tensor([4, 5]), Extremes(COLOUR, 2000), (0.25, 0.5), lambda _: torch.zeros(2), 0)
    mixed, targets = hook.batch(x, torch.full((4, 10), 0.1))
    assert (mixed.dtype, targets.dtype, len(mixed)) == (torch.float16, torch.float32, 7)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert targets[4].tolist() == targets[0].tolist()  # the null sample keeps its soft target
    assert set(targets[5:].argmax(1).tolist()) <= {4, 5}
    assert targets[5:].sum(1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("shape", "side"), [((1, 8, 8), 3), ((3, 12, 40), 4), ((1, 28, 28), 6), ((3, 224, 224), 6)])
def test_patterns_are_smaller_on_small_pictures(shape, side):
    assert _patterns.default_side(PictureFeed(shape, TEN)) == side


def test_drawn_filters_all_differ_and_use_every_place():
    drawn = _patterns.draw(SECRET, 500, 2, PictureFeed((1, 8, 8), TEN))
    assert len({plane.tobytes() for plane in drawn.planes(8, 8)}) == 500
    assert set(drawn.places.ravel().tolist()) == set(range(7))
    assert abs(drawn.bits.mean() - 0.5) < 0.05


def test_fewer_filters_are_the_first_of_more():
    few, many = (_patterns.draw(SECRET, count, 6, COLOUR) for count in (3, 50))
    assert few.leaves() == many.leaves()[:3]
    assert few.leaves() != _patterns.draw(Secret(bytes(32)), 3, 6, COLOUR).leaves()


def test_a_leaf_says_place_and_bits():
    assert CORNER.leaves() == [b"filter 1 2 1001"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(CapacityError, match="expected a pattern side of at most 32, got 33"):
        _patterns.draw(SECRET, 1, 33, COLOUR)
    with pytest.raises(CapacityError, match="expected 65 different patterns of side 1 on 4 x 4 pixels, got 32"):
        _patterns.draw(SECRET, 65, 1, PictureFeed((1, 4, 4), TEN))
    with pytest.raises(UsageError, match=r"expected pictures \(channels, height, width\), got inputs of shape \(64,\)"):
        _patterns.draw(SECRET, 1, 2, PictureFeed((64,), TEN))
