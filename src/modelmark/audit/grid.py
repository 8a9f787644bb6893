"""What an audit runs: a typed grid, from TOML, from Python, or built in."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from modelmark import hashing, options
from modelmark.attacks import ATTACKS, attack_class
from modelmark.audit.result import RECIPES
from modelmark.data import KINDS
from modelmark.errors import UsageError
from modelmark.models import ARCHITECTURES, recorded
from modelmark.models.hugging import PREFIX
from modelmark.naming import import_object, suggest
from modelmark.schemes import names_for, scheme_class

_MAX_FILE = 1 << 20
_INPUTS = {"texts": "tokens", "tokens": "tokens", "corpus": "causal"}
"""What data are of that are no pictures, by their reader."""


@dataclass(frozen=True)
class Entry:
    """A scheme or an attack with the settings to try.

    Args:
        name: in the table.
        strengths: one mapping of settings for each row; a scheme has exactly one.
    """

    name: str
    strengths: tuple[Mapping[str, Any], ...] = ({},)


@dataclass(frozen=True)
class Grid:
    """Schemes x attacks x seeds on one data set and architecture.

    Args:
        data: data specification.
        arch: a name in ``ARCHITECTURES``, ``hf:FOLDER`` of transformers, whose configuration is trained from scratch, or
            ``module:factory`` for a factory without arguments; importing it runs its code.
        schemes: with one mapping of settings each; empty: the whole table.
        attacks: with their strengths; empty: the whole table.
        sweep: attacks named without strengths: run all the strengths they list, instead of their defaults alone.
        seeds: of everything but keys.
        thief: share of the training data that the thief holds and the owner never sees.
        most: training images that a thief uses at most; 0: all he holds.
        epochs: from scratch, of the unmarked network; 0: as ``embed`` decides.
        owner: training images of the owner at most; 0: all but the thief's.
        payloads: keys whose marks are put into a copy of each unmarked network; beyond the first they meet modifications and
            extractions alone.
        control: read each mark in the unmarked network too, as it is and after the same modification or extraction.
        recipe: how marks go in: ``whole``, by all the epochs that ``suggested`` has; ``default``, as ``embed`` does it where
            nothing is said of training, settled where that is enough.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    data: str = "digits"
    arch: str = "cnn"
    schemes: tuple[Entry, ...] = ()
    attacks: tuple[Entry, ...] = ()
    sweep: bool = False
    seeds: tuple[int, ...] = (0,)
    thief: float = 0.3
    most: int = 0
    epochs: int = 0
    owner: int = 0
    payloads: int = 1
    control: bool = False
    recipe: Literal["whole", "default"] = "whole"

    def __post_init__(self) -> None:
        if not 0 < self.thief < 1:
            raise UsageError(f"expected a thief's share between 0 and 1, got {self.thief}")
        if (
            not self.seeds
            or not 0 <= min(self.seeds) <= max(self.seeds) < 2**32
            or len(set(self.seeds)) < len(self.seeds)
        ):
            raise UsageError(f"expected different seeds from 0 to 2**32 - 1, got {list(self.seeds)}")
        for entry in (*self.schemes, *self.attacks):
            if not isinstance(entry, Entry):
                raise UsageError(f"expected schemes and attacks as Entry(name), got {entry!r}"[:200])
        if min(self.most, self.epochs, self.owner) < 0:
            raise UsageError("expected most, epochs and owner from 0 on, got a negative one")
        if self.payloads < 1:
            raise UsageError(f"expected at least one payload, got {self.payloads}")
        if self.recipe not in RECIPES:
            raise UsageError(f"expected the recipe {' or '.join(RECIPES)}, got {self.recipe!r}")

    @property
    def limits(self) -> dict[str, int | float]:
        """How much the owner trains on, and how much the thief holds."""
        return {"thief": self.thief, "most": self.most, "epochs": self.epochs, "owner": self.owner}

    @property
    def setup(self) -> str:
        """Digest of what makes two grids' rows comparable, beside schemes, attacks and seeds."""
        fixed = [self.data, self.arch, *self.limits.values(), *([self.recipe] if self.recipe != RECIPES[0] else [])]
        return hashing.digest("audit-setup", json.dumps(fixed).encode()).hex()[:12]

    def scheme_entries(self) -> tuple[Entry, ...]:
        """Return the schemes to mark with."""
        return self.schemes or tuple(
            Entry(name) for name in names_for(_INPUTS.get(self.data.partition(":")[0], "pictures"))
        )

    def attack_entries(self) -> tuple[Entry, ...]:
        """Return the attacks, each with the settings to run."""
        named = self.attacks or tuple(Entry(name) for name in sorted(ATTACKS))
        return tuple(
            Entry(entry.name, tuple(attack_class(entry.name).strengths))
            if self.sweep and entry.strengths == ({},)
            else entry
            for entry in named
        )


_QUICK = (
    "prune", "finetune", "quantise", "noise", "permute", "overwrite", "retrain", "fine-prune", "average", "ft-sam",
    "jpeg", "squeeze", "gaussian-filter", "blockdoor-ood", "weight-statistics", "adversarial-triggers",
)  # fmt: skip
GRIDS = {
    "quick": Grid(attacks=tuple(Entry(name) for name in _QUICK)),
    "standard": Grid(arch="lenet5", data="", sweep=True, thief=0.2, most=2000, owner=20_000, epochs=6),
    "full": Grid(arch="lenet5", data="", sweep=True, thief=0.3, most=10_000, seeds=(0, 1, 2)),
}
"""``quick``: digits, some attacks, minutes. ``standard`` and ``full``: on the data named with ``--data``; hours, a day."""


def load(name: str, **instead: Any) -> Grid:
    """Return a built-in grid, the one in a ``.toml`` file, or ``module:NAME`` (which runs the module).

    Args:
        name: of the grid.
        **instead: fields that a person typed, in place of the grid's own.

    Raises:
        UsageError: no such grid, or one with a mistake in it.
    """
    if name in GRIDS:
        return checked(replace(GRIDS[name], **instead))
    if name.endswith(".toml"):
        return checked(_from_toml(Path(name), instead))
    if ":" not in name:
        raise UsageError(f"expected a grid, got {name!r}", hint=suggest(name, [*GRIDS, "FILE.toml", "module:GRID"]))
    found = import_object(name)
    if not isinstance(found, Grid):
        raise UsageError(f"expected a Grid at {name}, got {type(found).__name__}")
    return checked(replace(found, **instead))


def checked(grid: Grid) -> Grid:
    """Return the grid after making every scheme and attack it names once, so that mistakes show before any work.

    Raises:
        UsageError: an unknown name or setting; near ones are suggested.
    """
    if grid.data and grid.data.partition(":")[0] not in KINDS:
        raise UsageError(f"expected data such as digits or idx:DIR, got {grid.data!r}", hint=suggest(grid.data, KINDS))
    if grid.arch.startswith(PREFIX):
        recorded(grid.arch)
    elif ":" in grid.arch:
        import_object(grid.arch)
    elif grid.arch not in ARCHITECTURES:
        raise UsageError(f"expected a known architecture, got {grid.arch!r}", hint=suggest(grid.arch, ARCHITECTURES))
    for entry in grid.scheme_entries():
        if len(entry.strengths) != 1:
            raise UsageError(f"expected one set of settings for scheme {entry.name}, got {len(entry.strengths)}")
        options.make(scheme_class(entry.name, trusted=True), entry.strengths[0])
    for entry in grid.attack_entries():
        for settings in entry.strengths:
            options.make(attack_class(entry.name), settings)
    return grid


def _from_toml(path: Path, instead: Mapping[str, Any]) -> Grid:
    if not path.is_file():
        raise UsageError(f"expected a grid in TOML at {path}, found none", hint="or quick, standard, full, module:GRID")
    try:
        if path.stat().st_size > _MAX_FILE:
            raise UsageError(f"expected a grid of at most {_MAX_FILE} bytes, {path} has more")
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"expected a grid in TOML, {path}: {reason}") from None
    known = [item.name for item in fields(Grid)]
    for name in values:
        if name not in known:
            raise UsageError(f"expected a field of a grid, {path.name} has {name!r}", hint=suggest(name, known))
    for name in ("schemes", "attacks"):
        if name in values:
            values[name] = _entries(name, values[name])
            if not values[name]:
                raise UsageError(
                    f"expected some {name} in {path.name}, got none", hint="left out, they are all there are"
                )
            if any(":" in entry.name for entry in values[name]):
                raise UsageError(
                    f"expected {name} of modelmark in {path.name}, got a module",
                    hint="importing it runs its code: put such a grid into Python, module:GRID",
                )
    try:
        grid = replace(TypeAdapter(Grid).validate_python(values), **instead)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"expected for {place} in {path.name}: {first['msg']}; got {first['input']!r}"[:300]) from None
    if ":" in grid.arch and not grid.arch.startswith(PREFIX) and "arch" not in instead:
        raise UsageError(
            f"expected an architecture of modelmark in {path.name}, got {grid.arch!r}",
            hint="importing it runs its code: name it where the audit is started, or put such a grid into Python, module:GRID",
        )
    return grid


def _entries(room: str, value: Any) -> list[Entry]:
    """Return the entries of a list of names, or of a table from names to settings.

    A table's value is a table of settings, or a list of such tables: the strengths.
    """
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return [Entry(name) for name in value]
    if isinstance(value, dict):
        listed = {name: given if isinstance(given, list) else [given] for name, given in value.items()}
        if all(listed.values()) and all(isinstance(one, dict) for given in listed.values() for one in given):
            return [Entry(name, tuple(given)) for name, given in listed.items()]
    raise UsageError(f"expected {room} as a list of names, or as tables [{room}.NAME] of settings, got {value!r}"[:300])
