"""GPTQ: integers of 2, 3, 4 or 8 bits packed along the inputs, with a scale and a zero point a group of inputs.

Layout as GPTQModel 7.7.0 packs it. Version 1, the default on disk, stores zero points less one, taken from whole words, so that a
zero point of 0 borrows from the next; ``g_idx`` says the group of each input, in no order where columns were quantised by their
activations.
"""

from functools import partial

import numpy as np

from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.files.quantisers.layers import Config, Layer, Parts, unpacked

_BITS = (2, 3, 4, 8)
_AS_THEY_ARE = (
    "auto_round",
    "auto_round:gptqmodel",
)  # packings of auto-round 0.16.1 that store zero points without the one less
_PIECE = 256  # inputs at a time


ENDINGS = (".qweight",)


def layer(parts: Parts, config: Config, path: str, name: str) -> Layer | None:
    """Return the weight that is packed so, None where it is packed along the outputs.

    Raises:
        MalformedError: parts do not go together.
    """
    scales, zeros, groups = f"{path}.scales", f"{path}.qzeros", f"{path}.g_idx"
    if not is_one(parts, path):
        return None
    words, outputs = parts.require(name, parts.shape(name), kinds=("int32",))
    inputs, bits = _sizes(parts, config, name, words)
    count = parts.shape(scales)[0]
    if not 0 < count <= inputs:
        raise parts.refused(scales, f"at most {inputs} groups", str(count))
    parts.require(scales, (count, outputs), kinds=("float16", "bfloat16", "float32"))
    parts.require(zeros, (count, -(-outputs * bits // 32)), kinds=("int32",))
    needed: tuple[str, ...] = (name, scales, zeros)
    if groups in parts:
        parts.require(groups, (inputs,), kinds=("int32", "int64"))
        needed += (groups,)
    is_second = config.get("checkpoint_format") == "gptq_v2" or config.get("packing_format") in _AS_THEY_ARE
    more = 0 if is_second else 1
    made = partial(_weight, bits, inputs, more)
    return Layer(f"{path}.weight", (outputs, inputs), needed, made, f"{bits} bits of GPTQ (version {2 - more})")


def is_one(parts: Parts, path: str) -> bool:
    """Return whether ``qweight`` is packed along the inputs: its columns are the outputs, as those of the scales are."""
    packed, scales = parts.shape(f"{path}.qweight"), parts.shape(f"{path}.scales")
    return len(packed) == len(scales) == 2 and packed[1] == scales[1]


def _sizes(parts: Parts, config: Config, name: str, words: int) -> tuple[int, int]:
    """Return the number of inputs and the bits, by ``g_idx`` where it is there, else by the configuration."""
    groups = f"{name.removesuffix('.qweight')}.g_idx"
    said = config.get("bits", config.get("w_bit", 4))
    if groups in parts:
        inputs = int(np.prod(parts.shape(groups)))
        bits = words * 32 // inputs if inputs and words * 32 % inputs == 0 else 0
    else:
        bits = said if type(said) is int and said in _BITS else 0
        inputs = words * 32 // bits if bits else 0
    if bits not in _BITS or inputs * bits != words * 32 or (bits == 3 and config.get("checkpoint_format") == "gptq_p"):
        raise parts.refused(name, f"{' or '.join(map(str, _BITS))} bits a number", f"{words} words for {inputs} inputs")
    return inputs, bits


def _weight(
    bits: int, inputs: int, more: int, packed: Array, scales: Array, zeros: Array, groups: Array | None = None
) -> Array:
    made = unpacked(packed, bits, inputs)
    outputs, scales = made.shape[1], scales.astype(np.float32)
    if more and 32 % bits == 0:
        zeros = zeros.view(np.uint32) + np.uint32(0xFFFFFFFF // ((1 << bits) - 1))
    less = unpacked(zeros.T, bits, outputs).T
    if more and 32 % bits:
        less = (less + 1) % (1 << bits)
    if groups is None:
        groups = np.arange(inputs) // -(-inputs // len(scales))
    groups = np.clip(groups, 0, len(scales) - 1)
    for start in range(0, inputs, _PIECE):
        rows = groups[start : start + _PIECE]
        made[start : start + _PIECE] -= less[rows]
        made[start : start + _PIECE] *= scales[rows]
    return made.T
