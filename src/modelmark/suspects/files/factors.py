"""Weights that a file stores as factors: the product is the weight that the network computes with in evaluation mode."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from modelmark.suspects.files.base import WeightFile
from modelmark.suspects.files.dtypes import Array, is_floating

Shape: TypeAlias = tuple[int, ...]


def weight_norm(g: Array, v: Array) -> Array:
    """Return ``w = g v / ||v||``, the norm over the axes that ``g`` has not (Salimans and Kingma 2016, equation 2)."""
    wide = v.astype(np.float64)
    axes = tuple(axis for axis in range(v.ndim) if g.ndim < v.ndim or g.shape[axis] == 1)
    norm = np.sqrt(np.square(wide).sum(axis=axes, keepdims=g.ndim == v.ndim)) if axes else np.abs(wide)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _as(v, wide * (g / norm))


def spectral_norm(weight: Array, u: Array, v: Array) -> Array:
    """Return ``w = weight / sigma``, ``sigma = u' W v`` of the matrix W (Miyato et al. 2018, equations 6 to 8).

    The rows of W are outputs, the first axis but in transposed convolutions, where they are the second. Where the lengths
    leave both open it is the axis along which ``u`` and ``v`` belong together, that is the larger sigma.
    """
    wide, sigmas = weight.astype(np.float64), []
    for axis in range(min(2, weight.ndim)):
        matrix = np.moveaxis(wide, axis, 0)
        matrix = matrix.reshape(len(matrix), -1)
        if matrix.shape == (len(u), len(v)):
            sigmas.append(u.astype(np.float64) @ matrix @ v.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _as(weight, wide / max(sigmas))


def pruned(weight: Array, mask: Array) -> Array:
    """Return the weights that the mask of ``torch.nn.utils.prune`` leaves."""
    return _as(weight, weight.astype(np.float64) * mask.astype(np.float64))


def _as(like: Array, numbers: Array) -> Array:
    """Return numbers in the type of a factor."""
    return numbers.astype(like.dtype if is_floating(like.dtype) else np.float32)


def _norm_fits(g: Shape, v: Shape) -> bool:
    return not g or (len(g) == len(v) and all(size in (1, full) for size, full in zip(g, v, strict=True)))


def _spectral_fits(weight: Shape, u: Shape, v: Shape) -> bool:
    count = _count(weight)
    return len(weight) > 1 and len(u) == len(v) == 1 and u[0] in weight[:2] and u[0] * v[0] == count


def _count(shape: Iterable[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


@dataclass(frozen=True)
class Rule:
    """How one library writes a computed weight.

    Args:
        name: of what computes it.
        first: pattern of the first factor's name; its group ``path`` is the module's, ``name`` the weight's.
        parts: names of all factors, the first among them.
        fits: whether factors of these shapes are ones.
        product: of the factors.
    """

    name: str
    first: re.Pattern[str]
    parts: tuple[str, ...]
    fits: Callable[..., bool]
    product: Callable[..., Array]


_ENDINGS = ("original0", "original", "_g", "_orig")  # of first factors
_PARAMETRISATION = "parametrizations."
_PARAMETRISED = r"(?P<path>(?:.*\.)?)parametrizations\.(?P<name>[^.]+)\."
_PLAIN = r"(?P<path>(?:.*\.)?)(?P<name>[^.]+)"
RULES = (
    Rule("weight_norm", re.compile(_PARAMETRISED + "original0"),
         ("parametrizations.{}.original0", "parametrizations.{}.original1"), _norm_fits, weight_norm),
    Rule("weight_norm", re.compile(_PLAIN + "_g"), ("{}_g", "{}_v"), _norm_fits, weight_norm),
    Rule("spectral_norm", re.compile(_PARAMETRISED + "original"),
         ("parametrizations.{}.original", "parametrizations.{}.0._u", "parametrizations.{}.0._v"), _spectral_fits, spectral_norm),
    Rule("spectral_norm", re.compile(_PLAIN + "_orig"), ("{}_orig", "{}_u", "{}_v"), _spectral_fits, spectral_norm),
    Rule("prune", re.compile(_PLAIN + "_orig"), ("{}_orig", "{}_mask"), lambda weight, mask: weight == mask, pruned),
)  # fmt: skip


@dataclass(frozen=True)
class Computed:
    """A tensor that is made of others of its file.

    Args:
        rule: name of what stores it so.
        parts: names of those others.
        shape: of what is made.
        product: makes it.
    """

    rule: str
    parts: tuple[str, ...]
    shape: Shape
    product: Callable[..., Array]


def multiplied(file: WeightFile) -> tuple[WeightFile, dict[str, Computed]]:
    """Return the file with the weights that it stores as factors alone, and how each is made.

    Names that the writer left out because they share another's tensor are there, too. A parametrisation that does more than
    one of the rules says is none of theirs and stays as it is.
    """
    made = {
        name: Computed("one tensor under two names", (kept,), file.shapes[kept], lambda tensor: tensor)
        for name, kept in file.aliases.items()
    }
    made |= _computed(file.shapes)

    def read(name: str) -> Array:
        found = made.get(name)
        return found.product(*map(file.tensor, found.parts)) if found else file.read(name)

    shapes = {**{name: found.shape for name, found in made.items()}, **file.shapes}
    return replace(file, shapes=shapes, read=read), made


def _computed(shapes: Mapping[str, Shape]) -> dict[str, Computed]:
    found: dict[str, Computed] = {}
    candidates = [name for name in shapes if name.endswith(_ENDINGS)]
    crowd = Counter(
        match[0] for name in shapes if _PARAMETRISATION in name and (match := re.match(_PARAMETRISED, name))
    )
    for name in candidates:
        for rule in RULES:
            match = rule.first.fullmatch(name)
            if match is None:
                continue
            whole = match["path"] + match["name"]
            parts = tuple(match["path"] + part.format(match["name"]) for part in rule.parts)
            if whole in shapes or whole in found or not all(part in shapes for part in parts):
                continue
            group = re.match(_PARAMETRISED, name)
            if (group is None or crowd[group[0]] == len(parts)) and rule.fits(*(shapes[part] for part in parts)):
                shape = shapes[parts[1] if rule.product is weight_norm else parts[0]]
                found[whole] = Computed(rule.name, parts, shape, rule.product)
    return found
