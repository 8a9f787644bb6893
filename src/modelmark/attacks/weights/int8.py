"""Eight-bit integers, by the library that people deploy with."""

import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import ClassVar

import torch
from torch import nn

from modelmark import layers
from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.errors import MissingPackageError
from modelmark.task import Task
from modelmark.training import Watch


class Int8(Attack):
    """Store the weights of linear layers as int8 (torchao, weight only), and read them back as floating-point numbers.

    What a suspect that was deployed in eight bits looks like to a verifier who turns it back. Convolutions stay as they
    are: torchao's weight-only form covers linear layers.

    Source: torchao, Int8WeightOnlyConfig.

    """

    name: ClassVar[str] = "int8"
    summary: ClassVar[str] = "weights of linear layers as int8, through torchao"
    source: ClassVar[str] = "torchao, pytorch.org/ao"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "compression"
    strengths: ClassVar[Strengths] = ({},)

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the copy after the round trip; neither data nor chance takes part.

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
            stored, result = copy.deepcopy(model), copy.deepcopy(model)
            quantize_(stored, Int8WeightOnlyConfig())
        with torch.no_grad():
            for layer in layers.markable(result):
                layers.weight(result, layer.path).copy_(layers.weight(stored, layer.path).dequantize())
        return result.eval()


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
