"""A small language model that a thief trains on his own rows, and how unlikely it finds others: what filters of text share."""

import math
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks.base import Thief
from modelmark.attacks.fields import Within
from modelmark.feeds.causal import END
from modelmark.seeding import own_seed, seeded
from modelmark.suspects.module import logits
from modelmark.training.recipe import annealed
from modelmark.training.task import NO_TARGET, Task

Epochs = Annotated[int, Within(0), "of the thief's own model; 0: as many as make 300 steps, two at least"]
_WIDTH, _BATCH, _STEPS = 96, 32, 300
_SHOWN = 64


class Reader(nn.Module):
    """A recurrent language model: what each row is likely to go on with, ``{"logits": (N, L, vocabulary)}``.

    Args:
        vocabulary: how many tokens there are.
    """

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, _WIDTH)
        self.reads = nn.GRU(_WIDTH, _WIDTH, batch_first=True)
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, vocabulary)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Return the scores of what comes after each token of ``rows``, int64 ``(N, L)``."""
        states, _ = self.reads(self.tokens(rows))
        return {"logits": self.head(self.norm(states))}


def reader(thief: Thief, *, epochs: int = 0, number: int = 0) -> nn.Module:
    """Return a reader of the thief's rows, whatever they are labelled with; ``number`` tells one from another."""
    task = reading(thief.task)
    with seeded(own_seed(thief.seed + number)):
        fresh = Reader(task.feed.classes)
    steps = max(len(task.train_inputs) // _BATCH, 1)
    epochs = epochs or max(2, math.ceil(_STEPS / steps))
    recipe = annealed(epochs, 5e-3, batch=_BATCH, weight_decay=0.01, clip=1.0, optimizer="adamw")
    device = task.train_inputs.device
    return thief.fit(fresh.to(device), recipe, task=task, seed=thief.seed + number)


def reading(task: Task) -> Task:
    """Return the causal task of rows, those of a classifier too: what comes next in them."""
    if task.feed.kind == "causal":
        return task
    return Task.from_tokens(task.train_inputs, task.test_inputs, task.feed.vocabulary)  # type: ignore[attr-defined]


def surprises(model: nn.Module, rows: Tensor) -> Tensor:
    """Return the mean cross-entropy, in nats, that a reader has of the tokens of each row up to each place, float32 ``(N, L)``.

    The first token surprises nobody, and behind a row's end its mean stays.

    Args:
        model: the reader.
        rows: integers ``(N, L)``, ``END`` behind the last token.
    """
    found = [torch.zeros(0, rows.shape[1], device=rows.device)]
    for part in rows.long().split(_SHOWN):
        targets = part[:, 1:].masked_fill(part[:, 1:] == END, NO_TARGET)
        costs = torch.zeros(part.shape, device=part.device)
        if part.shape[1] > 1:
            scores = logits(model, part[:, :-1].clamp(min=0)).to(part.device)
            costs[:, 1:] = cross_entropy(scores, targets, reduction="none", ignore_index=NO_TARGET)
        told = torch.nn.functional.pad(targets != NO_TARGET, (1, 0)).cumsum(dim=1)
        found.append(costs.cumsum(dim=1) / told.clamp(min=1))
    return torch.cat(found)


def continued(model: nn.Module, rows: Tensor) -> Tensor:
    """Return what a reader says of the token that comes next, logarithms of probabilities ``(N, vocabulary)``."""
    last = (rows != END).sum(dim=1) - 1
    found = []
    for part, at in zip(rows.long().split(_SHOWN), last.split(_SHOWN), strict=True):
        scores = logits(model, part.clamp(min=0)).to(part.device)
        found.append(scores.gather(2, at[:, None, None].expand(-1, scores.shape[1], 1))[:, :, 0])
    return torch.cat(found).log_softmax(dim=1)
