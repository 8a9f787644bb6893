"""A function as a suspect: queries are counted, and answers that are none are refused."""

import numpy as np
import pytest
import torch

from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.pictures import PictureFeed
from modelmark.suspects.base import ABSTAIN, Ask, AskBeyond, Read, Sense
from modelmark.suspects.function import BlackBox
from modelmark.suspects.places import Place

FACE = PictureFeed((1, 2, 2), ("a", "b", "c"))
FIVE = Ask(FACE, np.zeros((5, 1, 2, 2), np.uint8))


def test_a_plain_function_is_asked_once_per_input_and_counted():
    asked = []

    def answer(inputs):
        asked.append(tuple(inputs.shape[1:]))
        assert inputs.dtype == torch.float32
        return [1] * len(inputs)

    suspect = BlackBox(answer)
    (labels,) = suspect.observe(Ask(FACE, np.zeros((600, 1, 2, 2), np.uint8)))
    assert labels.tolist() == [1] * 600
    assert set(asked) == {(1, 2, 2)}
    assert suspect.queries == 600


def test_pixels_beyond_their_range_reach_the_function():
    planes = np.zeros((5, 2, 2), np.int8)
    planes[:, 0, 0], planes[:, 1, 1] = 1, -1
    seen = []
    BlackBox(lambda x: seen.append(x) or [0] * len(x)).observe(AskBeyond(FACE, FIVE.inputs, planes, 510))
    assert torch.equal(seen[0][0, 0], torch.tensor([[2.0, 0.0], [0.0, -2.0]]))


@pytest.mark.parametrize("answer", [torch.zeros(5, dtype=torch.int64), np.zeros(5, np.int32), [0, 1, 2, ABSTAIN, 0]])
def test_labels_come_as_tensor_array_or_list(answer):
    assert BlackBox(lambda x: answer).observe(FIVE)[0].dtype == np.int64


@pytest.mark.parametrize(
    "answer", [[0, 1], [0.5] * 5, [[0]] * 5, [3] * 5, [-2] * 5, ["a"] * 5, [float("nan")] * 5, None, [True] * 5]
)
def test_answers_that_are_no_labels_are_refused(answer):
    with pytest.raises(SuspectError, match="expected"):
        BlackBox(lambda x: answer).observe(FIVE)


@pytest.mark.parametrize(("answer", "got"), [(None, "got NoneType"), ("cat", "got str")])
def test_an_answer_that_is_no_array_is_named(answer, got):
    with pytest.raises(SuspectError, match=f"expected 5 integer labels from the suspect, {got}$"):
        BlackBox(lambda x: answer).observe(FIVE)


@pytest.mark.parametrize("probe", [Read(Place("1", 4)), Sense(Place("1", 4), FACE, FIVE.inputs)], ids=["read", "sense"])
def test_a_function_shows_no_weights_and_is_not_asked_for_them(probe):
    suspect = BlackBox(lambda x: pytest.fail("it was asked"))
    assert type(probe) not in suspect.answers
    with pytest.raises(MismatchError, match="expected access to the suspect's weights"):
        suspect.observe(probe)
    assert suspect.queries == 0
