"""MXFP4 as transformers stores experts (gpt-oss): pairs of four-bit floats in blocks of 32, and an exponent a block.

Source: OCP Microscaling Formats 1.0, E2M1 with E8M0; run with transformers 5.24.0. The experts come back as that library has them
once they are dequantised: inputs before outputs.
"""

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts

_FOURS = np.array((0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6), np.float32)
"""What each four bits stand for."""
_PAIRS = 16  # bytes of a block


ENDINGS = ("_blocks",)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the experts that are packed so, None where a name only ends so.

    Raises:
        MalformedError: blocks and exponents do not go together.
    """
    scales = f"{path}_scales"
    if scales not in parts or parts.kind(name) != "uint8":
        return None
    packed = parts.shape(name)
    if len(packed) < 3 or packed[-1] != _PAIRS:
        raise parts.refused(name, f"blocks of {_PAIRS} bytes", str(packed))
    parts.require(scales, packed[:-1], kinds=("uint8", "float8_e8m0fnu"))
    *stacked, rows, blocks, _ = packed
    shape = (*stacked, 2 * _PAIRS * blocks, rows)
    return Layer(path, shape, (name, scales), _experts, "MXFP4", is_linear=False)


def exponents(scales: Array) -> Array:
    """Return what E8M0 stands for: powers of two, float32; 255 is no number."""
    raw = np.ascontiguousarray(scales).view(np.uint8).astype(np.int32)
    found: Array = np.ldexp(np.float32(1), raw - 127).astype(np.float32)
    found[raw == 255] = np.nan
    return found


def fours(packed: Array) -> Array:
    """Return what pairs of four bits stand for, float32, the last axis twice as long; the lower half of a byte comes first."""
    octets = np.ascontiguousarray(packed).view(np.uint8)
    made = np.empty((*octets.shape, 2), np.float32)
    made[..., 0], made[..., 1] = _FOURS[octets & 15], _FOURS[octets >> 4]
    return made.reshape(*octets.shape[:-1], -1)


def _experts(packed: Array, scales: Array) -> Array:
    made = fours(packed)
    made *= exponents(scales)[..., None]
    return made.reshape(*packed.shape[:-2], -1).swapaxes(-1, -2)
