"""MLX: integers of 2 to 8 bits along the inputs in words of 32, a scale and an offset a group; or four- and eight-bit floats.

Run with mlx 0.32.4, whose words keep the name ``weight``. How many bits a number has is in ``config.json``, as mlx-lm and
auto-round write it; where nothing is said, one number of bits alone must go with groups of a size that MLX has.
"""

import math
from functools import partial

import ml_dtypes
import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, scaled, unpacked
from modelmark.suspects.files.quantisers.mxfp4 import exponents, fours

_BITS, _GROUPS = (2, 3, 4, 5, 6, 8), (32, 64, 128)
# floats by the bits of a group: what they are called, bits of a number, numbers of a group
_FLOATS = {64: ("NVFP4", 4, 16), 128: ("MXFP4", 4, 32), 256: ("MXFP8", 8, 32)}


ENDINGS = (".scales",)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the weight that is packed so, None where other parts have scales of that name.

    Raises:
        MalformedError: parts do not go together, or nothing says how many bits a number has.
    """
    weight, offsets = f"{path}.weight", f"{path}.biases"
    if weight not in parts or parts.kind(weight) != "uint32":
        return None
    packed, scales = parts.shape(weight), parts.shape(name)
    if not 2 <= len(packed) <= 3 or packed[:-1] != scales[:-1] or not all((*packed, *scales)):
        raise parts.refused(name, f"groups of the rows of {packed}", str(scales))
    words, groups = packed[-1], scales[-1]
    if offsets not in parts:
        kind, bits, size = _FLOATS.get(words * 32 // groups, ("", 0, 0))
        if not kind or words * 32 != groups * bits * size:
            raise parts.refused(name, "groups of NVFP4, MXFP4 or MXFP8", str(scales))
        parts.require(name, scales, kinds=("uint8",))
        shape = (*packed[:-1], groups * size)
        return Layer(weight, shape, (weight, name), partial(_floats, kind, shape), f"{kind} of MLX")
    parts.require(name, scales, kinds=("float16", "bfloat16", "float32"))
    parts.require(offsets, scales, kinds=("float16", "bfloat16", "float32"))
    bits = _bits(parts, config, path, words, groups)
    shape = (*packed[:-1], words * 32 // bits)
    return Layer(weight, shape, (weight, name, offsets), partial(_integers, bits, shape), f"{bits} bits of MLX")


def _bits(parts: Parts, config: Config, path: str, words: int, groups: int) -> int:
    """Return the bits of a number: of the layer by its name, else of all; else the only ones that fit."""
    own = config.get(path)
    said = (own if isinstance(own, dict) else config).get("bits")
    fits = [
        bits for bits in _BITS if bits == (said or bits) and words * 32 in [bits * groups * size for size in _GROUPS]
    ]
    if len(fits) != 1:
        got = f"{words} words in {groups} groups, {said} bits" if said is not None else "several that fit"
        raise parts.refused(f"{path}.weight", "bits of a number that config.json says and its groups share", got)
    return fits[0]


def _integers(bits: int, shape: Shape, packed: Array, scales: Array, offsets: Array) -> Array:
    made = unpacked(packed.reshape(-1, packed.shape[-1]).T, bits, shape[-1]).T
    scale, offset = (part.reshape(len(made), -1).astype(np.float32) for part in (scales, offsets))
    size = shape[-1] // scale.shape[1]
    for number in range(scale.shape[1]):
        part = made[:, number * size : (number + 1) * size]
        part *= scale[:, [number]]
        part += offset[:, [number]]
    return made.reshape(shape)


def _floats(kind: str, shape: Shape, packed: Array, scales: Array) -> Array:
    octets = np.ascontiguousarray(packed).view(np.uint8).reshape(math.prod(shape[:-1]), -1)
    raw = np.ascontiguousarray(scales).reshape(len(octets), -1)
    of_groups = raw.view(ml_dtypes.float8_e4m3fn) if kind == "NVFP4" else exponents(raw)
    numbers = octets.view(ml_dtypes.float8_e4m3fn) if kind == "MXFP8" else fours(octets)
    return scaled(numbers, of_groups).reshape(shape)
