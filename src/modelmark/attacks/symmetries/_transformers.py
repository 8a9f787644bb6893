"""What symmetries of transformers share: the weights changed as arrays, and the answers compared before the thief goes on."""

from collections.abc import Callable

import numpy as np
from torch import nn

from modelmark.attacks.base import Thief
from modelmark.blocks import networks
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.suspects.module import logits

_TRIED = 8
"""Inputs of the thief's that tell whether the function stayed."""
_NEAR = 1e-2
"""Share of the answers' deviation by which they may differ: half a percent is what bfloat16 rounds to."""

Change = Callable[[Changed, Transformer, np.random.Generator], None]


def transformer(stolen: nn.Module) -> Transformer:
    """Return the parts of a transformer.

    Raises:
        UsageError: it is none, or the part of a weight is not known.
    """
    found = networks.of_network(stolen)
    if found is None:
        raise UsageError(
            "expected blocks of a transformer, known by their names, got another network",
            hint="permute and rescale take other networks",
        )
    networks.require_known(found)
    return found


def changed(stolen: nn.Module, thief: Thief, change: Change) -> nn.Module:
    """Return a transformer with other weights and the same function.

    Args:
        stolen: read only.
        thief: whose inputs, where he has some, show that the function stayed.
        change: writes into the arrays.

    Raises:
        UsageError: it is no transformer, or computes something else with its weights than transformers do.
    """
    described, state = transformer(stolen), networks.arrays(stolen)
    change(state, described, np.random.default_rng(thief.seed))
    made = networks.loaded(stolen, state)
    require_same(made, stolen, thief)
    return made


def require_same(made: nn.Module, stolen: nn.Module, thief: Thief) -> None:
    """Raise UsageError if the answers to the thief's first inputs are others."""
    if thief.task is None:
        return
    inputs = Normalise(thief.task.feed)(thief.task.train_inputs[:_TRIED].cpu())
    before, after = (logits(model, inputs).cpu().double() for model in (stolen, made))
    if not bool((after - before).abs().max() <= _NEAR * before.std()):
        raise UsageError(
            "expected a transformer whose function stays, this one computes something else with its weights"
        )


def require_pre(described: Transformer, what: str) -> None:
    """Raise UsageError if the stream passes a norm on its way, whose gains hold its basis."""
    if not described.pre:
        raise UsageError(f"expected a stream that only readers' norms touch to {what}, got one that norms change")


def is_transformer(stolen: nn.Module) -> bool:
    """Return whether a network has blocks as transformers have them, and no weight whose part is not known."""
    found = networks.of_network(stolen)
    return found is not None and not found.unknown
