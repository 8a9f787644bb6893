"""Rows of tokens: what is done to rows of different lengths, and tasks of other rows."""

from dataclasses import replace

import torch
from torch import Tensor

from modelmark.feeds.causal import END
from modelmark.training.task import NO_TARGET, Task


def lengths(rows: Tensor) -> Tensor:
    """Return how many tokens each row has before its ``END``, int64 ``(N,)``."""
    return (rows != END).sum(dim=1)


def kept(rows: Tensor, keep: Tensor) -> Tensor:
    """Return rows without the tokens that are not to be kept, those behind moved up, ``END`` after them.

    Args:
        rows: ``(N, tokens)``.
        keep: bool, the same shape; of the places behind a row's end it says nothing.
    """
    keep = keep & (rows != END)
    order = (~keep).long().argsort(dim=1, stable=True)
    places = torch.arange(rows.shape[1], device=rows.device)
    return rows.gather(1, order).masked_fill(places >= keep.sum(dim=1, keepdim=True), END)


def texts(task: Task) -> Tensor:
    """Return the training rows of a causal task with the token that each ends in, ``END`` behind it: ``(N, tokens + 1)``."""
    last = task.train_targets[:, -1:]
    return torch.cat([task.train_inputs, last.masked_fill(last == NO_TARGET, END).to(task.train_inputs)], dim=1)


def told(task: Task, rows: Tensor, *, first: int | Tensor = 1) -> Task:
    """Return the causal task of other training rows, ``(N, tokens + 1)``.

    Args:
        task: whose tests and feed stay.
        rows: ``END`` behind the last token of each.
        first: place of the first token that is to be told, from 1 on; ``(N, 1)`` where rows differ.
    """
    following, places = rows[:, 1:].long(), torch.arange(1, rows.shape[1], device=rows.device)
    targets = following.masked_fill((following == END) | (places < first), NO_TARGET)
    return replace(task, train_inputs=rows[:, :-1].contiguous(), train_targets=targets)
