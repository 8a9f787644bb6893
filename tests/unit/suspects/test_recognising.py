"""Weights of another network than was expected: which of the table they fit, or what of them differs."""

import re

import pytest
from torch import nn

from modelmark.errors import MismatchError
from modelmark.feeds.pictures import PictureFeed
from modelmark.feeds.tokens import TokenFeed
from modelmark.models import build
from modelmark.suspects import files, recognising, weights
from modelmark.suspects.state import State

FEED = PictureFeed((3, 32, 32), tuple("0123456789"))


@pytest.fixture(scope="module")
def file():
    return files.held(build("resnet8", (3, 32, 32), 10, seed=0).state_dict())


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (FEED, "these are weights of resnet8: --arch resnet8"),
        (
            PictureFeed((1, 28, 28), FEED.class_names),
            r"named as those of resnet8 are, whose stem.conv.weight is 24x1x4x4 for .*24x3x4x4 there",
        ),
        (TokenFeed((8,), ("a", "b"), 50), ""),
    ],
)
def test_the_hint_names_the_network_that_fits(feed, said, file):
    assert re.fullmatch(said, recognising.told(file, feed))


def test_a_refusal_says_shapes_and_where_to_go_on(file):
    with pytest.raises(MismatchError) as caught:
        State(file, "cnn").network(FEED)
    assert caught.value.hint == "these are weights of resnet8: --arch resnet8"
    assert "got no conv1.weight (" in str(caught.value)
    assert " and unknown " in str(caught.value)


def test_all_that_differs_in_shape_is_counted():
    with pytest.raises(MismatchError, match=r"with 0.weight of shape \(2, 4\), got \(3, 4\), and 1 other that differ"):
        weights.apply(nn.Sequential(nn.Linear(4, 2)), nn.Sequential(nn.Linear(4, 3)).state_dict(), what="w")
