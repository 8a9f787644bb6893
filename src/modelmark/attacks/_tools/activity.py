"""How strongly inputs excite the channels of a layer: what fine-pruning and laundering cut by."""

import copy
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from modelmark.networks import layers
from modelmark.suspects.module import logits


def activity(model: nn.Module, paths: Iterable[str], inputs: Tensor) -> dict[str, Tensor]:
    """Return the mean positive part of each channel's outputs in evaluation mode, path to ``(channels,)``.

    Args:
        model: left as it is.
        paths: state-dict paths of modules; a linear layer has its channels last, all others on the second axis.
        inputs: as ``forward`` takes them, ``(N, *input_shape)``.
    """
    copied = copy.deepcopy(layers.unwrapped(model))
    sums: dict[str, Tensor] = {}

    def record(path: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Tensor) -> None:
            last = isinstance(module, nn.Linear)
            channels = output.clamp(min=0).movedim(-1 if last else 1, 0).flatten(1)
            sums[path] = sums.get(path, 0) + channels.mean(dim=1) * (len(output) / len(inputs))

        return hook

    for path in paths:
        copied.get_submodule(path).register_forward_hook(record(path))
    logits(copied, inputs)
    return sums
