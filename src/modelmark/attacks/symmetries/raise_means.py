"""What LayerNorm throws away takes any value, the function stays."""

from typing import Annotated, Literal

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Positive, sweep
from modelmark.attacks.symmetries._transformers import changed
from modelmark.blocks import stream
from modelmark.blocks.description import Linear, Transformer
from modelmark.blocks.views import Changed, Reals, matrix
from modelmark.errors import UsageError


class RaiseMeans(Removal, family="symmetry"):
    """Change the mean over all filters of what writes into a stream behind LayerNorm, which throws it away; the function stays.

    ``zero`` takes the mean filter away; ``noise`` puts a random one in its place, and adds to each filter that reads the stream
    what LayerNorm's outputs, which sum to zero before its gains, multiply by nothing.

    Source: Ashkboos et al. 2024, arXiv 2401.15024; where LayerNorm's mean goes into what writes the stream.
    """

    strengths = sweep(how=("zero", "noise"))

    how: Annotated[Literal["zero", "noise"], "what takes the place of the mean"] = "zero"
    size: Annotated[Positive, "of the noise, in lengths of a filter"] = 1.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model with other means.

        Raises:
            UsageError: it is no transformer behind LayerNorm.
        """
        return changed(stolen, thief, self._raised)

    def _raised(self, state: Changed, described: Transformer, generator: np.random.Generator) -> None:
        if not described.centred:
            raise UsageError("expected a stream behind LayerNorm, got one whose mean is read")
        for part in described.parts:
            if part is not described.outside or part.norms:  # else what reads the tables is no norm
                stream.raise_written(state, part, self._means(state, part.writers, generator))
            for norm in part.norms if self.how == "noise" else ():
                stream.raise_read(state, norm, self._sums(state, norm.readers, generator))

    def _means(self, state: Changed, writers: tuple[Linear, ...], generator: np.random.Generator) -> dict[str, Reals]:
        """Return what is added to every output of each writer: less its mean, and perhaps noise."""
        found = {}
        for linear in writers:
            weight = matrix(state, linear)
            noise = generator.normal(size=weight.shape[1]) * self.size * weight.std() if self.how == "noise" else 0.0
            found[linear.weight] = noise - weight.mean(axis=0)
        return found

    def _sums(self, state: Changed, readers: tuple[Linear, ...], generator: np.random.Generator) -> dict[str, Reals]:
        """Return by what each output of the readers is raised."""
        found = {}
        for linear in readers:
            weight = matrix(state, linear)
            found[stream.key_of(linear.weight, linear.rows)] = (
                generator.normal(size=len(weight)) * self.size * weight.std()
            )
        return found
