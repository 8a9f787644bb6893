"""How alike the channels of two networks respond to the same public pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark import hashing
from modelmark.align.matching import Likeness
from modelmark.channels import Channels, Port
from modelmark.errors import MismatchError
from modelmark.feeds.base import Feed
from modelmark.feeds.tensors import Normalise
from modelmark.key.secret import Secret
from modelmark.networks.calling import call
from modelmark.networks.taps import evaluating
from modelmark.rendering.triggers import render

_PICTURES = 256
_BATCH = 32
_POSITIONS = 64
"""Places of a map that take part, at most."""
_SILENT = 1e-10
"""Variance relative to the mean square below which a channel says nothing."""


@dataclass(frozen=True)
class _Place:
    """Where responses are taken: before or after a layer."""

    path: str
    before: bool
    port: Port


def responses(channels: Channels, host: nn.Module, suspect: nn.Module, feed: Feed) -> Likeness:
    """Return the correlations between the channels of a host and of a suspect with the same graph.

    The pictures are rendered from a constant: nobody chooses them. Responses are taken after every layer and before
    activations, where few channels are silent, and where several layers' outputs are added, after the sum too.

    Args:
        channels: of the host.
        host: read only.
        suspect: read only; perhaps wider.
        feed: how both are fed.

    Raises:
        MismatchError: maps of other sizes.
    """
    places = _places(channels)
    moments = {place: _Moments() for place in places}
    with _recording(host, places) as ours, _recording(suspect, places) as theirs:
        for batch in _batches(feed):
            call(host, batch)
            call(suspect, batch)
            for place in places:
                moments[place].add(ours[place], theirs[place])
    return [(place.port, moments[place].correlation()) for place in places]


@dataclass(frozen=True)
class Received:
    """What a layer with weights receives.

    Args:
        path: of the layer.
        port: its input.
        low: the lowest response of each channel, float64 ``(channels,)``.
        above: the share of responses above it, likewise.
    """

    path: str
    port: Port
    low: Tensor
    above: Tensor


def received(channels: Channels, model: nn.Module, feed: Feed) -> list[Received]:
    """Return what the layers that read channels which may be reordered receive.

    Args:
        channels: of the model.
        model: read only.
        feed: how it is fed; the pictures are those that ``responses`` shows.
    """
    places = [_Place(each.path, True, each.source) for each in channels.junctions if each.kind != "norm"]
    places = [place for place in places if not channels.axes[place.port.axis].fixed]
    lows: dict[_Place, Tensor] = {}
    counts: dict[_Place, Tensor] = {}
    total: dict[_Place, int] = {}
    with _recording(model, places) as given:
        for batch in _batches(feed):
            call(model, batch)
            for place in places:
                low = given[place].min(dim=1).values
                lowest = torch.minimum(lows.get(place, low), low)
                kept = counts.get(place, torch.zeros_like(low)) * (lows.get(place, low) == lowest)
                counts[place] = kept + (given[place] == lowest[:, None]).sum(dim=1)
                lows[place], total[place] = lowest, total.get(place, 0) + given[place].shape[1]
    return [Received(at.path, at.port, lows[at], 1 - counts[at] / total[at]) for at in places]


def _batches(feed: Feed) -> Iterator[Tensor]:
    inputs = Normalise(feed)(torch.from_numpy(_pictures(tuple(feed.input_shape))))
    return (inputs[start : start + _BATCH] for start in range(0, _PICTURES, _BATCH))


@lru_cache(maxsize=1)
def _pictures(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return what is shown, the same every time: a suspect is compared with its host twice or more, and many with one host."""
    return render(Secret(hashing.digest("align")), _PICTURES, shape)


def _places(channels: Channels) -> list[_Place]:
    outputs = [junction.output for junction in channels.junctions]
    places = [_Place(junction.path, False, junction.output) for junction in channels.junctions]
    for junction in channels.junctions:
        producers = sum(output.gauge == junction.source.gauge for output in outputs)
        if junction.kind == "norm" and producers != 1:
            places.append(_Place(junction.path, True, junction.source))
    return [place for place in places if not channels.axes[place.port.axis].fixed]


@contextmanager
def _recording(model: nn.Module, places: list[_Place]) -> Iterator[dict[_Place, Tensor]]:
    """Keep what passes each place in the dictionary given, as float64 ``(channels, samples)``."""
    record: dict[_Place, Tensor] = {}

    def listen(place: _Place) -> torch.utils.hooks.RemovableHandle:
        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            record[place] = _by_channel(inputs[0], place.port.block)

        def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            record[place] = _by_channel(output, place.port.block)

        module = model.get_submodule(place.path)
        return module.register_forward_pre_hook(before) if place.before else module.register_forward_hook(after)

    handles = [listen(place) for place in places]
    try:
        with evaluating(model):
            yield record
    finally:
        for handle in handles:
            handle.remove()


def _by_channel(responses: Tensor, block: int) -> Tensor:
    count, features = responses.shape[:2]
    maps = responses.reshape(count, features // block, -1)
    step = -(-maps.shape[2] // _POSITIONS)
    return maps[:, :, ::step].transpose(0, 1).flatten(1).double()


class _Moments:
    """Running sums from which the correlation of every pair of channels follows."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: list[Tensor] = []

    def add(self, x: Tensor, y: Tensor) -> None:
        if x.shape[1] != y.shape[1]:
            raise MismatchError(f"expected maps of the host's size, got {y.shape[1]} responses for {x.shape[1]}")
        self._count += x.shape[1]
        new = [x.sum(1), y.sum(1), x.square().sum(1), y.square().sum(1), x @ y.T]
        self._sums = [a + b for a, b in zip(self._sums, new, strict=True)] if self._sums else new

    def correlation(self) -> Tensor:
        """Return the correlations ``(host's, suspect's)``; 0 for channels that do not vary."""
        mean_x, mean_y, square_x, square_y, product = (total / self._count for total in self._sums)
        inverse = []
        for mean, square in ((mean_x, square_x), (mean_y, square_y)):
            variance = square - mean.square()
            inverse.append(torch.where(variance > _SILENT * square, variance.rsqrt(), 0.0))
        correlation = (product - torch.outer(mean_x, mean_y)) * torch.outer(*inverse)
        return correlation.nan_to_num(0.0, 0.0, 0.0)
