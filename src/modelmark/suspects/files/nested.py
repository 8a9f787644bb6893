"""The state dict in a checkpoint: trainers put it one level down, beside counters, optimisers and averaged copies."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import LIMIT

_DEPTH = 3
_SHOWN = 4  # names in a message
# what trainers call the network they train, the most telling first
USUAL = ("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "weights", "params")
# words in the name of what is no network, or a copy of one
_ASIDE = re.compile(
    r"(?:^|_)(?:ema|swa|avg|average[d]?|shadow|best|old|previous|teacher|optim\w*|sched\w*|scaler|rng\w*|criterion|loss)(?:_|$)"
)

Tree = Mapping[str, object]


@dataclass(frozen=True)
class Chosen:
    """The tensors taken from a checkpoint.

    Args:
        tensors: plain ones, by name.
        notes: what was taken, and what was left aside; empty where nothing was.
        unreadable: tensors of other kinds by name, each with what it is.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)


def chosen(top: object, path: Path) -> Chosen:
    """Return the state dict in what was loaded from ``path``.

    One mapping of names to tensors is taken as it is. Of several, averaged copies and optimisers are left aside, then the
    one with a usual name is taken, else the outermost if its names are paths; else all are, each with its place before its
    names.

    Raises:
        MalformedError: no tensors by name, or more bytes of them than ``LIMIT``.
    """
    found = dict(_states(top, (), set()))
    if not found:
        kind = "one tensor without a name" if isinstance(top, Tensor) else "none"
        raise MalformedError(f"expected tensors by name in {path}, got {kind}")
    places = [place for place in found if not any(_ASIDE.search(part.lower()) for part in place)] or list(found)
    if len(places) > 1:
        usual = sorted(
            (place for place in places if place and place[-1] in USUAL), key=lambda place: USUAL.index(place[-1])
        )
        flat = () in places and any("." in name for name in found[()])
        places = usual[:1] or ([()] if flat else places)
    tensors: dict[str, Tensor] = {}
    unreadable: dict[str, str] = {}
    for place in places:
        before = "".join(f"{part}." for part in place) if len(places) > 1 else ""
        for name, value in found[place].items():
            if why := _unreadable(value):
                unreadable[before + name] = why
            else:
                assert isinstance(value, Tensor)
                tensors[before + name] = value.detach()
    if sum(tensor.nbytes for tensor in tensors.values()) > LIMIT:
        raise MalformedError(f"expected tensors of at most {LIMIT} bytes together in {path}, got more")
    return Chosen(tensors, _notes(top, places, list(found)), unreadable)


def _states(value: object, place: tuple[str, ...], seen: set[int]) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """Yield every mapping that holds weights, with where it lies."""
    if isinstance(value, list | tuple) and not place:
        value = {str(number): part for number, part in enumerate(value)}
    if not isinstance(value, Mapping) or id(value) in seen or len(place) > _DEPTH or "param_groups" in value:
        return
    seen.add(id(value))
    named = {name: part for name, part in value.items() if isinstance(name, str)}
    tensors = {name: part for name, part in named.items() if _tensor(part) is not None}
    if any(_is_weight(_tensor(part)) for part in tensors.values()):
        yield place, tensors
    for name, part in named.items():
        yield from _states(part, (*place, name), seen) if isinstance(part, Mapping) else ()


def _tensor(value: object) -> Tensor | None:
    """Return the tensor that a value is, or that a quantised layer packs together with its bias."""
    if isinstance(value, tuple) and value and isinstance(value[0], Tensor) and value[0].is_quantized:
        return value[0]
    return value if isinstance(value, Tensor) else None


def _is_weight(tensor: Tensor | None) -> bool:
    return tensor is not None and (tensor.is_quantized or (tensor.dim() > 0 and tensor.dtype not in _STATES))


_STATES = (torch.uint8, torch.int64, torch.bool)  # of generators, counters and masks


def _unreadable(value: object) -> str:
    """Return what a value is instead of a plain tensor, or no word."""
    tensor = _tensor(value)
    assert tensor is not None
    if tensor.is_quantized:
        return "quantised by torch.ao.quantization; dequantize() it and save it as weight"
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"a {type(tensor).__name__}; dequantize() or to_dense() it and save it again"
    if tensor.is_meta:
        return "on the device meta, without values"
    if tensor.layout is not torch.strided:
        return f"{str(tensor.layout).removeprefix('torch.')}; to_dense() it and save it again"
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        return "expanded from fewer values; clone() it and save it again"
    return ""


def _notes(top: object, places: list[tuple[str, ...]], found: list[tuple[str, ...]]) -> tuple[str, ...]:
    notes = []
    if places != [()]:
        notes.append(f"taken: {' and '.join('.'.join(place) or 'the top' for place in places)}")
    aside = [".".join(place) or "the top" for place in found if place not in places]
    if isinstance(top, Mapping):
        heads = {place[0] for place in found if place}
        rest = (name for name, part in top.items() if name not in heads and (() not in places or _tensor(part) is None))
        aside += map(str, rest)
    if aside:
        more = f" and {len(aside) - _SHOWN} more" if len(aside) > _SHOWN else ""
        notes.append(f"left aside: {', '.join(aside[:_SHOWN])}{more}")
    return tuple(notes)
