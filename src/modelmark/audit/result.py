"""One row of an audit: plain data, from which every number of a report is recomputed.

::

    {"type": "modelmark.result", "v": 1, "scheme": "adi", "attack": "prune", "settings": {"amount": 0.5}, "strength": 1,
     "kind": "modification", "family": "pruning", "access": "black-box", "data": "digits", "arch": "cnn", "seed": 0,
     "status": "done", "reason": "", "accuracy": {"host": 0.989, "marked": 0.986, "after": 0.981},
     "marked": {... Evidence.to_json() before the attack ...}, "after": {... after it ...},
     "thief": {"samples": 431, "share": 0.3}, "cost": {"cpu_s": 0.1, "wall_s": 0.1, "training_cpu_s": 9.3}, ...}
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from modelmark.errors import MalformedError
from modelmark.evidence import stats

FIELD_LEVEL = 0.05
"""Level of the decision threshold in Lukas et al. 2022, from which the field's "no" is recomputed."""
FIELD_LOSS = 0.05
"""Accuracy an attack may cost, as a share of all answers, to count as successful there; of language models, of perplexity."""
BEGINNING = b'{"type": "modelmark.result", "v": 1, '
"""How every row begins; what is torn off a row begins so too."""
INDEPENDENT = "independent"
"""In place of an attack and its kind, where nothing was stolen: a network of the same make without a mark was read."""
RECIPES = ("whole", "default")
"""How marks went in: by all the epochs of the recipe, as in rows that say nothing of it, or as ``embed`` does it by default."""
_LONGEST = 1 << 20
_MOST = 1 << 14


@dataclass(frozen=True)
class Accuracy:
    """Shares of right answers on the test data; ``after`` is None where there is no attacked model.

    Args:
        host: of the unmarked network.
        marked: of the marked one.
        after: of the attacked one, or of the filtered API.
    """

    host: float
    marked: float
    after: float | None = None


@dataclass(frozen=True)
class Perplexity:
    """Perplexities of a language model on the test data, at least 1; ``after`` is None where there is no attacked model.

    Args:
        host: of the unmarked network.
        marked: of the marked one.
        after: of the attacked one.
    """

    host: float
    marked: float
    after: float | None = None


@dataclass(frozen=True)
class Cost:
    """Seconds, of one thread.

    Args:
        cpu_s: of the attack.
        wall_s: of the attack.
        training_cpu_s: of training the unmarked network, to compare with.
    """

    cpu_s: float
    wall_s: float
    training_cpu_s: float


class Reading(TypedDict, total=False):
    """What ``Evidence.to_json`` or ``Observation.to_json`` gives, as far as it is used here; an observation has no bits."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    scheme: Required[str]
    matches: Required[Annotated[int, Field(ge=0, le=_MOST)]]
    trials: Required[Annotated[int, Field(ge=1, le=_MOST)]]
    verdict: Required[Literal["established", "not established"]]
    chance: Annotated[str, Field(pattern=r"^1/[1-9][0-9]{0,8}$")]
    gross_bits: float
    net_bits: float
    charges: list[dict[str, Any]]
    bar: float
    queries: int


@dataclass(frozen=True)
class Result:
    """One cell of an audit.

    Args:
        scheme: name in the table of schemes.
        attack: name in the table of attacks.
        settings: of the attack, as given; the rest are its defaults.
        strength: which of the attack's strengths, from 0.
        kind: of the attack, see ``attacks.base``; or ``INDEPENDENT``, as is then ``attack``: ``after`` is read in an unmarked
            network of the same configuration and data, of another seed.
        family: of the attack.
        access: what reading the mark needs: ``black-box`` or ``white-box``.
        data: data specification.
        arch: architecture.
        seed: of everything but keys.
        status: ``done``; ``refused`` (the attack does not apply, or the mark could not be embedded); ``failed`` (an error).
        reason: why it was refused or failed.
        accuracy: before and after.
        marked: evidence of the mark before the attack, as ``Evidence.to_json`` gives it.
        after: evidence after it; None where there is nothing to read.
        thief: ``samples`` and ``share`` of the training data; after overwriting also ``evidence`` of the thief's own mark.
        forged: for forgeries: ``naive`` match rate of the forger's own message and ``tries``.
        finding: for detections: what was found in the ``marked`` network and in the unmarked ``host``.
        cost: of the attack.
        versions: of modelmark, torch and Python.
        machine: processor and threads.
        started: ISO 8601, UTC.
        scheme_settings: as given; the rest are defaults.
        setup: digest of what else the grid fixes, such as how much data the thief holds; rows of two setups do not mix.
        limits: that, in plain numbers: ``thief``, ``most``, ``epochs`` and ``owner`` of the grid.
        payload: which of the keys for this scheme and network, from 0.
        control: where it was measured: the same mark read in the unmarked network (``host``), and in that network after the same
            attack (``after``).
        perplexity: before and after, of language models, of which accuracy says little; None of others.
        recipe: how the mark went in, one of ``RECIPES``.
    """

    scheme: str
    attack: str
    settings: Mapping[str, Any]
    strength: int
    kind: str
    family: str
    access: str
    data: str
    arch: str
    seed: int
    status: Literal["done", "refused", "failed"]
    reason: str = ""
    accuracy: Accuracy | None = None
    marked: Reading | None = None
    after: Reading | None = None
    thief: Mapping[str, Any] = field(default_factory=dict)
    forged: Mapping[str, Any] | None = None
    finding: Mapping[str, Any] | None = None
    cost: Cost | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    scheme_settings: Mapping[str, Any] = field(default_factory=dict)
    setup: str = ""
    limits: Mapping[str, int | float] = field(default_factory=dict)
    payload: int = 0
    control: Mapping[Literal["host", "after"], Reading] | None = None
    perplexity: Perplexity | None = None
    recipe: Literal["whole", "default"] = "whole"

    @property
    def cell(self) -> tuple[Any, ...]:
        """What tells rows apart; a row with the same cell is not measured again."""
        given = json.dumps([self.scheme_settings, self.settings], sort_keys=True)
        return (self.scheme, self.attack, given, self.data, self.arch, self.seed, self.setup, self.payload)

    @property
    def lost(self) -> float | None:
        """Accuracy that the attack cost, as a share of all answers; negative where it gained.

        Of language models the rise of perplexity, as a share of what it was.
        """
        if self.kind == INDEPENDENT:
            return None
        if self.perplexity is not None:
            return None if self.perplexity.after is None else self.perplexity.after / self.perplexity.marked - 1
        if self.accuracy is None or self.accuracy.after is None:
            return None
        return self.accuracy.marked - self.accuracy.after

    @property
    def net_bits(self) -> float | None:
        """Net bits after the attack; None where nothing was read or no exact test exists."""
        return None if self.after is None else self.after.get("net_bits")

    @property
    def removed(self) -> bool | None:
        """Whether an established mark is established no more; None where that is no question."""
        if self.marked is None or self.after is None or self.forged is not None or self.finding is not None:
            return None
        if self.kind == INDEPENDENT:
            return None
        if self.marked["verdict"] != "established":
            return None
        return bool(self.after["verdict"] != "established")

    @property
    def succeeded(self) -> bool | None:
        """Whether the attack removed the mark at a cost of at most ``FIELD_LOSS``."""
        removed, lost = self.removed, self.lost
        return None if removed is None or lost is None else removed and lost <= FIELD_LOSS

    @property
    def field_removed(self) -> bool | None:
        """Whether a threshold at level 0.05 would say "no" after the attack (Lukas et al. 2022); None where unknown."""
        if self.removed is None or self.after is None or "chance" not in self.after:
            return None
        bits = stats.tail_bits(self.after["matches"], self.after["trials"], Fraction(self.after["chance"]))
        return bits < -math.log2(FIELD_LEVEL)

    @property
    def share_of_training(self) -> float | None:
        """Cost of the attack as a share of training the unmarked network."""
        return self.cost.cpu_s / self.cost.training_cpu_s if self.cost and self.cost.training_cpu_s else None

    def line(self) -> str:
        """Return the row as one line of JSON, without its end."""
        values = asdict(self)
        if self.perplexity is None:  # rows of classifiers are what they were
            del values["perplexity"]
        if self.recipe == RECIPES[0]:  # likewise
            del values["recipe"]
        return json.dumps({"type": "modelmark.result", "v": 1, **values}, allow_nan=False)


_ADAPTER = TypeAdapter(Result)


def parse(line: str) -> Result:
    """Return the result in one line.

    Raises:
        MalformedError: the line is no result of this version.
    """
    try:
        values = json.loads(line)
        if not isinstance(values, dict) or values.pop("type", "") != "modelmark.result" or values.pop("v", 0) != 1:
            raise MalformedError(f"expected a line of type modelmark.result version 1, got {line[:60]!r}")
        return _ADAPTER.validate_json(json.dumps(values), strict=True)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            error = ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        raise MalformedError(f"expected a result, got a line with {error}"[:300]) from None


def read(path: Path) -> tuple[list[Result], int]:
    """Return the results in a file, of each cell the last, and the number of bytes in whole lines.

    A last line without its end, torn when a run was killed, is left out.

    Raises:
        MalformedError: another line is no result.
    """
    raw = path.read_bytes()
    whole = raw.rfind(b"\n") + 1
    return list(_latest(_lines(path, raw[:whole]))), whole


def _lines(path: Path, raw: bytes) -> Iterable[Result]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            if len(line) > _LONGEST:
                raise MalformedError(f"expected at most {_LONGEST} bytes, got {len(line)}")
            yield parse(line.decode())
        except (MalformedError, UnicodeDecodeError) as error:
            raise MalformedError(f"{path.name}, line {number}: {error}") from None


def _latest(results: Iterable[Result]) -> Iterable[Result]:
    return {result.cell: result for result in results}.values()
