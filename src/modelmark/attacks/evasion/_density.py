"""How far a vector lies from where the thief's own lie: probabilistic principal components.

Source: Tipping and Bishop, "Probabilistic principal component analysis", Journal of the Royal Statistical Society B 61,
1999: a Gaussian whose variance is one number in all directions but the leading ones.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_SAMPLES = 4000
_VALUES = 2**26
"""Of the matrix whose singular vectors are taken: 256 MiB."""
_FLOOR = 1e-6


@dataclass(frozen=True)
class Gaussian:
    """A fitted density.

    Args:
        mean: ``(D,)``.
        axes: leading directions, orthonormal, ``(D, k)``.
        deviations: along them, ``(k,)``.
        rest: deviation in every other direction.
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor
    rest: Tensor

    def whitened(self, vectors: Tensor) -> Tensor:
        """Return vectors ``(N, D)`` moved and scaled such that the density is spherical, ``(N, k + D)``."""
        centred = vectors.to(self.mean) - self.mean
        along = centred @ self.axes
        return torch.cat([along / self.deviations, (centred - along @ self.axes.T) / self.rest], dim=1)

    def distance(self, vectors: Tensor) -> Tensor:
        """Return the Mahalanobis distance of each of the vectors ``(N, D)`` from the mean, ``(N,)``."""
        return self.whitened(vectors).norm(dim=1)


def fitted(vectors: Tensor, share: float, *, seed: int, centres: Tensor | None = None) -> Gaussian:
    """Return the density of the rows of ``vectors`` ``(N, D)``, on their device.

    Args:
        vectors: float32; at most 4,000 of them are used, fewer where they are long.
        share: of the variance that the leading directions hold.
        seed: of which vectors are used.
        centres: what to take off each vector first, ``(N, D)``, such as the mean of its class.
    """
    count = min(len(vectors), _SAMPLES, max(2, _VALUES // vectors.shape[1]))
    picked = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))[:count].to(vectors.device)
    used = vectors[picked] if centres is None else vectors[picked] - centres[picked]
    mean = used.mean(dim=0)
    variances, axes = _principal(used - mean)
    held = variances.cumsum(dim=0) / variances.sum().clamp(min=_FLOOR)
    kept = int((held < share).sum()) + 1
    others = max(vectors.shape[1] - kept, 1)
    rest = (variances[kept:].sum() / others).clamp(min=_FLOOR).sqrt()
    return Gaussian(mean, axes[:, :kept], variances[:kept].clamp(min=_FLOOR).sqrt(), rest)


def _principal(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Return variances, largest first, and directions ``(D, min(N, D))`` of rows that sum to zero, from the smaller product."""
    count, width = centred.shape
    if width <= count:
        values, vectors = torch.linalg.eigh(centred.T @ centred / count)
        return values.flip(0).clamp(min=0), vectors.flip(1)
    values, vectors = torch.linalg.eigh(centred @ centred.T / count)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    return values, (centred.T @ vectors) / (values * count).clamp(min=_FLOOR).sqrt()
