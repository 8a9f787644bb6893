"""compressed-tensors: ``weight_packed`` with integers of 1 to 8 bits, or with pairs of four-bit floats (NVFP4, MXFP4).

Run with compressed-tensors 0.20.1. What it stores unpacked, ``weight`` beside ``weight_scale``, is read by ``scales``.
"""

from functools import partial

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, block, is_shape, scaled, unpacked
from modelmark.suspects.files.quantisers.mxfp4 import exponents, fours

_FLOATS = ("float16", "bfloat16", "float32")


ENDINGS = ("_packed",)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the weight that is packed so, None where a name only ends so.

    Raises:
        MalformedError: parts do not go together.
    """
    if f"{path}_scale" not in parts or parts.kind(name) not in ("uint8", "int32"):
        return None
    return _of_floats(parts, path, name) if parts.kind(name) == "uint8" else _of_integers(parts, config, path, name)


def _of_integers(parts: Parts, config: Config, path: str, name: str) -> Layer:
    beside = f"{path}_shape"
    shape = tuple(int(size) for size in parts.little(beside).reshape(-1).tolist())
    packed = parts.shape(name)
    if not is_shape(shape) or len(shape) != 2 or len(packed) != 2 or packed[0] != shape[0]:
        raise parts.refused(beside, f"two sizes that go with {packed}", str(shape))
    rows, columns = shape
    fitting = [bits for bits in range(1, 9) if -(-columns * bits // 32) == packed[1]]
    said = _said(config)
    if not fitting or (len(fitting) > 1 and said not in fitting):
        raise parts.refused(name, f"whole words for {columns} columns", f"{packed[1]} of them")
    bits = said if said in fitting else fitting[0]
    scale, zero, groups = f"{path}_scale", f"{path}_zero_point", f"{path}_g_idx"
    scales = parts.shape(scale)
    if len(scales) != 2 or not block(rows, scales[0]) or not block(columns, scales[1]):
        raise parts.refused(scale, f"shares of {shape}", str(scales))
    parts.require(scale, scales, kinds=_FLOATS)
    needed: tuple[str, ...] = (name, scale)
    if zero in parts:
        parts.require(zero, scales, (-(-scales[0] * bits // 32), scales[1]))
        needed += (zero,)
    has_groups = groups in parts
    if has_groups:
        parts.require(groups, (columns,), kinds=("int32", "int64"))
        needed += (groups,)
    made = partial(_integers, bits, columns, zero in parts, has_groups)
    return Layer(path, shape, needed, made, f"{bits} bits of compressed-tensors", (beside,))


def _said(config: Config) -> int:
    """Return the bits that the first group of a configuration says, 0 if none does."""
    groups = config.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict) and type(weights.get("num_bits")) is int:
            return weights["num_bits"]
    return 0


def _integers(
    bits: int, columns: int, has_zero: bool, has_groups: bool, packed: Array, scale: Array, *more: Array
) -> Array:
    half = 1 << (bits - 1)
    made = np.ascontiguousarray(unpacked(packed.T, bits, columns).T)
    made -= half
    zero = more[0] if has_zero else None
    if zero is not None and zero.dtype == np.int32 and zero.shape != scale.shape:
        zero = unpacked(zero, bits, scale.shape[0]) - half
    groups = more[-1] if has_groups else np.zeros(0, np.int32)
    if (groups < 0).any() or not len(groups):  # minus one everywhere: groups are in order
        return scaled(made, scale, zero)
    groups = np.clip(groups, 0, scale.shape[1] - 1)
    for number in range(scale.shape[1]):
        theirs = groups == number
        part = made[:, theirs]
        made[:, theirs] = scaled(part, scale[:, [number]], None if zero is None else zero[:, [number]])
    return made


def _of_floats(parts: Parts, path: str, name: str) -> Layer:
    packed = parts.shape(name)
    scale, whole = f"{path}_scale", f"{path}_global_scale"
    if len(packed) != 2:
        raise parts.refused(name, "two axes", str(packed))
    shape = packed[0], 2 * packed[1]
    scales = parts.shape(scale)
    if len(scales) != 2 or scales[0] != shape[0] or not scales[1] or shape[1] % scales[1]:
        raise parts.refused(scale, f"shares of {shape}", str(scales))
    if whole in parts:
        parts.require(whole, (), (1,))
        parts.require(scale, scales, kinds=("float8_e4m3fn",))
        return Layer(path, shape, (name, scale, whole), _floats, "NVFP4 of compressed-tensors")
    parts.require(scale, scales, kinds=("uint8", "float8_e8m0fnu"))
    return Layer(path, shape, (name, scale), _floats, "MXFP4 of compressed-tensors")


def _floats(packed: Array, scale: Array, whole: Array | None = None) -> Array:
    if whole is None:
        return scaled(fours(packed), exponents(scale))
    return scaled(fours(packed), scale.astype(np.float32) / whole.astype(np.float32).reshape(1, 1))
