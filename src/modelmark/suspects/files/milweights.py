"""What the operations of a Core ML program make of packed constants: integers, palettes and masks, as coremltools undoes them."""

from math import prod
from pathlib import Path

import numpy as np

from modelmark.errors import MalformedError
from modelmark.suspects.files import integers
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.mapped import MOST_AXES, Shape
from modelmark.suspects.files.milprogram import Operation

# operations that make a weight of packed constants, and the one of those that tells its shape
MADE = {
    "constexpr_affine_dequantize": "quantized_data", "constexpr_blockwise_shift_scale": "data",
    "constexpr_lut_to_dense": "indices", "constexpr_sparse_to_dense": "mask", "constexpr_cast": "source_val",
}  # fmt: skip


def shape_of(operation: Operation) -> Shape | None:
    """Return the shape of what an operation makes of constants alone, None where that is not known here."""
    first = operation.values.get(MADE.get(operation.does, ""))
    if first is None:
        return None
    says = operation.values.get("shape")
    if says is not None:  # indices or bits of a mask in bytes, as until iOS 17
        raw = (
            np.frombuffer(says.raw, "<u4").tolist() if says.raw and len(says.raw) % 4 == 0 else [*(says.integers or ())]
        )
        shape = tuple(raw)
        return shape if 0 < len(shape) <= MOST_AXES and all(0 < size < 2**32 for size in shape) else None
    table = operation.values.get("lut")
    if table is not None and (len(table.shape) != len(first.shape) + 2 or table.shape[-1] != 1):
        return None
    return first.shape


def weight(folder: Path, operation: Operation, shape: Shape) -> Array:
    """Return the weight that an operation makes.

    Raises:
        MalformedError: its constants do not go together.
    """
    found = {name: value.read(folder) for name, value in operation.values.items() if value.shape or name == "axis"}
    first = found[MADE[operation.does]]
    if operation.does == "constexpr_cast":
        return first.astype(np.float32)
    if operation.does == "constexpr_affine_dequantize":
        axis = int(found["axis"].reshape(-1)[0]) if "axis" in found else 0
        return integers.numbers(first, found.get("scale"), found.get("zero_point"), axis)
    wrong = MalformedError(
        f"expected the constants of {operation.gives[:100]!a} in {folder} to go together, got others"
    )
    count, says = prod(shape), "shape" in operation.values
    if operation.does == "constexpr_blockwise_shift_scale":
        made = first.astype(np.float32)
        for name, change in (("offset", np.subtract), ("scale", np.multiply)):
            if name in found:
                change(made, _spread(found[name], shape, wrong).astype(np.float32), out=made)
        return made
    if operation.does == "constexpr_sparse_to_dense":
        bits = np.unpackbits(first.astype(np.uint8), bitorder="little")[:count] if says else first
        if bits.size != count or int((bits != 0).sum()) != found.get("nonzero_data", np.empty(0)).size:
            raise wrong
        made = np.zeros(count, np.float32)
        made[bits.reshape(-1) != 0] = found["nonzero_data"].reshape(-1).astype(np.float32)
        return made.reshape(shape)
    table = found.get("lut", np.empty(0)).astype(np.float32)
    if says:
        width = max(table.size - 1, 1).bit_length()
        indices = _octets(first, width, count) if table.size == 1 << width and table.ndim == 1 else np.empty(0)
        if indices.size != count:
            raise wrong
        return table[indices].reshape(shape)
    if first.size != count or not ((first >= 0) & (first < table.shape[-2])).all():
        raise wrong
    which = _spread(np.arange(prod(table.shape[:-2])).reshape(table.shape[:-2]), shape, wrong)
    return table.reshape(-1, table.shape[-2])[which, first.astype(np.intp)]


def _octets(octets: Array, bits: int, count: int) -> Array:
    """Return integers of some bits in bytes, the first in the lowest, as indices; fewer where there are fewer."""
    flat = np.unpackbits(octets.astype(np.uint8).reshape(-1), bitorder="little")[: bits * count]
    return np.dot(flat.reshape(-1, bits), 1 << np.arange(bits)) if len(flat) == bits * count else np.empty(0, np.intp)


def _spread(part: Array, shape: Shape, wrong: MalformedError) -> Array:
    """Return one number for each entry of a shape of one for each block of it."""
    if part.ndim != len(shape) or any(not few or size % few for few, size in zip(part.shape, shape, strict=True)):
        raise wrong
    for axis, size in enumerate(shape):
        if part.shape[axis] not in (1, size):
            part = np.repeat(part, size // part.shape[axis], axis)
    return np.broadcast_to(part, shape)
