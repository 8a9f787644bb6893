"""torchao: what torch itself quantises with."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import torch
from torch import nn

from modelmark.attacks._tools.linear import as_torchs, linear
from modelmark.attacks._tools.packages import imported, quiet
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within
from modelmark.errors import UsageError
from modelmark.networks import layers


class ToTorchao(Removal, family="deployment"):
    """Store the weights of linear layers through torchao in eight or four bits, or float8, and read them back as floats.

    Convolutions stay as they are: torchao's weight-only forms cover linear layers. Layers whose inputs are no multiple of a
    group stay, too. It passes by linear layers that are not torch's own, which are shown to it as such.

    Source: github.com/pytorch/ao; Int8WeightOnlyConfig, IntxWeightOnlyConfig, Float8WeightOnlyConfig.
    """

    strengths = ({"weights": "int8"}, {"weights": "float8"}, {"weights": "int4"}, {"weights": "int4", "group": 128})

    weights: Annotated[Literal["int8", "int4", "float8"], "as they are stored"] = "int8"
    group: Annotated[int, Within(1), "inputs that share a scale, of int4; a filter has one of the others"] = 32

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after the round trip; neither data nor chance takes part.

        Raises:
            MissingPackageError: torchao is not installed.
            UsageError: no layer can be stored so.
        """
        with quiet():
            library = imported("torchao.quantization", extra="deployment")
            found = [layer for layer in linear(stolen) if self.weights != "int4" or layer.width % self.group == 0]
            if not found:
                raise UsageError(f"expected linear layers of whole groups of {self.group} inputs, got a model without")
            stored = nn.Sequential(*(as_torchs(stolen, layer) for layer in found))
            library.quantize_(stored, self._config(library))
        with torch.no_grad():
            for layer, made in zip(found, stored, strict=True):
                layers.rows(stolen, layer).copy_(made.weight.dequantize())  # type: ignore[operator, union-attr]
        return stolen

    def _config(self, library: Any) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "int8": library.Int8WeightOnlyConfig,
            "float8": library.Float8WeightOnlyConfig,
            "int4": lambda: library.IntxWeightOnlyConfig(
                weight_dtype=torch.int4,  # type: ignore[attr-defined]
                granularity=library.granularity.PerGroup(self.group),
            ),
        }
        return made[self.weights]()
