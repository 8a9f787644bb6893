"""Weights that keep name and shape, in 8 bits, and a scale beside them: of the tensor, a row, a group or a block.

So write compressed-tensors (``int-quantized``, ``float-quantized``), transformers' block-wise FP8 (``weight_scale_inv``) and
FBGEMM's FP8, where bytes with ``weight_scale_inv`` are pairs of four-bit floats; torchao has ``_weight_qdata`` in the place of
``weight`` in safetensors, and an object with ``qdata`` in a torch checkpoint.
"""

import json
from functools import partial

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import Shape
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, block, is_shape, scaled
from modelmark.suspects.files.quantisers.mxfp4 import fours

_EIGHTS = ("int8", "float8_e4m3fn", "float8_e5m2")
_FLOATS = ("float16", "bfloat16", "float32", "float8_e8m0fnu")
_TORCHAO, _TORCHAO_PICKLED = "_weight_qdata", "weight.qdata"


ENDINGS = ("weight_scale", "weight_scale_inv", _TORCHAO, _TORCHAO_PICKLED)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the weight that a scale belongs to, None where that is in no 8 bits.

    Raises:
        MalformedError: a scale does not go with its weight.
    """
    weight = f"{path}weight"
    if name.endswith(_TORCHAO_PICKLED):
        return _layer(parts, {}, weight, name, f"{weight}.scale", f"{weight}.zero_point", "8 bits of torchao")
    if name.endswith(_TORCHAO):
        what = f"{_type(parts, weight)} of torchao"
        return _layer(parts, {}, weight, name, f"{path}_weight_scale", f"{path}_weight_zero_point", what)
    if weight not in parts or parts.kind(weight) not in _EIGHTS:
        return None
    what = "FP8" if parts.kind(weight) != "int8" else "FP4" if name.endswith("_inv") else "8-bit integers"
    return _layer(parts, config, weight, weight, name, f"{path}weight_zero_point", what)


def _layer(parts: Parts, config: Config, name: str, weight: str, scale: str, zero: str, what: str) -> Layer:
    shape, scales = parts.require(weight, parts.shape(weight), kinds=_EIGHTS), parts.shape(scale)
    if len(shape) != 2 or min(shape) < 1:
        raise parts.refused(weight, "rows and columns", str(shape))
    is_pairs = what == "FP4"
    rows, columns = shape = shape[0], shape[1] * (2 if is_pairs else 1)
    if scales in ((), (1,)):
        scales = (1, 1)
    elif scales == (rows,):
        scales = (rows, 1)
    said = config.get("weight_block_size")
    steps: Shape = tuple(said) if is_shape(said) and len(said) == 2 else ()
    if len(scales) != 2 or scales != tuple(-(-size // step) for size, step in zip(shape, steps, strict=False)):
        steps = (block(rows, scales[0]), block(columns, scales[1])) if len(scales) == 2 else ()
    if not steps or 0 in steps:
        raise parts.refused(scale, f"shares of {shape}", str(scales))
    parts.require(scale, parts.shape(scale), kinds=_FLOATS)
    needed: tuple[str, ...] = (weight, scale)
    if zero in parts:
        parts.require(zero, parts.shape(scale), scales)
        needed += (zero,)
    return Layer(name, shape, needed, partial(_weight, is_pairs, scales, steps), what)


def _type(parts: Parts, name: str) -> str:
    """Return torchao's own word for a tensor, as the file's metadata says it."""
    try:
        found = json.loads(parts.metadata.get(name, ""))["_type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "8 bits"
    return str(found)[:40]


def _weight(
    is_pairs: bool, scales: Shape, steps: Shape, weight: Array, scale: Array, zero: Array | None = None
) -> Array:
    made = fours(weight) if is_pairs else weight.astype(np.float32)
    return scaled(made, scale.reshape(scales), None if zero is None else zero.reshape(scales), steps)
