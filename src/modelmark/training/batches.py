"""Samples appended to what a DataLoader gives: a pair of inputs and targets, or a dictionary as Hugging Face's models take it."""

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.training.hooks import Samples, joined
from modelmark.training.task import NO_TARGET

INPUTS = ("input_ids", "pixel_values", "input_values", "input_features", "inputs", "images", "image", "img", "x")
TARGETS = ("labels", "label", "targets", "target", "y")
MASKS = {"attention_mask": 1, "token_type_ids": 0}
"""What rides along with tokens, and what it is of a token; 0 of what fills up a row."""


def extended(batch: Any, feed: Feed, extra: Callable[[Tensor, Tensor], Samples | None], *, pad: int = 0) -> Any:
    """Return a batch with samples appended, of the same form.

    Rows of tokens are filled up to the longer of both. Of a causal model the labels in a dictionary are its tokens, which the
    model itself moves by one; in a pair they are those that come next.

    Args:
        batch: inputs ``(N, ...)`` and targets, in a tuple or list of two or under names in ``INPUTS`` and ``TARGETS``.
        feed: of the carriers.
        extra: what to append to inputs and targets, as ``Hooks.extra``.
        pad: token that fills up a row.

    Raises:
        MismatchError: it is no such batch, or its inputs are not the feed's.
    """
    at, to = places(batch)
    x, y = batch[at], batch[to]
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise MismatchError(f"expected tensors in the batch, got {type(x).__name__} and {type(y).__name__}")
    fits(tuple(x.shape[1:]), feed)
    more = extra(x, y)
    if more is None:
        return batch
    masks = {name: batch[name] for name in MASKS if isinstance(batch, Mapping) and name in batch}
    lengths = torch.full((len(more[0]),), more[0].shape[1] if more[0].dim() > 1 else 0)
    if feed.kind == "causal" and isinstance(batch, Mapping):
        more, lengths = _labelled(*more)
    if feed.kind in ("tokens", "causal"):
        longest = max(x.shape[1], more[0].shape[1])
        x, more = _filled(x, longest, pad), (_filled(more[0], longest, pad), more[1])
        if y.dim() == 2 and not y.is_floating_point():
            y, more = _filled(y, longest, NO_TARGET), (more[0], _filled(more[1], longest, NO_TARGET))
        for name, mask in masks.items():
            added = (torch.arange(longest) < lengths[:, None]).to(mask) * MASKS[name]
            masks[name] = torch.cat([_filled(mask, longest, 0), added])
    inputs, targets = joined([(x, y), (more[0].to(x.device), more[1].to(y.device))])
    if not isinstance(batch, Mapping):
        return type(batch)((inputs, targets))
    found = copy.copy(batch)
    for place, value in ({at: inputs, to: targets} | masks).items():
        found[place] = value  # type: ignore[index]
    return found


def places(batch: Any) -> tuple[Hashable, Hashable]:
    """Return where inputs and targets are in a batch or in one sample.

    Raises:
        MismatchError: there are none, several, or things beside them that nobody knows how to fill.
    """
    if isinstance(batch, Mapping):
        found = [[name for name in names if name in batch] for names in (INPUTS, TARGETS)]
        rest = [str(name) for name in batch if not any(name in names for names in (*found, MASKS))]
        if [len(names) for names in found] != [1, 1] or rest:
            got = ", ".join(map(str, list(batch)[:8]))
            raise MismatchError(
                f"expected inputs ({', '.join(INPUTS[:2])}, ...), labels and masks in the batch, got {got}"[:240],
                hint="leave other columns out, or append in the loop: mark.hooks(model).batch(x, y)",
            )
        return found[0][0], found[1][0]
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        kind = f"{len(batch)} things" if isinstance(batch, tuple | list) else type(batch).__name__
        raise MismatchError(f"expected inputs and targets in the batch, a pair or a dictionary, got {kind}")
    return 0, 1


def fits(shape: Sequence[int], feed: Feed) -> None:
    """Raise MismatchError unless inputs of ``shape`` are what the key says; rows of tokens may have any length."""
    wanted = feed.input_shape
    if tuple(shape) != wanted and not (feed.kind in ("tokens", "causal") and len(shape) == len(wanted)):
        raise MismatchError(f"expected inputs of shape {wanted}, as the key says, got {tuple(shape)}")


def like(example: Any, value: Tensor) -> Any:
    """Return a value in the type of another of its kind: a tensor, an array, a list or a number.

    Raises:
        MismatchError: it is none of these.
    """
    if isinstance(example, Tensor):
        return value.to(example.dtype)
    if isinstance(example, np.ndarray | np.generic):
        return value.numpy().astype(example.dtype)
    if isinstance(example, list):
        return value.tolist()
    if isinstance(example, int | float):
        return type(example)(value.item())
    raise MismatchError(
        f"expected tensors, arrays, lists or numbers in the dataset, got {type(example).__name__}",
        hint="mix behind the transforms that make tensors",
    )


def _labelled(rows: Tensor, following: Tensor) -> tuple[Samples, Tensor]:
    """Return rows with the token that comes last, labels as a model has them that moves them itself, and the rows' lengths."""
    count, length = following.shape
    rows = torch.cat([rows, rows.new_zeros(count, 1)], dim=1)
    labels = torch.cat([following.new_full((count, 1), NO_TARGET), following], dim=1)
    told = labels != NO_TARGET
    last = length - told.flip(1).int().argmax(dim=1)  # the last that is told is the last of the row
    each = torch.arange(count)
    rows[each, last] = labels[each, last].to(rows)
    return (rows, labels), last + 1


def _filled(rows: Tensor, length: int, value: int) -> Tensor:
    lacking = length - rows.shape[1]
    return torch.cat([rows, rows.new_full((len(rows), lacking), value)], dim=1) if lacking else rows
