"""Eight-bit integers, by the library that people deploy with."""

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import torch
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.errors import MissingPackageError
from modelmark.networks import layers


class Int8(Removal, family="compression"):
    """Store the weights of linear layers as int8, through torchao, and read them back as floats.

    What a suspect that was deployed in eight bits looks like to a verifier who turns it back. Convolutions stay as they
    are: torchao's weight-only form covers linear layers.

    Source: torchao, pytorch.org/ao; Int8WeightOnlyConfig.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the model after the round trip; neither data nor chance takes part.

        Raises:
            MissingPackageError: torchao is not installed.
        """
        with _silence():
            try:
                from torchao.quantization import Int8WeightOnlyConfig, quantize_
            except ImportError:
                raise MissingPackageError(
                    "expected torchao to be installed", hint="pip install 'modelmark[attacks]'"
                ) from None
            stored = copy.deepcopy(stolen)
            quantize_(stored, Int8WeightOnlyConfig())
        with torch.no_grad():
            for layer in layers.markable(stolen):
                layers.weight(stolen, layer.path).copy_(layers.weight(stored, layer.path).dequantize())
        return stolen


@contextmanager
def _silence() -> Iterator[None]:
    """Keep quiet what torchao says when it is imported: which of its kernels do not fit this machine."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
