"""Suspects: queries are counted, and answers that are none are refused."""

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import MismatchError, SuspectError
from modelmark.suspects.base import ABSTAIN
from modelmark.suspects.function import BlackBox
from modelmark.suspects.module import WhiteBox, logits


def linear(value: float = 0.0) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    nn.init.constant_(model[1].weight, value)
    nn.init.constant_(model[1].bias, 0.0)
    return model


def test_a_plain_function_is_asked_once_per_input_and_counted():
    asked = []

    def answer(inputs):
        asked.append(len(inputs))
        return [1] * len(inputs)

    suspect = BlackBox(answer)
    assert suspect.labels(torch.zeros(600, 4)).tolist() == [1] * 600
    assert (sum(asked), suspect.queries) == (600, 600)


@pytest.mark.parametrize("answer", [torch.zeros(5, dtype=torch.int64), np.zeros(5, np.int32), [0, 1, 2, ABSTAIN, 0]])
def test_labels_come_as_tensor_array_or_list(answer):
    assert BlackBox(lambda x: answer).labels(torch.zeros(5, 4)).dtype == np.int64


@pytest.mark.parametrize(
    "answer", [[0, 1], [0.5] * 5, [[0]] * 5, [3] * 5, [-2] * 5, ["a"] * 5, [float("nan")] * 5, None, [True] * 5]
)
def test_answers_that_are_no_labels_are_refused(answer):
    with pytest.raises(SuspectError, match="expected"):
        BlackBox(lambda x: answer).labels(torch.zeros(5, 4))


@pytest.mark.parametrize(("answer", "got"), [(None, "got NoneType"), ("cat", "got str")])
def test_an_answer_that_is_no_array_is_named(answer, got):
    with pytest.raises(SuspectError, match=f"expected 5 integer labels from the suspect, {got}$"):
        BlackBox(lambda x: answer).labels(torch.zeros(5, 4))


def test_a_black_box_shows_no_weights():
    with pytest.raises(MismatchError, match="expected access"):
        BlackBox(lambda x: x).weight("1")


def test_ties_go_to_the_lowest_class_and_queries_count():
    suspect = WhiteBox(linear())
    assert suspect.labels(torch.ones(7, 4)).tolist() == [0] * 7
    assert suspect.queries == 7


def test_outputs_that_are_nan_or_of_another_class_count_are_refused():
    with pytest.raises(SuspectError, match="got NaN"):
        WhiteBox(linear(float("nan"))).labels(torch.ones(2, 4))
    with pytest.raises(SuspectError, match="expected outputs for 4 classes"):
        WhiteBox(linear()).labels(torch.ones(2, 4))


def test_weights_that_are_nan_or_missing_are_refused():
    with pytest.raises(SuspectError, match="finite"):
        WhiteBox(linear(float("inf"))).weight("1")
    with pytest.raises(MismatchError):
        WhiteBox(linear()).weight("2")


def test_reading_leaves_every_module_in_its_mode():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[2].eval()
    before = [module.training for module in model.modules()]
    buffers = [buffer.clone() for buffer in model.buffers()]
    logits(model, torch.ones(9, 4))
    assert [module.training for module in model.modules()] == before
    assert all(torch.equal(a, b) for a, b in zip(buffers, model.buffers(), strict=True))


def test_batches_do_not_change_the_answers():
    model = linear(0.3)
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(logits(model, x, batch=3), logits(model, x))
