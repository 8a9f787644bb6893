"""Fused pictures: integers against a slow literal reference, floats against integers, and the hook that fuses batches."""

import numpy as np
import pytest
import torch

from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.schemes._fusion import LAYOUTS, Fuser, Fusing, fuse_bytes
from modelmark.schemes.coupled import Coupled

TEN = tuple("0123456789")


def literal(first, second, layout):
    """Paste on a canvas of twice the size, pixel by pixel, and round each mean of four half up."""
    a, b, *blanks = LAYOUTS[layout]
    channels, height, width = first.shape
    out = np.zeros_like(first)
    free = [place for place in range(4) if place not in (a, b)]
    for c in range(channels):
        canvas = [[0] * (2 * width) for _ in range(2 * height)]
        for row in range(2 * height):
            for column in range(2 * width):
                place, y, x = 2 * (row // height) + column // width, row % height, column % width
                whole = {a: first[c, y, x], b: second[c, y, x], free[0]: blanks[0], free[1]: blanks[1]}
                canvas[row][column] = int(whole[place])
        for y in range(height):
            for x in range(width):
                four = [canvas[2 * y + dy][2 * x + dx] for dy in (0, 1) for dx in (0, 1)]
                out[c, y, x] = (sum(four) + 2) // 4
    return out


def pictures(rng, count, shape):
    return tuple(rng.integers(0, 256, (count, *shape), dtype=np.uint8) for _ in range(2))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 1, 4)], ids=str)
def test_direct_fusion_is_the_canvas_averaged(shape, rng):
    count = len(LAYOUTS)
    first, second = pictures(rng, count, shape)
    fused = fuse_bytes(first, second, np.arange(count), 0.5)
    for layout in range(count):
        assert np.array_equal(fused[layout], literal(first[layout], second[layout], layout))


def test_the_first_layout_is_the_papers():
    black = np.zeros((1, 1, 4, 4), np.uint8)
    fused = fuse_bytes(black, black + 100, np.zeros(1, np.int64), 0.5)[0, 0]
    assert fused.tolist() == [[0, 0, 255, 255]] * 2 + [[255, 255, 100, 100]] * 2


def test_many_pictures_are_fused_as_one_by_one(rng):
    first, second = pictures(rng, 150, (1, 4, 4))
    layouts = np.arange(150) % len(LAYOUTS)
    one = [fuse_bytes(first[i : i + 1], second[i : i + 1], layouts[i : i + 1], 0.5) for i in range(150)]
    assert np.array_equal(fuse_bytes(first, second, layouts, 0.5), np.concatenate(one))


def test_no_layout_repeats_another_with_the_classes_exchanged(rng):
    first, second = pictures(rng, 1, (1, 4, 4))
    every = [
        fuse_bytes(a, b, np.array([layout]), 0.5).tobytes()
        for layout in range(len(LAYOUTS))
        for a, b in ((first, second), (second, first))
    ]
    assert len(set(every)) == 48


def test_an_even_overlay_has_no_order_and_another_has(rng):
    first, second = pictures(rng, 20, (3, 5, 5))
    assert np.array_equal(fuse_bytes(first, second, None, 0.5), fuse_bytes(second, first, None, 0.5))
    assert not np.array_equal(fuse_bytes(first, second, None, 0.75), fuse_bytes(second, first, None, 0.75))
    exact = np.floor(first * 0.25 + second * 0.75 + 0.5)
    assert np.array_equal(fuse_bytes(first, second, None, 0.75), exact)


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "overlay"])
def test_floats_agree_with_integers_within_rounding(direct, rng):
    feed = PictureFeed((3, 5, 8), TEN, (4914, 4822, 4465), (2023, 1994, 2010))
    count = len(LAYOUTS)
    first, second = pictures(rng, count, feed.input_shape)
    layouts = np.arange(count)
    normalise = Normalise(feed)
    expected = normalise(torch.from_numpy(fuse_bytes(first, second, layouts if direct else None, 0.3)))
    inputs = (normalise(torch.from_numpy(part)) for part in (first, second))
    found = Fuser(feed, direct=direct, ratio=0.3)(*inputs, torch.from_numpy(layouts))
    step = 1 / 255 / 0.1994
    assert (found - expected).abs().max() <= 0.5 * step + 1e-5


@pytest.fixture
def fusing():
    table = torch.arange(10)[:, None].expand(10, 10).clone()[:, :, None]  # the label is the first class
    table.diagonal().fill_(-1)
    fuser = Fuser(PictureFeed((1, 4, 4), TEN), direct=True, ratio=0.5)
    return lambda seed=0, labels=table: Fusing(fuser, labels, 16, seed)


def test_pairs_have_two_classes_and_the_label_of_both(fusing):
    y = torch.arange(100) % 10
    x = y.float()[:, None, None, None].expand(100, 1, 4, 4)
    mixed, targets = fusing().batch(x, y)
    assert torch.equal(mixed[:100], x)
    added = mixed[100:, 0]
    assert len(added) == 16
    assert torch.equal(added[:, 0, 0].long(), targets[100:])
    assert not (added[:, 0, 0] == added[:, 3, 3]).any()


def test_a_batch_without_a_usable_pair_stays_as_it_is(fusing):
    x, y = torch.zeros(40, 1, 4, 4), torch.full((40,), 3)
    assert len(fusing().batch(x, y)[0]) == 40


def test_soft_targets_are_read_by_their_largest(fusing):
    y = torch.arange(100) % 10
    soft = torch.nn.functional.one_hot(y, 10).float() * 0.8 + 0.02
    x = y.float()[:, None, None, None].expand(100, 1, 4, 4)
    mixed, targets = fusing().batch(x, soft)
    assert torch.equal(targets[100:].argmax(1), mixed[100:, 0, 0, 0].long())
    assert targets[100:].sum(1).tolist() == [1.0] * 16


def test_rare_pairs_are_found_in_a_batch(fusing):
    labels = torch.full((10, 10, 3), -1)
    labels[4, 7, 2] = 5
    y = torch.arange(100) % 10
    _, targets = fusing(labels=labels).batch(torch.zeros(100, 1, 4, 4), y)
    assert targets[100:].tolist() == [5] * len(targets[100:])
    assert len(targets) > 110


def test_memory_format_and_state_go_on(fusing):
    x = torch.rand(64, 1, 4, 4).contiguous(memory_format=torch.channels_last)
    y = torch.arange(64) % 10
    first, second = fusing(1), fusing(2)
    assert first.batch(x, y)[0].is_contiguous(memory_format=torch.channels_last)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.batch(x, y)[0], second.batch(x, y)[0])


@pytest.mark.parametrize(("arch", "given", "expected"), [("cnn", None, 16), ("mlp", None, 60), ("mlp", 16, 16)])
def test_a_network_without_convolutions_is_shown_more_of_the_keys_own_pictures(arch, given, expected):
    feed = PictureFeed((1, 8, 8), TEN)
    model = build(arch, feed.input_shape, 10, seed=0)
    assert Coupled(repeats=given).for_model(model, feed, {}).repeats == expected
    assert Coupled(message="literal").for_model(model, feed, {}).repeats == 8
