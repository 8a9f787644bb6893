"""Marks into a network at hand, without data: into a trained one, or of ``spread`` as the signs of a fresh one."""

import copy
from typing import TYPE_CHECKING

from modelmark.errors import UsageError
from modelmark.marks.marks import Mark
from modelmark.schemes import spread
from modelmark.schemes.base import Instant

if TYPE_CHECKING:
    from torch import nn


def imprint(model: "nn.Module", mark: Mark) -> "nn.Module":
    """Return a copy of a trained model that carries a ``spread`` or a ``field`` mark; no data, no training.

    Args:
        model: left as it is; for ``field`` the very host that its key was made of.
        mark: of a key for this architecture.

    Raises:
        UsageError: a mark of another scheme.
        MismatchError: the model lacks a layer that is marked.
        SuspectError: a weight is no number.
    """
    scheme = mark.key.scheme
    if not isinstance(scheme, Instant):
        raise UsageError(
            f"expected a mark of spread or field, got {scheme.name}, which training embeds", hint="mark.hooks, or embed"
        )
    copied = copy.deepcopy(model)
    scheme.imprint(copied, mark.key.carriers, mark.message)
    return copied


def initialise(model: "nn.Module", mark: Mark) -> None:
    """Give the freshly initialised weights of ``model`` the signs that a ``spread`` mark says, in place.

    Sizes stay what the initialiser made, and so does the distribution for whoever lacks the key: a linear or convolution layer
    is as likely to begin with one sign as with the other. Train as ever afterwards. A trained model would be lost.

    Args:
        model: not trained yet; changed.
        mark: of a key for this architecture.

    Raises:
        UsageError: a mark of another scheme.
        MismatchError: the model lacks a layer that is marked.
    """
    if not isinstance(mark.key.scheme, spread.Spread):
        raise UsageError(f"expected a spread mark, got {mark.key.scheme.name}")
    spread.initialise(model, mark.key.carriers, mark.message)  # type: ignore[arg-type]
