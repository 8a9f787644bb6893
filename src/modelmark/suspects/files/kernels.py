"""How Keras, Flax and MLX lay kernels out, and what brings their filters into rows as torch has them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape


@dataclass(frozen=True)
class Turn:
    """Axes in a new order, then a new shape.

    Args:
        order: of the axes.
        shape: of the result, filters first.
    """

    order: tuple[int, ...]
    shape: Shape

    def __call__(self, tensor: Array) -> Array:
        """Return the tensor turned."""
        return tensor.transpose(self.order).reshape(self.shape)


def turn(words: str, shape: Sequence[int], *, swapped: bool) -> Turn | None:
    """Return what turns a kernel, None where its first axis counts what it holds already, or it is no matrix.

    Args:
        words: names of the layer, its class and the variable, small letters.
        shape: as it is stored: what a kernel spans, then inputs, then outputs.
        swapped: whether transposed convolutions hold outputs before inputs.
    """
    axes = len(shape)
    if axes < 2 or "embedding" in words or "norm" in words or not math.prod(shape):
        return None
    *_, inputs, outputs = shape
    kernel, spatial = [*range(axes - 2)], tuple(shape[:-2])
    if "depthwise" in words and axes > 2:  # each input has filters of its own
        return Turn((axes - 2, axes - 1, *kernel), (inputs * outputs, 1, *spatial))
    if axes == 3 and any(part in words for part in ("query", "key", "value")):  # heads of their own axis
        return Turn((1, 2, 0), (inputs * outputs, shape[0]))
    if axes == 3 and any(part in words for part in ("attention_output", "output_dense", "/out/")):
        return Turn((2, 0, 1), (outputs, shape[0] * inputs))
    if "transpose" in words and swapped:
        return Turn((axes - 2, axes - 1, *kernel), (inputs, outputs, *spatial))
    return Turn((axes - 1, axes - 2, *kernel), (outputs, inputs, *spatial))


def of_mlx(shapes: Mapping[str, Shape]) -> dict[str, Turn]:
    """Return what turns the kernels of MLX, which hold filters, what they span, then inputs.

    Transposed convolutions are laid out so, too. Stacked matrices of experts have three axes as a kernel in one dimension has,
    whose layers are named convolutions.
    """
    found: dict[str, Turn] = {}
    for name, shape in shapes.items():
        axes = len(shape)
        if (axes in (4, 5) or (axes == 3 and "conv" in name.lower())) and 0 not in shape:
            order = (0, axes - 1, *range(1, axes - 1))
            found[name] = Turn(order, tuple(shape[axis] for axis in order))
    return found


def of_flax(shapes: Mapping[str, Shape]) -> dict[str, Turn]:
    """Return what turns the kernels in a container that does not say who wrote it.

    Arrays are Flax's where some are called kernels, and none weights.
    """
    last = {name: _parts(name)[-1] for name in shapes}
    if "weight" in last.values():
        return {}
    made = {name: turn(name.lower(), shapes[name], swapped=False) for name in shapes if last[name] == "kernel"}
    return {name: one for name, one in made.items() if one}


def called(names: Iterable[str], name: str) -> str:
    """Return the kernel of the layer that torch calls so, if one of Flax's names bears that path; else an empty word."""
    *layer, variable = _parts(name)
    ending = [*layer, "kernel"]
    found = [one for one in names if _parts(one)[-len(ending) :] == ending]
    return found[0] if variable == "weight" and len(found) == 1 else ""


def _parts(name: str) -> list[str]:
    return name.removesuffix(":0").replace("/", ".").split(".")
