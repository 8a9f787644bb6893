"""The scale of every channel, from weights alone and relative to a host.

A channel with scale ``s`` has its incoming weights divided and its outgoing weights multiplied by ``s``. The scale chosen
is the one at which both have changed by the same factor against the host's::

    s_c = sqrt( (incoming, suspect / host) / (outgoing, suspect / host) )

with Euclidean norms over the rows of the layers that produce the channel and the columns of those that read it, in the
scales of their other sides. The scales of neighbours depend on each other and are iterated. There is one solution, and a
suspect that was rescaled gets the same aligned weights as before: the scales found only absorb what was done. Batch norm
that produces a channel has the norm of the deviation and mean that it gives it; batch norm that reads one has no say, since
it takes any scale.
"""

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelmark.channels import Channels, Junction

_SWEEPS = 500
_SETTLED = 1e-7
"""Largest change of a log scale in a sweep at which the iteration ends."""
_FARTHEST = 60.0
"""Log scale at which a channel stops: where a whole layer is silent, nothing holds the scales of its neighbours."""
_DEAD = 1e-20
"""Squared norm in the host, relative to the layer's largest, below which a channel has no say."""


def fixed_scales(
    channels: Channels, host: nn.Module, suspect: nn.Module, *, near: Mapping[int, Tensor] | None = None
) -> dict[int, Tensor]:
    """Return for every gauge that may be scaled the suspect's positive scales in units of the host's, ``(K,)`` float64.

    Args:
        channels: of both.
        host: read only.
        suspect: with its channels in the host's order; read only.
        near: scales to start from, by gauge; their signs are ignored.
    """
    layers = [_Layer(junction, host, suspect) for junction in channels.junctions]
    producers: dict[int, list[_Layer]] = defaultdict(list)
    readers: dict[int, list[_Layer]] = defaultdict(list)
    for layer in layers:
        producers[layer.output].append(layer)
        if layer.kind != "norm":
            readers[layer.source].append(layer)
    logs = {
        index: torch.zeros(channels.axes[gauge.axis].size, dtype=torch.float64)
        for index, gauge in enumerate(channels.gauges)
    } | {index: scale.abs().log() for index, scale in (near or {}).items()}
    for sweep in range(_SWEEPS):
        moved = 0.0
        for index in channels.scalable[:: -1 if sweep % 2 else 1]:
            incoming = [layer.incoming(logs[layer.source]) for layer in producers[index]]
            outgoing = [layer.outgoing(logs[layer.output]) for layer in readers[index]]
            sides = [_mean(incoming), -_mean(outgoing)] if outgoing else [_mean(incoming)]
            new = _mean(sides).nan_to_num(0.0).clamp(-_FARTHEST, _FARTHEST)
            moved = max(moved, float((new - logs[index]).abs().max()))
            logs[index] = new
        if moved < _SETTLED:
            break
    return {index: logs[index].exp() for index in channels.scalable}


def _mean(votes: list[Tensor]) -> Tensor:
    """Return the mean of those that are numbers; NaN where none is."""
    return votes[0] if len(votes) == 1 else torch.stack(votes).nanmean(dim=0)


class _Layer:
    """Squared weights of one layer in both models, summed over kernels and blocks, ``(outputs, inputs)``."""

    def __init__(self, junction: Junction, host: nn.Module, suspect: nn.Module) -> None:
        self.kind = junction.kind
        self.source, self.output = junction.source.gauge, junction.output.gauge
        self._suspect, squares = _squares(junction, suspect), _squares(junction, host)
        self._rows, self._columns = _Norms(squares.sum(1)), _Norms(squares.sum(0))
        self._normed = self._rows.ratio(self._suspect.sum(1))

    def incoming(self, source: Tensor) -> Tensor:
        """Return log (suspect's norm / host's) of what produces each output, given log scales of the input."""
        if self.kind == "norm":
            return self._normed
        return self._rows.ratio(self._suspect @ (2 * source).exp())

    def outgoing(self, output: Tensor) -> Tensor:
        """Return log (suspect's norm / host's) of what reads each input, given log scales of the output."""
        return self._columns.ratio((-2 * output).exp() @ self._suspect)


class _Norms:
    """Squared norms of the host's rows or columns, in logs: a sweep compares with them, and there are hundreds."""

    def __init__(self, host: Tensor) -> None:
        self._logs = host.log().where(host > _DEAD * host.max(), torch.nan)

    def ratio(self, suspect: Tensor) -> Tensor:
        """Return log (suspect's norm / host's); NaN where either has no say."""
        return (suspect.where(suspect > 0, torch.nan).log() - self._logs) / 2


def _squares(junction: Junction, model: nn.Module) -> Tensor:
    weight = model.get_parameter(f"{junction.path}.weight").detach().double()
    module = model.get_submodule(junction.path)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        variance, shift = module.running_var.double(), module.bias.detach().double()  # type: ignore[union-attr]
        moments = torch.stack([weight.square() * variance / (variance + module.eps), shift.square()], dim=1)
        return moments.view(-1, junction.output.block, 2).sum(1)
    squares = weight.square().flatten(2).sum(2) if weight.dim() > 2 else weight.square()
    return squares.view(len(squares), -1, junction.source.block).sum(2)
