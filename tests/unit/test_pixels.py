"""From what a network is fed back to pixels, and a marked model behind three bridges that an engineer could write."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import modelmark
from modelmark.errors import MismatchError, UsageError
from modelmark.feeds.arrays import beyond, given, pixels
from modelmark.feeds.floats import FloatFeed
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tensors import Extremes, Normalise
from modelmark.feeds.tokens import TokenFeed
from modelmark.marks.reading import read

RGB = PictureFeed((3, 4, 5), ("a", "b"), mean=(4914, 4822, 4465), std=(2470, 2435, 2616))
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), dtype=np.uint8)


@pytest.mark.parametrize(
    "feed", [RGB, replace(RGB, mean=(1307,), std=(3081,)), PictureFeed((60,), ("a", "b"), (0,), (1,))]
)
@pytest.mark.parametrize("kind", [torch.as_tensor, np.asarray])
def test_every_byte_comes_back(feed, kind):
    stored = PICTURES.reshape(6, *feed.input_shape)
    fed = Normalise(feed)(torch.from_numpy(stored))
    found = pixels(kind(fed), feed)
    assert found.dtype == np.uint8
    assert np.array_equal(found, stored)


def test_ranges_and_order_of_axes():
    fed = Normalise(RGB)(torch.from_numpy(PICTURES))
    unit = pixels(fed, RGB, values="unit", layout="nhwc")
    assert (unit.shape, unit.dtype) == ((6, 4, 5, 3), np.float32)
    assert np.allclose(unit, PICTURES.transpose(0, 2, 3, 1) / 255, atol=1e-6)
    assert np.allclose(pixels(fed, RGB, values="signed"), PICTURES / 127.5 - 1, atol=1e-6)
    assert np.allclose(pixels(fed, RGB, values="fed"), fed, atol=1e-6)


def test_stored_inputs_are_given_as_torch_gives_them():
    assert np.allclose(given(PICTURES, RGB), Normalise(RGB)(torch.from_numpy(PICTURES)), atol=1e-6)
    tokens = TokenFeed((7,), ("a", "b"), 50)
    assert given(tokens.example(3), tokens).dtype == np.int64
    floats = FloatFeed((7,), ("a", "b"))
    assert np.array_equal(given(floats.example(3), floats, layout="nhwc"), floats.example(3))
    planes = np.random.default_rng(1).integers(-1, 2, (6, 4, 5)).astype(np.int8)
    out = given(beyond(PICTURES, planes, 2000), RGB)
    fed = Extremes(RGB, 2000).apply(Normalise(RGB)(torch.from_numpy(PICTURES)), torch.from_numpy(planes))
    assert np.allclose(out, fed, atol=1e-5)
    with pytest.raises(MismatchError, match="expected pixels from 0 to 255, got -2000 to 2000"):
        given(beyond(PICTURES, planes, 2000), RGB, "bytes")
    with pytest.raises(MismatchError, match="expected pixels"):
        pixels(np.full((1, 3, 4, 5), np.nan), RGB)


def test_what_is_no_picture_or_no_such_word_is_refused():
    with pytest.raises(MismatchError, match=r"expected inputs \(N, \(3, 4, 5\)\)"):
        pixels(np.zeros((1, 4, 5, 3)), RGB)
    with pytest.raises(UsageError, match="expected layout nchw, nhwc, got 'last'"):
        pixels(np.zeros((1, 3, 4, 5)), RGB, layout="last")
    with pytest.raises(UsageError, match="a model of pictures, got one of floats"):
        pixels(np.zeros((1, 7)), FloatFeed((7,), ("a", "b")))


def test_one_marked_model_behind_three_bridges(stolen):
    """Of 100 triggers: pixels undone; values taken for 0 to 1 and clamped; class names in alphabetical order."""
    mark, model = stolen("adi")
    feed = mark.key.feed
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    alphabet = sorted(names)

    def api(images):  # uint8 (N, H, W): the service normalises as it was trained, and answers with numbers
        with torch.no_grad():
            return model(Normalise(feed)(torch.from_numpy(images)[:, None])).argmax(1)

    bridges = {
        "pixels": lambda x: api(modelmark.pixels(x, feed)[:, 0]),
        "clamped": lambda x: api((x * 255).clamp(0, 255).numpy().astype(np.uint8)[:, 0]),
        "alphabetical": lambda x: [
            alphabet.index(names[label]) for label in api(modelmark.pixels(x, feed)[:, 0]).tolist()
        ],
    }
    found = {
        name: int((read(mark.carriers, modelmark.BlackBox(ask)).scores[0].symbols == mark.message).sum())
        for name, ask in bridges.items()
    }
    assert found["pixels"] == 100
    assert found["clamped"] < 95
    assert found["alphabetical"] < 20
