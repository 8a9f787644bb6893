"""The state dict in a checkpoint: trainers put it one level down, beside counters, optimisers and averaged copies."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from modelmark.errors import MalformedError
from modelmark.naming import counted
from modelmark.suspects.files.base import LIMIT
from modelmark.suspects.files.dtypes import Array
from modelmark.suspects.torching import array

_DEPTH = 3
_SHOWN = 4  # names in a message
# what trainers call the network they train, the most telling first
USUAL = ("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "weights", "params")
_STATES = (torch.uint8, torch.int64, torch.bool)  # types of generators, counters and masks
_PACKED = "._packed_params._packed_params"
# words in the name of what is no network, or a copy of one
_ASIDE = re.compile(
    r"(?:^|_)(?:ema|swa|avg|average[d]?|shadow|best|old|previous|teacher|optim\w*|sched\w*|scaler|rng\w*|criterion|loss)(?:_|$)"
)

Place: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Chosen:
    """The tensors taken from a checkpoint.

    Args:
        tensors: plain and quantised ones, by name.
        notes: what was taken, and what was left aside; empty where nothing was.
        unreadable: tensors of other kinds by name, each with what it is.
    """

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> Array:
        """Return one tensor; a quantised one as the numbers that it stands for."""
        tensor = self.tensors[name]
        return array(tensor.dequantize() if tensor.is_quantized else tensor)


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
    named = {
        ("".join(f"{part}." for part in place) if len(places) > 1 else "") + name: tensor
        for place in places
        for name, tensor in found[place].items()
    }
    unreadable = {name: why for name, tensor in named.items() if (why := _unreadable(tensor))}
    tensors = {name: tensor.detach() for name, tensor in named.items() if name not in unreadable}
    if sum(tensor.nbytes for tensor in tensors.values()) > LIMIT:
        raise MalformedError(f"expected tensors of at most {LIMIT} bytes together in {path}, got more")
    return Chosen(tensors, _notes(top, places, list(found), tensors), unreadable)


def _states(value: object, place: Place, seen: set[int]) -> Iterator[tuple[Place, dict[str, Tensor]]]:
    """Yield every mapping that holds weights, with where it lies."""
    if isinstance(value, list | tuple) and not place:
        value = {str(number): part for number, part in enumerate(value)}
    if not isinstance(value, Mapping) or id(value) in seen or len(place) > _DEPTH or "param_groups" in value:
        return
    seen.add(id(value))
    named = {name: part for name, part in value.items() if isinstance(name, str)}
    tensors = dict(_tensors(named))
    if any(tensor.dim() > 0 and tensor.dtype not in _STATES for tensor in tensors.values()):
        yield place, tensors
    for name, part in named.items():
        yield from _states(part, (*place, name), seen) if isinstance(part, Mapping) else ()


def _tensors(named: Mapping[str, object]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors by name; a quantised layer packs its weight and its bias into one entry."""
    for name, part in named.items():
        if isinstance(part, Tensor):
            yield name, part
        elif name.endswith(_PACKED) and isinstance(part, tuple):
            for kind, tensor in zip(("weight", "bias"), part, strict=False):
                if isinstance(tensor, Tensor):
                    yield f"{name.removesuffix(_PACKED)}.{kind}", tensor


def _unreadable(tensor: Tensor) -> str:
    """Return what is no plain tensor, or no word."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"a {type(tensor).__name__}; dequantize() or to_dense() it and save it again"
    if tensor.is_meta:
        return "on the device meta, without values"
    if tensor.layout is not torch.strided:
        return f"{str(tensor.layout).removeprefix('torch.')}; to_dense() it and save it again"
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        return "expanded from fewer values; clone() it and save it again"
    return ""


def _notes(top: object, places: list[Place], found: list[Place], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    notes = []
    if places != [()]:
        notes.append(f"taken: {' and '.join('.'.join(place) or 'the top' for place in places)}")
    aside = [".".join(place) or "the top" for place in found if place not in places]
    if isinstance(top, Mapping):
        heads = {place[0] for place in found if place}
        aside += [
            str(name)
            for name, part in top.items()
            if name not in heads and (() not in places or not isinstance(part, Tensor | tuple | torch.dtype))
        ]
    if aside:
        more = f" and {len(aside) - _SHOWN} more" if len(aside) > _SHOWN else ""
        notes.append(f"left aside: {', '.join(aside[:_SHOWN])}{more}")
    if quantised := [name for name, tensor in tensors.items() if tensor.is_quantized]:
        notes.append(f"dequantised: {counted(len(quantised), 'tensor')}, such as {quantised[0]}")
    return tuple(notes)
