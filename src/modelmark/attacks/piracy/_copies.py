"""Several models of one architecture made into one, weight by weight."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from modelmark.errors import UsageError


def combined(copies: Sequence[nn.Module], of: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return the first of ``copies`` with what ``of`` makes of all of them, ``(copies, *shape)``, in every floating-point tensor.

    Raises:
        UsageError: fewer than two copies, or copies of different architectures.
    """
    if len(copies) < 2:
        raise UsageError(f"expected at least two copies, got {len(copies)}")
    states = [model.state_dict() for model in copies]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(other != shapes[0] for other in shapes):
        raise UsageError("expected copies of one architecture, got different parameters")
    with torch.no_grad():
        for name, value in states[0].items():
            if value.is_floating_point():
                value.copy_(of(torch.stack([state[name].to(value.device) for state in states])))
    return copies[0]
