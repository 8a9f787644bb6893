"""Filters of a file found by their likeness to a host's, whatever they are called, however they lie and in whatever order.

Exporters and containers rename layers, turn matrices, put several into one (query, key and value; gate and up; experts) or take
them apart, move rows (the heads of a GGUF), fold batch norm into filters and turn signs. All of that leaves a filter's weights in
their order, up to a factor and a shift, so that a host's filter and the suspect's are correlated. What is read depends on suspect
and host alone. Columns in another order are not found: ``align`` follows those through the code of a network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod, sqrt
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from modelmark.errors import MismatchError
from modelmark.naming import counted
from modelmark.suspects.base import Array, Inputs, Probe, Read, ReadEach, Suspect
from modelmark.suspects.files import WeightFile, name_of
from modelmark.suspects.files.factors import multiplied
from modelmark.suspects.finding import rows_of
from modelmark.suspects.places import Layout, Place
from modelmark.suspects.rows import Filters, beside, finite, real

Floats = npt.NDArray[np.float32]

_TRIED, _COLUMNS = 64, 512  # of a host's filters and of their weights, that say where the filters are
_LIKE, _CHANCE = 0.5, 6.0
_BLOCK = 2**24  # numbers compared at a time
_SHOWN = 3  # layers that notes name
_LAYOUTS = (
    Layout("weight", "linear"), Layout("weight", "linear", axis=1),
    Layout("weight", "expert", stacked=1), Layout("weight", "expert", axis=1, stacked=1),
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """A tensor of the suspect as filters: its name, and how it holds them."""

    name: str
    layout: Layout


@dataclass(frozen=True, eq=False)
class Where:
    """Where the filters of one place are.

    Args:
        sheets: one after another.
        rows: of these, for each of the host's filters; -1 where it is nowhere; None: all rows, in their order.
        signs: by which each is turned.
        is_like: whether filters are like the host's; else the name alone says that it is they.
    """

    sheets: tuple[Sheet, ...]
    rows: npt.NDArray[np.int64] | None = None
    signs: npt.NDArray[np.float32] | None = None
    is_like: bool = True


class Placed:
    """A suspect whose filters stand in the host's places.

    Args:
        file: the suspect's.
        host: the committed one.
        notes: to which is added what was found elsewhere than its name says, a line each.
        moved: whether the file was put into the host's coordinates before, so that it reads otherwise than as it is.
    """

    answers: ClassVar[frozenset[type[Probe]]] = frozenset({Read, ReadEach})

    def __init__(self, file: WeightFile, host: Suspect, notes: dict[str, None], *, moved: bool = False) -> None:
        self._whole, _ = multiplied(file)
        self._host, self._moved = host, moved
        self.queries = 0
        self.notes = notes

    def observe(self, probe: Probe) -> Sequence[Array]:
        """Return what the probe wants; of ``ReadEach`` a filter that is nowhere is NaN.

        Raises:
            MismatchError: it wants no weights; no filter of the suspect is like the host's; or all that are stand where their
                names say, so that the suspect as it is reads the same.
            SuspectError: what was found is no number.
        """
        if isinstance(probe, ReadEach):
            return [beside(self._each(probe.places, list(self._host.observe(probe)[0])))]
        if not isinstance(probe, Read):
            raise MismatchError("expected a mark that is read from weights alone")
        (found,) = self._each([probe.place], self._host.observe(probe)[:1])
        rows = found[:] if found else np.empty((0, 1))
        return [*finite([rows[~np.isnan(rows).all(axis=1)]], "weights")]

    def _each(self, places: Sequence[Place], hosts: Sequence[Inputs | None]) -> list[Filters | None]:
        found, looked = dict[int, Where](), dict[int, Floats]()
        for number, (place, host) in enumerate(zip(places, hosts, strict=True)):
            if host is None:
                continue
            tried, columns = _spaced(len(host), _TRIED), _spaced(place.width, _COLUMNS)
            some = _directions(np.concatenate([host[int(row) : int(row) + 1] for row in tried])[:, columns])
            named = self._named(place, len(host))
            if named is not None:
                alike = np.einsum("ij,ij->i", some, _directions(self._read(named)[tried][:, columns]))
                is_there = bool(alike.mean() > _least(columns) and alike.min() > 0)
                found[number] = Where((named,), is_like=is_there)
            if number not in found or not found[number].is_like:
                looked[number] = some
        for number, sheets in self._holding(places, looked).items():
            host = hosts[number]
            assert host is not None
            found[number] = self._matched(tuple(sheets), host, _spaced(places[number].width, _COLUMNS))
        if not any(where.is_like for where in found.values()):
            raise MismatchError("expected filters like the host's, this file has none")
        if not self._moved and all(where.rows is None for where in found.values()):
            raise MismatchError("every filter is where its name says, in the host's order")
        self.notes |= dict.fromkeys(_said({places[number].path: where for number, where in sorted(found.items())}))
        return [
            Filters(len(host), partial(self._rows, found[number])) if number in found and host is not None else None
            for number, host in enumerate(hosts)
        ]

    def _holding(self, places: Sequence[Place], looked: Mapping[int, Floats]) -> dict[int, list[Sheet]]:
        """Return which tensors have filters like those of each place that is looked for; each tensor is read once."""
        holding: dict[int, list[Sheet]] = {}
        for width in dict.fromkeys(places[number].width for number in looked):
            mine = {number: some for number, some in looked.items() if places[number].width == width}
            columns = _spaced(width, _COLUMNS)
            for sheet in self._sheets(width):
                theirs = _directions(self._read(sheet)[:, columns])
                for number, some in mine.items():
                    if np.abs(some @ theirs.T).max(initial=0) > _least(columns):
                        holding.setdefault(number, []).append(sheet)
        return holding

    def _matched(self, sheets: tuple[Sheet, ...], host: Inputs, columns: npt.NDArray[np.int64]) -> Where:
        """Return which row of the sheets is most like each of the host's filters."""
        ours = np.concatenate([_directions(self._read(sheet)[:, columns]) for sheet in sheets])
        rows, signs = np.full(len(host), -1, np.int64), np.ones(len(host), np.float32)
        step, least = max(1, _BLOCK // len(ours)), _least(columns)
        for start in range(0, len(host), step):
            alike = _directions(host[start : start + step][:, columns]) @ ours.T
            best = np.abs(alike).argmax(axis=1)
            value = alike[np.arange(len(best)), best]
            rows[start : start + len(best)] = np.where(np.abs(value) > least, best, -1)
            signs[start : start + len(best)] = np.where(value < 0, -1, 1)
        return Where(sheets, rows, signs)

    def _named(self, place: Place, filters: int) -> Sheet | None:
        try:
            name = name_of(self._whole, place.path)
        except MismatchError:
            return None
        shape, axis = self._whole.shapes[name], place.layout[1]
        fits = [sheet for sheet in self._sheets(place.width) if sheet.name == name]
        same = [sheet for sheet in fits if sheet.layout.size(shape)[0] == filters]
        return next((sheet for sheet in same if sheet.layout.axis == axis), same[0] if same else None)

    def _sheets(self, width: int) -> list[Sheet]:
        return [
            Sheet(name, layout)
            for name, shape in self._whole.shapes.items()
            for layout in _LAYOUTS
            if len(shape) > layout.stacked + 1 and 0 not in shape and prod(layout.size(shape)[1]) == width
        ]

    def _read(self, sheet: Sheet) -> Array:
        return rows_of(self._whole.tensor(sheet.name), sheet.layout)

    def _rows(self, where: Where) -> Array:
        whole = [real(self._read(sheet)) for sheet in where.sheets]
        if where.rows is None or where.signs is None:
            return whole[0]
        found = np.concatenate(whole)[where.rows] * where.signs[:, None]
        found[where.rows < 0] = np.nan
        return found


def _said(found: Mapping[str, Where]) -> list[str]:
    """Return a line for each of the first places that were found elsewhere, and one for the others."""
    lines = []
    for path, where in found.items():
        if where.rows is not None:
            there, names = int((where.rows >= 0).sum()), ", ".join(sheet.name for sheet in where.sheets[:3])
            lines.append(f"{path}: {counted(there, 'filter')} like the host's, found in {names}")
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {counted(more, 'layer')} more likewise"] if more > 0 else lines


def _least(columns: npt.NDArray[np.int64]) -> float:
    """Return from which correlation filters are alike: chance gives far less, however many there are to choose from."""
    return max(_LIKE, _CHANCE / sqrt(len(columns)))


def _spaced(count: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most so many of the first numbers, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _directions(rows: Array) -> Floats:
    """Return rows less their mean, of length 1; 0 where a row is no direction."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        wide = real(rows).astype(np.float32)
        wide = wide - wide.mean(axis=1, keepdims=True)
        wide = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(np.isfinite(wide).all(axis=1, keepdims=True), wide, np.float32(0))
