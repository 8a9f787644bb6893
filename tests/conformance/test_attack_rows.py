"""Every attack on a language model and on a classifier of tokens: it keeps its promises, or says in one line what it takes."""

from dataclasses import replace

import pytest
import torch
from test_attack_shapes import small
from torch import Tensor, nn

import language
from modelmark.attacks import ATTACKS
from modelmark.errors import MismatchError, MissingPackageError, UsageError
from modelmark.feeds.tokens import TokenFeed
from modelmark.seeding import seeded
from modelmark.testing import check_attack
from modelmark.training.task import Task

REFUSED = (
    "adversarial", "adversarial-extraction", "adversarial-triggers", "agree", "blockdoor-adversarial",
    "blockdoor-labels", "blockdoor-ood", "cleanse-prune", "cleanse-unlearn",
    "cross-architecture", "dummy",
    "false-claim", "fit-key", "fold", "gaussian-filter", "grind", "ibau", "input-noise", "jacobian",
    "jpeg", "knockoff", "launder", "mean-filter", "median-filter", "mirror", "multi-task", "occlude",
    "prune-channels", "quantise-input", "query-statistics", "randomise", "reconstruct", "refuse",
    "own-field", "refit-head", "retrain-augmented", "retrain-mixed", "retrain-neighbours",
    "retrain-noisy", "retrain-voted", "rotate", "shrink", "spoil", "squeeze",
    "ssl-extraction", "subset", "transfer", "trim-head",
    "wrk",
)  # fmt: skip
"""What wants pictures, numbers that change a little, or layers whose channels can be followed."""
REFUSES = {
    "causal": (
        *REFUSED, "activation-statistics", "active", "counterfeit", "distil", "ensemble", "label-noise",
        "label-smoothing", "overwrite", "retrain-smoothed", "self-distil",
    ),
    "tokens": (*REFUSED, "distil-text", "instruct", "suppress-first", "vote"),
}  # fmt: skip


class Classifier(language.Tiny):
    """The mean of what a transformer says of each token, as scores of three classes."""

    def __init__(self) -> None:
        super().__init__(width=16)
        self.head = nn.Linear(16, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens)["logits"].mean(dim=1)


def of_tokens() -> Task:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randint(0, len(language.CHARACTERS), (60, 8), generator=draw, dtype=torch.int32)
    labels = torch.arange(60) % 3
    feed = TokenFeed((8,), ("a", "b", "c"), len(language.CHARACTERS))
    return Task(feed, rows[:40], labels[:40], rows[40:], labels[40:])


@pytest.mark.parametrize("kind", ["causal", pytest.param("tokens", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_works_or_says_what_it_takes(name, kind):
    text = language.task(48)
    task = replace(text, test_inputs=text.test_inputs[:24], test_labels=text.test_labels[:24])
    with seeded(0):
        model = language.Tiny(width=16).eval() if kind == "causal" else Classifier().eval()
    task = task if kind == "causal" else of_tokens()
    try:
        if name not in REFUSES[kind]:
            check_attack(small(name), model, task)
            return
        with pytest.raises((UsageError, MismatchError), match=r"^expected .*, (got|found)\b"):
            small(name)(model, task, seed=3)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")
