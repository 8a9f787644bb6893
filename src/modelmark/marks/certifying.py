"""A mark read under noise on a network's weights, and within which distance of that network it is proved to stay.

What is proved is of the reading under noise: of every network whose parameters lie within the distance, with the same buffers
(running statistics), the median of matches under such noise stays. It says nothing of what a network near by answers as it
is, and nothing of networks farther away: fine-tuning goes farther, and whoever permutes channels or trains anew is out of reach.

Source: Bansal et al. 2022, "Certified neural network watermarks with randomized smoothing"; the bound is in
``evidence.smoothing``.
"""

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import nn

from modelmark.errors import MismatchError, SuspectError, UsageError
from modelmark.evidence.evidence import BAR, Charge, charge_name
from modelmark.evidence.smoothing import Certificate
from modelmark.networks.layers import unwrapped
from modelmark.networks.noisy import noisy
from modelmark.suspects.module import WhiteBox

if TYPE_CHECKING:
    from modelmark.marks.marks import Mark


def certify(
    mark: "Mark",
    model: nn.Module,
    *,
    sigma: float | None = None,
    draws: int = 1000,
    confidence: float = 0.99,
    seed: int = 0,
    bar: float = BAR,
) -> Certificate:
    """Read a mark in a network under draws of noise on all parameters, and say how far the median is proved to stay.

    Args:
        mark: with an exact test, whose symbols count alike; of any scheme.
        model: the network; left as it is.
        sigma: deviation of the noise; left out: that of the key's scheme, which ``certified`` has.
        draws: of noise.
        confidence: of all that is said together; above a half.
        seed: of the noise.
        bar: net bits named beforehand.

    Raises:
        UsageError: a number out of range, no sigma, or a mark without an exact test whose symbols count alike.
        MismatchError: mark and network do not belong together.
    """
    scheme = mark.key.scheme
    sigma = getattr(scheme, "sigma", None) if sigma is None else sigma
    if sigma is None:
        raise UsageError(f"expected a sigma, got none and a key of {scheme.name}, which has none of its own")
    if not 0 < sigma < math.inf or not 1 <= draws <= 10**6 or not 0.5 < confidence < 1:
        raise UsageError(
            f"expected sigma above 0, 1 to 1000000 draws and a confidence between 0.5 and 1, "
            f"got {sigma:g}, {draws} and {confidence:g}"
        )
    if objection := scheme.objection():
        raise UsageError(f"expected a mark with an exact test, got one without: {objection}")
    generator = torch.Generator().manual_seed(seed)
    own = list(unwrapped(model).parameters())
    trials, alphabet = scheme.size(mark.key.feed)
    return Certificate(
        scheme.name,
        _matches(mark, model),
        [_under(mark, noisy(model, sigma, generator)) for _ in range(draws)],
        trials,
        Fraction(1, alphabet),
        (Charge(f"{mark.draw.kind} draw", float(mark.draw.charge)), *charge_name(mark.draw.recipient)),
        sigma,
        seed,
        confidence,
        sum(parameter.numel() for parameter in own),
        math.sqrt(sum(float(parameter.detach().double().square().sum()) for parameter in own)),
        bar,
        str(mark.key.statement["root"]),
        mark.key.self_check,
    )


def apart(one: nn.Module, other: nn.Module) -> float:
    """Return the l2 distance of the parameters of two networks, infinite where a certificate of one says nothing of the other.

    That is so where parameters have other names or shapes, or buffers such as running statistics differ.
    """
    ours, theirs = dict(unwrapped(one).named_parameters()), dict(unwrapped(other).named_parameters())
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        return math.inf
    kept, others = dict(unwrapped(one).named_buffers()), dict(unwrapped(other).named_buffers())
    if kept.keys() != others.keys() or not all(torch.equal(value, others[name]) for name, value in kept.items()):
        return math.inf
    squares = (
        (value.detach().double() - theirs[name].detach().double()).square().sum() for name, value in ours.items()
    )
    return math.sqrt(sum(map(float, squares)))


def _matches(mark: "Mark", model: nn.Module) -> int:
    table = mark.read(WhiteBox(model)).scores[0]
    if not table.is_counting:
        raise MismatchError("expected a mark whose symbols count alike, got graded ones")
    return table.total(mark.message)


def _under(mark: "Mark", shaken: nn.Module) -> int:
    """Return the matches of a network that noise may have broken; one without finite answers has none."""
    try:
        return _matches(mark, shaken)
    except SuspectError:
        return 0
