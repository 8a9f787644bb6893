"""What llama.cpp's converter does to names and rows, and the way back; names are those of the library ``gguf``."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_ROTATED = {".attn_q.weight": "head_count", ".attn_k.weight": "head_count_kv"}
"""Layers of ``llama`` of which the converter puts the rows of a head in another order, and what says how many heads there are."""
_BLOCKS = 4096  # of a network, for its names


def heads(fields: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return how many heads the rows of a layer belong to, where the converter put them in another order."""
    if fields.get("general.architecture") != "llama":
        return {}
    found = {}
    for name, shape in shapes.items():
        for ending, field in _ROTATED.items():
            count = fields.get(f"llama.attention.{field}", fields.get("llama.attention.head_count"))
            whole = type(count) is int and count > 0 and shape and shape[0] % (2 * count) == 0
            if name.endswith(ending) and whole and len(shape) == 2:
                found[name] = count
    return found


def order(rows: int, heads: int) -> npt.NDArray[np.int64]:
    """Return where each row of the network stands in the file: halves of a head are interleaved there."""
    return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(-1)


def called(architecture: str, count: int, name: str) -> str:
    """Return what a tensor that torch calls ``name`` is called here, or an empty word."""
    names = _names(architecture, min(count, _BLOCKS))
    forms = (name, f"model.{name}", f"transformer.{name}")
    return next((found for form in forms if names and (found := names(form, (".weight", ".bias")))), "")


@cache
def _names(architecture: str, blocks: int) -> Callable[..., str | None] | None:
    """Return the library's names for an architecture, None if it knows none of that name."""
    from gguf import constants, tensor_mapping

    known = {text: arch for arch, text in constants.MODEL_ARCH_NAMES.items()}
    if architecture not in known:
        return None
    get_name: Callable[..., str | None] = tensor_mapping.get_tensor_name_map(known[architecture], blocks).get_name
    return get_name
