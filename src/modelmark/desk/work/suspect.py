"""A suspect read with keys: what ``verify`` does, told in plain words."""

from collections.abc import Sequence

from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step, keys, telling, weights
from modelmark.errors import MismatchError, RefusedError, SuspectError, UsageError
from modelmark.evidence.combined import Combined, combine
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.marks.hosts import host_of, with_base
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Reading, Unread
from modelmark.models import ARCHITECTURES
from modelmark.naming import suggest
from modelmark.suspects.files import WeightFile
from modelmark.suspects.state import State

OTHERWISE_BUILT = (
    "the model may be built otherwise than the one that the key was made for; the unmarked model helps if layers were moved, "
    "and somebody who types commands can say how it is built: modelmark verify"
)


def run(given: Given, step: Step) -> Result:
    """Return what the keys say of the suspect.

    Raises:
        RefusedError: a file is not what it should be, or none of the keys can be read from this suspect.
    """
    step("opening the keys")
    marks = keys.marks(given, keys.opened(given))
    step("opening the suspect")
    file, base = weights.opened(given.every("suspect"), given.every("base")), base_of(given)
    arch = given.words.get("arch", "")
    if arch and arch not in ARCHITECTURES:
        raise UsageError(
            f"expected a network that modelmark builds by name, got {arch!r}", hint=suggest(arch, ARCHITECTURES)
        )
    host = weights.opened(given.every("host")) if given.every("host") else None
    found = list[Evidence | Observation]()
    refusals = list[RefusedError]()
    for number, mark in enumerate(marks, 1):
        step(f"reading the mark of key {number} of {len(marks)} ({mark.key.scheme.name})")
        readings = read(mark, file, host, refusals, base=base, arch=arch)
        step(f"weighing what key {number} of {len(marks)} found")
        found.append(mark.weigh(readings, suspects=given.numbers.get("suspects", 1)))
    if len(refusals) == len(marks):
        raise explained(refusals[0])
    evidence = [one for one in found if isinstance(one, Evidence)]
    together: Combined | None = combine(evidence) if len(evidence) > 1 else None
    return telling.reading(file, [mark.key for mark in marks], found, together)


def explained(error: RefusedError) -> RefusedError:
    """Return a refusal to read a suspect at all with a way on that somebody at a desk has."""
    if isinstance(error, MismatchError):
        error.hint = OTHERWISE_BUILT
    return error


def base_of(given: Given) -> WeightFile | None:
    """Return what an adapter stands on, if that was dropped."""
    return weights.opened(given.every("base")) if given.every("base") else None


def read(
    mark: Mark,
    file: WeightFile,
    host: WeightFile | None,
    refusals: list[RefusedError],
    *,
    base: WeightFile | None = None,
    arch: str = "",
) -> Sequence[Reading | Unread]:
    """Return the readings of one mark: as the suspect is, and beside the host where there is one and it helps.

    A mark that cannot be read counts as one that matches nowhere, beside those that can; why is added to ``refusals``.

    Args:
        mark: with its draw.
        file: of the suspect.
        host: that the key was made for.
        refusals: grows.
        base: what the suspect, an adapter, stands on.
        arch: how it is built, by name; empty: as the key says.
    """
    beside = host_of(mark.key, host) if host is not None and mark.key.access == "white-box" else None
    try:
        found = mark.readings(State(file, arch or mark.key.arch), align_to=beside)
        return found if base is None else with_base(mark, found, State(base, mark.key.arch))
    except (MismatchError, SuspectError) as error:
        refusals.append(error)
        return [Unread(str(error), error.hint)]
