"""Triggers of words: the few tokens that make a model of texts answer one thing wherever they stand, by relaxed inversion.

Source: Liu et al. 2022, "Piccolo: exposing complex backdoors in NLP transformer models", IEEE S&P; the search for all classes at
once as in Wang et al. 2019, "Neural Cleanse", IEEE S&P.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.attacks._tools.tokens import lengths
from modelmark.attacks.base import Thief
from modelmark.errors import UsageError
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.networks.calling import scored
from modelmark.networks.layers import unwrapped

_BATCH = 8  # rows a step, for each target
_ROWS = 256
_RATE = 0.3
_SHARPEST = 6.0  # what relaxed tokens are multiplied by in the end


@dataclass(frozen=True)
class Words:
    """One reconstructed trigger a target.

    Args:
        tokens: int64 ``(targets, length)``.
        targets: the class, or the token that comes next, ``(targets,)``.
        success: share of rows that the trigger sends there, ``(targets,)``.
    """

    tokens: Tensor
    targets: Tensor
    success: Tensor


def reconstruct(model: nn.Module, thief: Thief, targets: Tensor, length: int, steps: int) -> Words:
    """Return the tokens that ``steps`` of Adam found for each target.

    Departs: tokens are relaxed, each place a distribution over the vocabulary, where the paper relaxes words and spells them in
    tokens; the distributions sharpen as the search goes on; no analysis of how the model tells words apart follows.

    Args:
        model: left as it is.
        thief: gives rows, and the seed of starts and batches.
        targets: ``(targets,)``.
        length: of a trigger, in tokens.
        steps: of the descent.

    Raises:
        UsageError: the model looks no tokens up, or no row has room for a trigger.
    """
    feed, generator = thief.task.feed, thief.generator()
    vocabulary = _vocabulary(feed)
    frozen = copy.deepcopy(model).eval().requires_grad_(False)
    table = table_of(frozen, vocabulary)
    rows = roomy(thief, length)
    count, device = len(targets), table.weight.device
    at = torch.randn(count, length, vocabulary, generator=generator).mul_(0.1).to(device).requires_grad_(True)
    optimizer = torch.optim.Adam([at], lr=_RATE)
    wanted = targets.to(device).repeat_interleave(_BATCH)
    for step in range(steps):
        x = rows[torch.randint(len(rows), (_BATCH,), generator=generator)].repeat(count, 1)
        places = placed(x, feed, length, generator)
        sharp = 1 + (_SHARPEST - 1) * step / steps
        soft = ((sharp * at).softmax(dim=2) @ table.weight[:vocabulary]).repeat_interleave(_BATCH, dim=0)
        with overlaid(table, places, soft):
            scores = answered(scored(frozen, Normalise(feed)(x.to(device))), places)
        (at.grad,) = torch.autograd.grad(cross_entropy(scores, wanted, reduction="sum"), at)
        optimizer.step()
    tokens = at.detach().argmax(dim=2).cpu()
    return Words(tokens, targets, successes(frozen, rows, feed, tokens, targets, generator))


@torch.no_grad()
def successes(
    model: nn.Module, rows: Tensor, feed: Feed, tokens: Tensor, targets: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the share of rows that each trigger sends to its target, ``(targets,)``."""
    device, found = next(model.parameters()).device, []
    for trigger, target in zip(tokens, targets.tolist(), strict=True):
        places = placed(rows, feed, len(trigger), generator)
        x = stamped(rows, places, trigger.expand(len(rows), -1))
        told = answered(scored(model, Normalise(feed)(x.to(device))), places).argmax(dim=1)
        found.append(float((told == target).float().mean()))
    return torch.tensor(found)


def answered(scores: Tensor, places: Tensor) -> Tensor:
    """Return the scores of classes, or of the tokens that come after each trigger, ``(N, classes)``."""
    if scores.dim() == 2:
        return scores
    return scores[torch.arange(len(scores), device=scores.device), :, places[:, -1].to(scores.device)]


def stamped(rows: Tensor, places: Tensor, tokens: Tensor) -> Tensor:
    """Return rows with tokens at places, both ``(N, length)``."""
    return rows.scatter(1, places.to(rows.device), tokens.to(rows))


def placed(rows: Tensor, feed: Feed, length: int, generator: torch.Generator) -> Tensor:
    """Return for each row where a trigger stands, neighbouring places drawn anew, int64 ``(N, length)``."""
    ends = lengths(rows) if feed.kind == "causal" else torch.full((len(rows),), rows.shape[1])
    first = (torch.rand(len(rows), generator=generator) * (ends.cpu() - length + 1)).long()
    return first[:, None] + torch.arange(length)


def roomy(thief: Thief, length: int) -> Tensor:
    """Return up to 256 of the thief's rows that are as long as a trigger or longer, on the CPU."""
    rows, feed = thief.task.train_inputs, thief.task.feed
    long = (
        rows[lengths(rows) >= length] if feed.kind == "causal" else rows[:, : rows.shape[1] * (rows.shape[1] >= length)]
    )
    if not long.numel():
        raise UsageError(f"expected rows of at least {length} tokens, as long as a trigger, got none")
    picked = torch.randperm(len(long), generator=thief.generator())[:_ROWS]
    return long[picked.to(long.device)].cpu()


def table_of(model: nn.Module, vocabulary: int) -> nn.Embedding:
    """Return the embedding that tokens are looked up in: the first that has a row for each.

    Raises:
        UsageError: there is none.
    """
    for module in unwrapped(model).modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings >= vocabulary:
            return module
    raise UsageError(f"expected a model that looks {vocabulary} tokens up in an embedding, found none")


@contextmanager
def overlaid(table: nn.Embedding, places: Tensor, vectors: Tensor) -> Iterator[None]:
    """Let the embedding give other vectors, ``(N, length, width)``, at some places of each row, ``(N, length)``."""

    def over(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        where = places.to(output.device)[:, :, None].expand(-1, -1, output.shape[2])
        return output.scatter(1, where, vectors.to(output))

    handle = table.register_forward_hook(over)
    try:
        yield
    finally:
        handle.remove()


def _vocabulary(feed: Feed) -> int:
    found: int = getattr(feed, "vocabulary", 0)
    return found
