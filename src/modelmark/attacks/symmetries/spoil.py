"""Spoilt channels: a few that the model can do without hold numbers that outweigh all others."""

import copy
import math
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.fields import Within
from modelmark.channels import Channels, Junction, Port, trace
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import taps
from modelmark.networks.layers import unwrapped
from modelmark.suspects.module import logits

_INPUTS = 512
"""Of the thief's data, on which no answer may change."""
_TRIED = 3
"""Channels that are tried for every one to be spoilt."""


class Spoil(Removal, family="symmetry"):
    """Fill channels that the model can do without with huge weights; no answer on the thief's data changes.

    In every hidden layer the channels that give least to what follows are cut off; their mean goes into the biases after them.
    One whose loss would change an answer is left alone. The others hold any numbers: a filter of random weights and a bias under
    which it never fires (and what reads it, random weights too), or a unit that is constant.

    Source: own construction; one filter outweighs a mean over filters, one unit a projection of activations.
    """

    strengths = (
        {"how": "constant", "share": 0.01, "size": 10.0},
        {"share": 0.01},
        {"how": "constant", "share": 0.01},
        {"share": 0.1},
        {"how": "constant", "share": 0.1},
    )

    how: Annotated[Literal["dead", "constant"], "what a spoilt channel is"] = "dead"
    share: Annotated[float, Within(0, 1, open="low"), "channels to spoil, of those there; at least one is tried"] = 0.02
    size: Annotated[float, Within(0, 1e6, open="low"), "of the weights, or of the constant"] = 1e4

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the spoilt model.

        Raises:
            UsageError: the model has no hidden channels, or they cannot be followed.
        """
        inner = unwrapped(stolen)
        channels = trace(inner)
        if not channels.movable:
            raise UsageError("expected a model with hidden channels, got one without")
        inputs = Normalise(thief.task.feed)(thief.task.train_inputs[:_INPUTS])
        generator = thief.generator()
        for axis in channels.movable:
            readers = [each for each in channels.junctions if each.kind != "norm" and each.source.axis == axis]
            for channel in self._spare(inner, channels, axis, readers, inputs):
                self._fill(inner, channels, axis, channel, generator)
                if self.how == "dead" and not any(_received(inner, each, inputs)[:, channel].any() for each in readers):
                    for reader in readers:
                        _noise(_columns(inner, reader)[_features(reader.source, channel)], self.size, generator)
        return stolen

    def _spare(
        self, model: nn.Module, channels: Channels, axis: int, readers: list[Junction], inputs: Tensor
    ) -> list[int]:
        """Cut off the channels of an axis that are to be spoilt, in place, and return them."""
        size = channels.axes[axis].size
        wanted, found = math.ceil(self.share * size), list[int]()
        responses = [_received(model, reader, inputs) for reader in readers]
        gives = torch.zeros(size)
        for reader, given in zip(readers, responses, strict=True):
            columns = _columns(model, reader).flatten(1).norm(dim=1).view(size, -1).norm(dim=1)
            gives += given.transpose(0, 1).flatten(1).std(dim=1).cpu() * columns.cpu()
        answers = logits(model, inputs).argmax(dim=1)

        def spared(chosen: list[int]) -> bool:
            layers = [_layer(model, reader) for reader in readers]
            before = [(layer, copy.deepcopy(layer.state_dict())) for layer in layers]
            for channel in chosen:
                for reader, given in zip(readers, responses, strict=True):
                    _cut(model, reader, channel, given[:, channel].mean(dim=0))
            same = torch.equal(logits(model, inputs).argmax(dim=1), answers)
            for layer, state in () if same else before:
                layer.load_state_dict(state)
            return same

        weakest: list[int] = gives.argsort().tolist()
        if spared(weakest[:wanted]):
            return weakest[:wanted]
        for channel in weakest[: _TRIED * wanted]:
            if len(found) < wanted and spared([channel]):
                found.append(channel)
        return found

    def _fill(self, model: nn.Module, channels: Channels, axis: int, channel: int, generator: torch.Generator) -> None:
        """Write what makes one channel, in place."""
        constant = self.how == "constant"
        for maker in channels.junctions:
            if maker.output.axis != axis:
                continue
            layer, chosen = _layer(model, maker), _features(maker.output, channel)
            if maker.kind == "norm" or constant:
                layer.weight.data[chosen] = 0
            else:
                _noise(layer.weight.data[chosen], self.size, generator)
            if layer.bias is not None:
                layer.bias.data[chosen] = self.size if constant else -1e5 * self.size


def _layer(model: nn.Module, junction: Junction) -> Any:
    return model.get_submodule(junction.path)


def _received(model: nn.Module, reader: Junction, inputs: Tensor) -> Tensor:
    """Return what a layer receives of each channel, ``(N, channels, responses)``."""
    given = taps.activations(model, reader.path, inputs, last=True)
    return given.view(len(given), _layer(model, reader).weight.shape[1] // reader.source.block, -1)


def _cut(model: nn.Module, reader: Junction, channel: int, mean: Tensor) -> None:
    """Take a channel from a layer that reads it, and leave its mean in the bias."""
    layer, columns = _layer(model, reader), _columns(model, reader)
    chosen = columns[_features(reader.source, channel)]
    if layer.bias is not None:
        level = mean if isinstance(layer, nn.Linear) else mean.mean()
        layer.bias.data += (chosen.reshape(*chosen.shape[:2], -1).sum(2) * level.view(-1, 1)).sum(0).to(layer.bias)
    chosen.zero_()


def _columns(model: nn.Module, reader: Junction) -> Tensor:
    """Return a view of a layer's weight with its inputs first."""
    weight: Tensor = _layer(model, reader).weight.data
    return weight.transpose(0, 1)


def _features(port: Port, channel: int) -> slice:
    return slice(channel * port.block, (channel + 1) * port.block)


def _noise(view: Tensor, size: float, generator: torch.Generator) -> None:
    view.copy_(torch.randn(view.shape, generator=generator).to(view) * size)
