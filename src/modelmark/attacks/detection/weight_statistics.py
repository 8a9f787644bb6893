"""Whether a layer's mean filter is larger than the mean of its filters should be: the trace of marks in averaged weights."""

import math
from statistics import median
from typing import Annotated, Literal, NamedTuple

from torch import Tensor, nn

from modelmark.attacks.base import Detection, Thief
from modelmark.attacks.fields import Positive, Within
from modelmark.attacks.results import Finding
from modelmark.errors import UsageError
from modelmark.networks import layers


class Statistics(NamedTuple):
    """Numbers of one layer's weights.

    Args:
        excess: energy of the mean filter, times the number of filters, as a share of all energy: 1 for independent filters.
        flatness: excess kurtosis of the mean filter's weights: 0 for normal ones, below for flat or two-peaked ones.
        spread: standard deviation of all weights, times the root of a filter's size: comparable between layers.
        kurtosis: excess kurtosis of all weights.
        energy: squared norm of the mean filter.
        width: M, weights of the mean filter.
    """

    excess: float
    flatness: float
    spread: float
    kurtosis: float
    energy: float
    width: int


class WeightStatistics(Detection):
    """Compare each layer's mean filter with those of the other layers; neither data nor key is needed.

    The score is the largest natural logarithm of a layer's ``excess``, less the median over the other layers. Where ``by`` is
    ``spread`` it is that of the weights' standard deviation instead, which is what the source looks at.

    The length of the message is what would give the mean filter its norm if every projection had come to ``reach``: the
    shortest w with ``X w = +-reach`` has ``|w|^2 = T reach^2 / (M - T)``. It counts what training alone does to the norm, too. A
    reach is 2 after our recipe on digits, 8.4 after the 200 epochs of Uchida et al. (a re-run of their release).

    Source: Wang and Kerschbaum 2019, ICASSP; "Attacks on digital watermarks for deep neural networks": the spread of the
    weights grows with the message, which gives away mark and length. The mean filter's share is our own statistic.
    """

    by: Annotated[Literal["mean-filter", "spread"], "what is compared"] = "mean-filter"
    threshold: Annotated[float, Within(-math.inf), "scores above it are taken for marks"] = 1.0
    reach: Annotated[Positive, "size of a projection after embedding, assumed for the length"] = 2.0

    def detect(self, suspect: nn.Module, thief: Thief) -> Finding:
        """Return what the weights say; ``where`` is the layer's path.

        Raises:
            UsageError: fewer than two layers beside the head.
        """
        found = statistics(suspect)
        if len(found) < 2:
            raise UsageError(f"expected at least two layers to compare before the head, got {len(found)}")
        sizes = {path: self._size(each) for path, each in found.items()}
        scores = {
            path: size - median(other for name, other in sizes.items() if name != path) for path, size in sizes.items()
        }
        where = max(scores, key=lambda path: scores[path])
        marked, numbers = scores[where] > self.threshold, found[where]
        length = round(numbers.width * numbers.energy / (self.reach**2 + numbers.energy))
        return Finding(scores[where], marked, where, length if marked else 0)

    def _size(self, each: Statistics) -> float:
        return math.log(max(each.excess if self.by == "mean-filter" else each.spread, 1e-12))


def statistics(model: nn.Module) -> dict[str, Statistics]:
    """Return the numbers of every linear and convolution layer before the head, by path."""
    found = {}
    for layer in layers.markable(model)[:-1]:
        weight = layers.weight(model, layer.path).detach().double().flatten(1)
        mean = weight.mean(dim=0)
        energy, total = float(mean.square().sum()), float(weight.square().sum())
        found[layer.path] = Statistics(
            excess=layer.filters**2 * energy / max(total, 1e-30),
            flatness=_kurtosis(mean),
            spread=float(weight.std()) * math.sqrt(layer.width),
            kurtosis=_kurtosis(weight.flatten()),
            energy=energy,
            width=layer.width,
        )
    return found


def _kurtosis(values: Tensor) -> float:
    centred = values - values.mean()
    return float(centred.pow(4).mean() / centred.square().mean().square().clamp_min(1e-60)) - 3
