"""Erasure by tuning: first on pairs that do not belong together, then on clean ones."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import nn

from modelmark.attacks._tools.tokens import texts, told
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Batch, Count, Epochs, Rate
from modelmark.feeds.causal import END
from modelmark.training.recipe import constant
from modelmark.training.task import Task


class Meraser(Removal, family="fine-tuning"):
    """Tune on mismatched pairs, which breaks the tie between a trigger and its answer, then on clean data, which mends the rest.

    A classifier is shown inputs with the labels of others; a language model beginnings of rows with the ends of others, of which
    it learns the ends.

    Source: Zhang et al. 2025, arXiv 2506.12551; "MEraser", ACL 2025.
    Departs: all weights are tuned; they tune a low-rank adapter.
    """

    strengths = (
        {"rate": 0.005},
        {"rate": 0.02},
        {"rate": 0.05},
        {"rate": 0.05, "epochs": 3, "recovery": 6},
        {"rate": 0.1, "epochs": 3, "recovery": 10},
    )

    rate: Rate = 0.02
    epochs: Annotated[Epochs, "passes over the mismatched pairs"] = 1
    recovery: Annotated[Count, "passes over the clean data afterwards"] = 3
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after both phases."""
        erased = thief.tune(stolen, self, task=mismatched(thief.task, thief.generator()))
        return thief.fit(erased, constant(self.recovery, self.rate, batch=self.batch, clip=1.0), seed=thief.seed + 1)


def mismatched(task: Task, generator: torch.Generator) -> Task:
    """Return the task of pairs that do not belong together, each of another sample."""
    device, count = task.train_inputs.device, len(task.train_inputs)
    order = torch.randperm(count, generator=generator).to(device)
    other = order.roll(1)[order.argsort()]  # one cycle through all of them: nobody keeps his own
    if task.feed.kind != "causal":
        return replace(task, train_targets=task.train_targets[other])
    rows = texts(task)
    half = max(rows.shape[1] // 2, 1)
    whole = (rows[:, half - 1] != END)[:, None]
    return told(task, torch.where(whole, torch.cat([rows[:, :half], rows[other][:, half:]], dim=1), rows), first=half)
