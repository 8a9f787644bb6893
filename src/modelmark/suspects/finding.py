"""Which tensors of a file hold the filters of a place: by name, else by size and order."""

import contextlib
import math
from collections.abc import Sequence

from modelmark.errors import MismatchError
from modelmark.suspects.files import WeightFile, name_of
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.places import Layout, Place, guessed, in_order

Size = tuple[int, int]
"""Filters and M."""


def layout_of(file: WeightFile, name: str, place: Place) -> Layout | None:
    """Return how a tensor holds filters of a place's width, None if it holds none.

    Where the container says what its layers are, filters are rows, whatever the key's own network has.
    """
    shape = file.shapes[name]
    if name not in file.rows:
        return guessed(shape, place.width, place.layout)
    return Layout("weight", "linear" if len(shape) == 2 else "conv") if math.prod(shape[1:]) == place.width else None


def rows_of(weight: Array, layout: Layout) -> Array:
    """Return a tensor as filters, ``(filters, M)``."""
    filters, _ = layout.size(weight.shape)
    return weight.transpose(layout.order(weight.ndim)).reshape(filters, -1)


def size_of(layout: Layout, shape: Sequence[int]) -> Size:
    """Return the number of filters and M."""
    filters, kernel = layout.size(shape)
    return filters, math.prod(kernel)


def found_in(file: WeightFile, places: Sequence[Place], wanted: Sequence[Size]) -> tuple[list[str | None], int]:
    """Return the name of each place's tensor, None where there is none, and how many were found by size and order.

    Where exporters leave some names and take others, those that are there are taken, and of what is left the sizes say.

    Args:
        file: with the weights that it stores as factors.
        places: in the order of the graph.
        wanted: filters and M of each.
    """
    names: list[str | None] = []
    for place in places:
        name = None
        with contextlib.suppress(MismatchError):
            name = name_of(file, place.path)
        names.append(name)
    lost = [number for number, name in enumerate(names) if name is None]
    sizes = {name: size for name, size in _sizes(file, places).items() if name not in names}
    guesses = in_order(sizes, [wanted[number] for number in lost])
    for number, name in zip(lost, guesses, strict=True):
        names[number] = name
    return names, sum(name is not None for name in guesses)


def _sizes(file: WeightFile, places: Sequence[Place]) -> dict[str, Size]:
    """Return filters and M of each tensor that holds filters as wide as one of the places', in the order of the network."""
    found = {}
    for name in file.shapes if file.in_order else sorted(file.shapes, key=_counted):
        fits = (layout_of(file, name, place) for place in places)
        if layout := next((fit for fit in fits if fit), None):
            found[name] = size_of(layout, file.shapes[name])
    return found


def _counted(name: str) -> list[tuple[bool, int, str]]:
    """Return what sorts ``layer.2`` before ``layer.10``."""
    return [(part.isdigit(), int(part) if part.isdecimal() else 0, part) for part in name.split(".")]
