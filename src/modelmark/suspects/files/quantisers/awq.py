"""AWQ (its GEMM layout): integers of 4 bits packed along the outputs in an order of their own, a scale and a zero point a group.

Layout as autoawq 0.2.9 and GPTQModel 7.7.0 pack it: no zero point is off by one, no group out of order.
"""

from functools import partial

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.quantisers import gptq
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, scaled, unpacked

_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)
"""Where each of eight outputs stands in a word."""
_BITS = 4


ENDINGS = (".qweight",)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the weight that is packed so, None where it is packed along the inputs.

    Raises:
        MalformedError: parts do not go together, or are in another of the layouts.
    """
    if gptq.is_one(parts, path):
        return None
    scales, zeros = f"{path}.scales", f"{path}.qzeros"
    packed, shape = parts.require(name, parts.shape(name), kinds=("int32",)), parts.shape(scales)
    if len(packed) != 2 or len(shape) != 2 or packed[1] * 32 // _BITS != shape[1]:
        version = str(config.get("version", "unknown"))[:20]
        raise parts.refused(name, "the layout GEMM of AWQ", f"{packed} with scales {shape}, version {version}")
    (inputs, words), (count, outputs) = packed, shape
    if count < 1 or inputs % count:
        raise parts.refused(scales, f"groups that share {inputs} inputs", str(count))
    parts.require(zeros, (count, words), kinds=("int32",))
    made = partial(_weight, outputs)
    return Layer(f"{path}.weight", (outputs, inputs), (name, zeros, scales), made, "4 bits of AWQ")


def _weight(outputs: int, packed: Array, zeros: Array, scales: Array) -> Array:
    weight, zero = (_in_order(unpacked(part.T, _BITS, outputs)) for part in (packed, zeros))
    return scaled(weight, scales.T, zero)


def _in_order(found: Array) -> Array:
    ordered: Array = found.reshape(-1, 8, found.shape[1])[:, _ORDER].reshape(found.shape)
    return np.ascontiguousarray(ordered)
