"""bitsandbytes: 4 bits by a table and a scale a block (NF4, FP4), scales packed once more or not; 8 bits and a scale a row.

Run with bitsandbytes 0.50.2. The tables are the tool's own; one that stands in the file is not what the tool computes with.
"""

import json
import math
from functools import partial
from typing import Any

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, is_shape

_STATE = ".quant_state.bitsandbytes__"
# what each four bits stand for
TABLES = {
    "nf4": (-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
            -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
            0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    "fp4": (0.0, 0.005208333333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25,
            -0.0, -0.005208333333, -0.66666667, -1.0, -0.33333333, -0.5, -0.16666667, -0.25),
}  # fmt: skip
_A_STEP = np.float32(0.007874015718698502)  # 1 / 127 as the tool has it


ENDINGS = (".SCB", *(_STATE + kind for kind in TABLES))


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer:
    """Return the weight of 8 bits that a scale belongs to, or the one of 4 bits that a state describes.

    Raises:
        MalformedError: parts do not go together, or a state says what cannot be.
    """
    if not name.endswith(".SCB"):
        return _of_four(parts, path, name)
    weight, beside = f"{path}.weight", f"{path}.weight_format"
    rows, shape = math.prod(parts.shape(name)), parts.shape(weight)
    if parts.kind(weight) != "int8" or len(shape) != 2 or shape[0] != rows:
        raise parts.refused(weight, f"integers of 8 bits in {rows} rows", f"{parts.kind(weight)}, {shape}")
    parts.require(name, parts.shape(name), kinds=("float32", "float16", "bfloat16"))
    if beside in parts and parts.little(beside).any():
        raise parts.refused(beside, "rows as they are", "another order of bytes")
    return Layer(weight, shape, (weight, name), _rows, "8 bits of bitsandbytes", (beside,))


def _of_four(parts: Parts, path: str, name: str) -> Layer:
    state = _state(parts, name)
    shape, kind = tuple(state["shape"]), name.rpartition("__")[2]
    count, size = math.prod(shape), state["blocksize"]
    raw = parts.shape(path)
    octets = math.prod(raw) * {"uint8": 1, "bfloat16": 2, "float16": 2, "float32": 4}.get(parts.kind(path), 0)
    if octets != -(-count // 2):
        raise parts.refused(path, f"{-(-count // 2)} bytes for shape {shape}", f"{octets} of shape {raw}")
    blocks = -(-count // size)
    nested = "nested_blocksize" in state
    parts.require(f"{path}.absmax", (blocks,), kinds=("uint8",) if nested else ("float32", "float16", "bfloat16"))
    needed = [f"{path}.absmax"]
    if nested:
        needed += [f"{path}.nested_absmax", f"{path}.nested_quant_map"]
        parts.require(needed[1], (-(-blocks // state["nested_blocksize"]),))
        parts.require(needed[2], (256,))
    made = partial(_blocks, np.array(TABLES[kind], np.float32), shape, size, state)
    words = f"4 bits of bitsandbytes ({kind}{', scales of 8 bits' if nested else ''})"
    is_linear = len(shape) == 2 and path.endswith(".weight")
    return Layer(path, shape, (path, *needed), made, words, (name, f"{path}.quant_map"), is_linear)


def _state(parts: Parts, name: str) -> dict[str, Any]:
    try:
        state = json.loads(parts.little(name).tobytes())
        sizes = [state["blocksize"], *([state["nested_blocksize"]] if "nested_blocksize" in state else [])]
        offset = state.get("nested_offset", 0.0)
        is_sound = is_shape(state["shape"]) and all(type(size) is int and 0 < size < 2**20 for size in sizes)
        if not is_sound or isinstance(offset, bool) or not math.isfinite(offset):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise parts.refused(name, "JSON of a shape and sizes of blocks", "something else") from None
    return state


def _blocks(
    table: Array, shape: tuple[int, ...], size: int, state: dict[str, Any], packed: Array, scales: Array, *nested: Array
) -> Array:
    octets = np.ascontiguousarray(packed).view(np.uint8).reshape(-1)
    if nested:
        of_scales, codes = (part.astype(np.float32) for part in nested)
        each = np.repeat(of_scales, state["nested_blocksize"])[: len(scales)]
        scales = codes[scales] * each + np.float32(state.get("nested_offset", 0.0))
    made = np.empty(2 * len(octets), np.float32)
    made[0::2], made[1::2] = table[octets >> 4], table[octets & 15]  # the higher half first
    made = made[: math.prod(shape)]
    whole = len(made) // size * size
    made[:whole].reshape(-1, size)[:] *= scales[: whole // size, None].astype(np.float32)
    if whole < len(made):
        made[whole:] *= np.float32(scales[whole // size])
    return made.reshape(shape)


def _rows(weight: Array, scale: Array) -> Array:
    made = weight.astype(np.float32)
    made *= scale.reshape(-1, 1).astype(np.float32)
    made *= _A_STEP
    return made
