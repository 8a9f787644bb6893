"""Merging: by the formulas that are published, and a weight that has two names once."""

import copy

import pytest
import torch
from torch import nn

import language
from modelmark.attacks.piracy.collude import Collude
from modelmark.attacks.weights.average import Average
from modelmark.attacks.weights.merge import Merge, elected, slerp, ties

BASE = torch.tensor([[1.0, -2.0, 0.5, 4.0], [0.0, 3.0, -1.0, 2.0]])
ONE = torch.tensor([[1.5, -2.5, 0.25, 4.125], [-0.5, 3.0, -3.0, 2.0625]])
OTHER = torch.tensor([[0.5, -2.25, 2.5, 4.25], [1.0, 3.25, -1.25, 1.0]])
SHARE = 0.25
MERGEKIT = {
    "slerp": [[1.279195, -2.502156, 0.844657, 4.269002], [-0.121557, 3.146298, -2.623713, 1.840547]],
    "ties": [[1.5, -2.5, 2.5, 4.0], [-0.5, 3.0, -3.0, 1.0]],
    "task_arithmetic": [[1.0, -2.5625, 1.8125, 4.28125], [0.375, 3.1875, -2.6875, 1.296875]],
}
"""What mergekit 0.1.5 (LGPL-3.0) gives for the tensors above: weights 0.75 and 0.25 and a density of 0.5; of ``task_arithmetic``
weights 1 and a lambda of 0.75; both layers of ``slerp`` as one vector."""


def test_slerp_is_mergekits():
    found = slerp(ONE, OTHER, SHARE)
    torch.testing.assert_close(found, torch.tensor(MERGEKIT["slerp"]), atol=1e-5, rtol=0)


def test_ties_is_mergekits():
    weights = torch.tensor([1 - SHARE, SHARE])[:, None, None]
    found = BASE + ties(torch.stack([ONE - BASE, OTHER - BASE]), weights, 0.5)
    torch.testing.assert_close(found, torch.tensor(MERGEKIT["ties"]))


def test_arithmetic_is_mergekits():
    found = Merge(how="arithmetic", scale=0.75)._merged(ONE, OTHER, BASE, torch.Generator())
    torch.testing.assert_close(found, torch.tensor(MERGEKIT["task_arithmetic"]))


@pytest.mark.parametrize("how", ["dare", "dare-ties"])
def test_dare_keeps_what_is_drawn_and_divides_it_by_the_density(how):
    drawn = torch.rand((2, 2, 4), generator=torch.Generator().manual_seed(5)) < 0.5
    found = Merge(how=how, density=0.5, share=SHARE)._merged(ONE, OTHER, BASE, torch.Generator().manual_seed(5))
    first, second = 0.75 * 2 * (ONE - BASE) * drawn[0], 0.25 * 2 * (OTHER - BASE) * drawn[1]
    if how == "dare-ties":  # the sign of the sum decides, and nothing is divided by the weights that agree
        sign = (first + second).sign()
        first, second = first * (first.sign() == sign), second * (second.sign() == sign)
    torch.testing.assert_close(found, BASE + first + second)


def test_the_mean_of_dare_is_the_linear_average():
    generator = torch.Generator().manual_seed(0)
    merges = [Merge(how="dare", density=0.5)._merged(ONE, OTHER, BASE, generator) for _ in range(1000)]
    torch.testing.assert_close(torch.stack(merges).mean(dim=0), (ONE + OTHER) / 2, atol=0.2, rtol=0)


def test_what_is_elected_has_the_sign_that_weighs_more():
    assert elected(torch.tensor([[3.0, -1.0, 1.0, 0.0], [-1.0, -2.0, -1.0, 2.0]])).tolist() == [
        [3.0, -1.0, 0.0, 0.0],
        [0.0, -2.0, 0.0, 2.0],
    ]


class Tied(nn.Module):
    """A table of tokens that is its head as well, as in most small language models."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(len(language.CHARACTERS), 8)
        self.head = nn.Linear(8, len(language.CHARACTERS), bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens):
        return self.head(self.tokens(tokens))


def _tied(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tied()


@pytest.mark.parametrize("how", ["merge", "average", "collude"])
def test_a_weight_with_two_names_is_merged_once(how):
    """Twice by the half is a quarter: name after name, the stolen model's part was cut down once more."""
    task, model, other = language.task(64), _tied(0), _tied(1)
    attack = {"merge": Merge(epochs=1), "average": Average(epochs=1), "collude": Collude(how="mean")}[how]
    merged = attack(model if how == "average" else [model, other], task, seed=3)
    if how == "collude":
        end = other
    elif how == "merge":
        end = Merge(share=1.0, epochs=1)([model, other], task, seed=3)
    else:
        end = Average(share=1.0, epochs=1)(model, task, seed=3)
    assert merged.head.weight is merged.tokens.weight
    torch.testing.assert_close(merged.head.weight, (model.head.weight + end.head.weight) / 2)
    by_name = copy.deepcopy(model)
    with torch.no_grad():
        for name, value in by_name.state_dict().items():
            value.lerp_(end.state_dict()[name], 0.5)
    torch.testing.assert_close(by_name.head.weight, (model.head.weight + 3 * end.head.weight) / 4)
