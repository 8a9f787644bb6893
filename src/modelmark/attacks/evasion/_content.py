"""Randomness that depends on the seed and on what is asked alone: an API that answers the same query twice, the same way.

An API that drew anew for every query would be found out by asking twice, and its noise could be averaged away. Streams are
SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) on the integers of a
tensor, which wrap around at 64 bits; order of the batch and its size do not matter.
"""

import torch
from torch import Tensor

from modelmark.attacks._tools.pictures import shown
from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE, PictureFeed

_STEP = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def fingerprints(pictures: Tensor, seed: int) -> Tensor:
    """Return one int64 per input, ``(N,)``, from its values in 255ths of full scale and ``seed``.

    Args:
        pictures: inputs with the preprocessing undone, ``(N, *input_shape)``, of any range.
        seed: of the thief; its lowest 31 bits count.
    """
    return _prints((pictures.flatten(1) * FULL_SCALE).round().long(), seed)


def _prints(values: Tensor, seed: int) -> Tensor:
    places = torch.arange(values.shape[1], device=values.device) + (seed % 2**31 << 32)
    return _scrambled(_scrambled(values + _scrambled(places * _STEP)).sum(dim=1))


def of_queries(inputs: Tensor, feed: Feed, seed: int) -> Tensor:
    """Return the fingerprints of queries as ``forward`` takes them; of what is no picture, by every bit of its numbers."""
    if isinstance(feed, PictureFeed):
        return fingerprints(shown(inputs, feed), seed)
    return _prints(inputs.flatten(1).double().view(torch.int64), seed)


def uniform(prints: Tensor, count: int) -> Tensor:
    """Return float64 ``(N, count)`` inside (0, 1), one row for each fingerprint."""
    counters = torch.arange(1, count + 1, device=prints.device) * _STEP
    return (_logical(_scrambled(prints[:, None] + counters), 12).double() + 0.5) / 2**52


def normal(prints: Tensor, count: int) -> Tensor:
    """Return float32 ``(N, count)`` of mean 0 and deviation 1, one row for each fingerprint."""
    return torch.special.ndtri(uniform(prints, count)).float()


def labels(prints: Tensor, classes: int) -> Tensor:
    """Return one label ``0 .. classes - 1`` for each fingerprint, int64 ``(N,)``."""
    return (uniform(prints, 1)[:, 0] * classes).long()


def other_labels(prints: Tensor, given: Tensor, classes: int) -> Tensor:
    """Return one label for each fingerprint that is not the one ``given``, int64 ``(N,)``."""
    drawn = labels(prints, classes - 1)
    return drawn + (drawn >= given)


def _logical(x: Tensor, bits: int) -> Tensor:
    """Return ``x`` shifted right with zeros coming in, unlike ``>>`` on signed integers."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _scrambled(x: Tensor) -> Tensor:
    x = (x ^ _logical(x, 30)) * _FIRST
    x = (x ^ _logical(x, 27)) * _SECOND
    return x ^ _logical(x, 31)
