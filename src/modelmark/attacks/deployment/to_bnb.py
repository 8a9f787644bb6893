"""bitsandbytes: what ``transformers`` loads large models with."""

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.packages import imported, quiet
from modelmark.attacks.base import Removal, Thief
from modelmark.errors import UsageError
from modelmark.networks import layers


class ToBnb(Removal, family="deployment"):
    """Store the weights of linear layers but the last through bitsandbytes, in NF4, FP4 or int8, and read them back.

    Convolutions stay as they are: the library has linear layers only, and ``transformers`` leaves the last as it is.

    Source: Dettmers et al. 2023, arXiv 2305.14314 (NF4); Dettmers et al. 2022, arXiv 2208.07339 (int8).
    """

    strengths = ({"weights": "int8"}, {"weights": "nf4"}, {"weights": "nf4", "double": True}, {"weights": "fp4"})

    weights: Annotated[Literal["int8", "nf4", "fp4"], "as they are stored"] = "nf4"
    double: Annotated[bool, "quantisation of the scales themselves, of nf4 and fp4"] = False

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after the round trip; neither data nor chance takes part.

        Raises:
            MissingPackageError: bitsandbytes is not installed.
            UsageError: the model has no linear layer but the last.
        """
        head = layers.head(stolen)
        found = [layer for layer in layers.places(stolen) if layer.layout.role == "linear" and layer.path != head]
        if not found:
            raise UsageError("expected a linear layer before the last, got a model without")
        with quiet(), torch.no_grad():
            library = imported("bitsandbytes.functional", extra="deployment")
            for layer in found:
                rows = layers.rows(stolen, layer)
                rows.copy_(self._rounded(library, rows.contiguous()))
        return stolen

    def _rounded(self, library: Any, rows: Tensor) -> Tensor:
        if self.weights == "int8":
            codes, largest, _ = library.int8_vectorwise_quant(rows.half())
            return codes.float() * largest[:, None] / 127
        packed, state = library.quantize_4bit(rows, quant_type=self.weights, compress_statistics=self.double)
        made: Tensor = library.dequantize_4bit(packed, state)
        return made.reshape(rows.shape)
