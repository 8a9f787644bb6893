"""Eight-bit integers, by the library that people deploy with."""

import torch
from torch import nn

from modelmark.attacks._tools.linear import as_torchs, linear
from modelmark.attacks._tools.packages import imported, quiet
from modelmark.attacks.base import Removal, Thief
from modelmark.networks import layers


class Int8(Removal, family="compression"):
    """Store the weights of linear layers as int8, through torchao, and read them back as floats.

    What a suspect that was deployed in eight bits looks like to a verifier who turns it back. Convolutions stay as they
    are: torchao's weight-only form covers linear layers. It passes by linear layers that are not torch's own, which are
    shown to it as such.

    Source: torchao, pytorch.org/ao; Int8WeightOnlyConfig.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after the round trip; neither data nor chance takes part.

        Raises:
            MissingPackageError: torchao is not installed.
        """
        with quiet():
            library = imported("torchao.quantization", extra="attacks")
            found = linear(stolen)
            stored = nn.Sequential(*(as_torchs(stolen, layer) for layer in found))
            library.quantize_(stored, library.Int8WeightOnlyConfig())
        with torch.no_grad():
            for layer, made in zip(found, stored, strict=True):
                layers.rows(stolen, layer).copy_(made.weight.dequantize())  # type: ignore[operator, union-attr]
        return stolen
