"""Neural Cleanse for texts: triggers of words are reconstructed, and the model is taught the right answers beside them."""

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.feeds import ROWS
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.cleansing._trigger import Steps
from modelmark.attacks.cleansing._words import Words, placed, reconstruct, stamped
from modelmark.attacks.fields import Batch, Count, Epochs, Part, Rate
from modelmark.training.task import NO_TARGET, Task

_WORKS = 0.5


class CleanseWords(Removal, family="cleansing", feeds=ROWS):
    """Reconstruct the tokens that turn a model of texts wherever they stand, then unlearn them.

    For a classifier one trigger a class; for a language model one for each of ``tokens`` drawn from the thief's text, which is to
    come next. Rows that carry a trigger which turns half of them, or the best one, join the thief's own, with the right answers.

    Source: Liu et al. 2022, "Piccolo: exposing complex backdoors in NLP transformer models", IEEE S&P; unlearning as in Wang et
    al. 2019, "Neural Cleanse", IEEE S&P, section VI.C.
    Departs: tokens are relaxed and not words; the paper finds out whether a model is trojaned and unlearns nothing.
    """

    strengths = (
        {"rate": 0.005},
        {},
        {"rate": 0.05},
        {"rate": 0.05, "share": 0.6},
        {"rate": 0.1, "share": 0.6, "epochs": 10},
    )

    steps: Steps = 100
    length: Annotated[Count, "of a trigger, in tokens"] = 3
    tokens: Annotated[Count, "that a language model is turned to, each by a trigger"] = 8
    share: Annotated[Part, "of rows with a trigger, for each row of the thief"] = 0.3
    rate: Rate = 0.02
    epochs: Epochs = 3
    batch: Batch = 64

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the fine-tuned model.

        Raises:
            UsageError: the model looks no tokens up, or the thief's rows are shorter than a trigger.
        """
        words = reconstruct(stolen, thief, targets(thief, self.tokens), self.length, self.steps)
        return thief.tune(stolen, self, task=with_triggers(thief, words, self.share))


def targets(thief: Thief, count: int) -> Tensor:
    """Return what triggers turn a model to: all classes, or ``count`` tokens of the thief's text."""
    task = thief.task
    if task.feed.kind != "causal":
        return torch.arange(task.feed.classes)
    seen = task.train_targets[task.train_targets != NO_TARGET].unique().cpu()
    return seen[torch.randperm(len(seen), generator=thief.generator())[:count]]


def with_triggers(thief: Thief, words: Words, share: float) -> Task:
    """Return the thief's task with rows that carry triggers after its own, ``share`` of as many and at least one."""
    task, generator = thief.task, thief.generator()
    works = (words.success >= _WORKS).nonzero().flatten()
    works = works if len(works) else words.success.argmax().view(1)
    length = words.tokens.shape[1]
    room = (task.train_inputs >= 0).sum(dim=1).cpu() >= length
    long = room.nonzero().flatten()
    picked = long[torch.randint(len(long), (max(round(share * len(room)), 1),), generator=generator)]
    rows, answers = (
        task.train_inputs[picked.to(task.train_inputs.device)],
        task.train_targets[picked.to(task.train_targets.device)],
    )
    places = placed(rows, task.feed, length, generator)
    which = works[torch.randint(len(works), (len(rows),), generator=generator)]
    marked = stamped(rows, places, words.tokens[which])
    if task.feed.kind == "causal":  # the trigger itself is not to be told
        before = (places - 1).clamp(min=0).to(answers.device)
        untold = answers.scatter(1, before, NO_TARGET)
        answers = untold.scatter(
            1, places[:, -1:].to(answers.device), answers.gather(1, places[:, -1:].to(answers.device))
        )
    return replace(
        task,
        train_inputs=torch.cat([task.train_inputs, marked]),
        train_targets=torch.cat([task.train_targets, answers]),
    )
