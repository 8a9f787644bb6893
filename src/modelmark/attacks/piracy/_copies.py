"""Several models of one architecture made into one, weight by weight."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Collusion, Thief
from modelmark.attacks.weights._base import floats
from modelmark.errors import UsageError


class Weightwise(Collusion, family="piracy"):
    """A collusion that looks at one weight at a time; neither data nor training takes part."""

    def combine(self, copies: list[nn.Module], thief: Thief) -> nn.Module:
        """Return the first of ``copies`` with what ``of`` makes of all of them in every floating-point tensor.

        Raises:
            UsageError: fewer than two copies, or copies of different architectures.
        """
        if len(copies) < 2:
            raise UsageError(f"expected at least two copies, got {len(copies)}")
        states, generator = [model.state_dict() for model in copies], thief.generator()
        shapes = [{name: value.shape for name, value in state.items()} for state in states]
        if any(other != shapes[0] for other in shapes):
            raise UsageError("expected copies of one architecture, got different parameters")
        with torch.no_grad():
            for name, value in floats(copies[0]):
                value.copy_(self.of(torch.stack([state[name].to(value.device) for state in states]), generator))
        return copies[0]

    @abstractmethod
    def of(self, stacked: Tensor, generator: torch.Generator) -> Tensor:
        """Return one tensor of all, ``(copies, *shape)``."""
