"""The residual stream in another size, which norms take back."""

from typing import Annotated

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Positive
from modelmark.attacks.symmetries._transformers import changed, require_pre, require_same, transformer
from modelmark.blocks import stream
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed


class ScaleStream(Removal, family="symmetry"):
    """Multiply all that is written into the residual stream by a factor, which norms take back; their epsilon goes along.

    Source: Xiong et al. 2020, arXiv 2002.04745; transformers whose norms stand before the readers; their stream has any size.
    """

    factor: Annotated[Positive, "of what is written"] = 8.0

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the scaled model.

        Raises:
            UsageError: it is no transformer, or norms stand behind the additions, as in BERT.
        """

        def scaled(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
            require_pre(described, "scale")
            for part in described.parts:
                stream.scale(state, part, self.factor)

        described = transformer(stolen)
        made = changed(stolen, Thief(None, thief.seed), scaled)  # type: ignore[arg-type]
        for part in described.parts:
            for norm in part.norms:
                module = made.get_submodule(norm.weight.rpartition(".")[0])
                for name in ("eps", "variance_epsilon"):
                    if hasattr(module, name):
                        setattr(module, name, getattr(module, name) * self.factor**2)
        require_same(made, stolen, thief)
        return made
