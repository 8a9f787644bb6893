"""Reading the files of an audit: rows with the lines they stand in, checked as far as arithmetic reaches."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from modelmark import files
from modelmark.audit.result import Reading, Result, parse
from modelmark.errors import MalformedError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR

_MOST = 1 << 29
_LONGEST = 1 << 20
_SLACK = 1e-6
_UNMARKED = {"host": "in the unmarked network before", "after": "in the unmarked network after"}
_BITS = 1 << 30
"""More than any charge or bar has."""


@dataclass(frozen=True)
class Row:
    """A result and where it stands.

    Args:
        result: what was measured.
        line: in its file, from 1.
        source: which of the files, from 1; 0 where there is one only.
    """

    result: Result
    line: int
    source: int = 0

    @property
    def ref(self) -> str:
        """What the row is called: its line, after the number of its file where there are several."""
        return f"{self.source}:{self.line}" if self.source else f"{self.line}"

    @property
    def anchor(self) -> str:
        """Name of the row's place on the page."""
        return "row-" + self.ref.replace(":", "-")


@dataclass(frozen=True)
class Source:
    """A file of results.

    Args:
        name: of the file, without its folder.
        rows: results in it, those measured again included.
        sha256: of the whole file, in hex.
        torn: line that has no end and was left out; 0: none.
    """

    name: str
    rows: int
    sha256: str
    torn: int = 0


@dataclass(frozen=True)
class Audit:
    """All that a report is made of.

    Args:
        rows: of each cell the last one.
        sources: the files.
        superseded: names of rows whose cell was measured again later.
    """

    rows: tuple[Row, ...]
    sources: tuple[Source, ...]
    superseded: tuple[str, ...] = ()


def load(paths: Sequence[Path]) -> Audit:
    """Return the rows of files, of each cell the last.

    A last line without its end, torn when a run was killed, is left out and named in its source.

    Raises:
        MalformedError: a file that is missing or too large, or a line that is no result, or one whose bits do not follow
            from its own counts.
        UsageError: no rows at all.
    """
    every: list[Row] = []
    sources = []
    for number, path in enumerate(paths, start=1):
        raw = _bytes(path)
        whole = raw.rfind(b"\n") + 1
        own = list(_rows(path, raw[:whole], number if len(paths) > 1 else 0))
        torn = raw.count(b"\n") + 1 if raw[whole:].strip() else 0
        sources.append(Source(path.name, len(own), hashlib.sha256(raw).hexdigest(), torn))
        every += own
    if not every:
        raise UsageError(f"expected rows of an audit in {', '.join(path.name for path in paths)}, got none")
    latest = {row.result.cell: row for row in every}
    kept = set(map(id, latest.values()))
    return Audit(
        tuple(row for row in every if id(row) in kept),
        tuple(sources),
        tuple(row.ref for row in every if id(row) not in kept),
    )


def _bytes(path: Path) -> bytes:
    files.require_readable(path, what="results of an audit")
    if path.stat().st_size > _MOST:
        raise MalformedError(f"expected results of at most {_MOST} bytes at {path}, got {path.stat().st_size}")
    raw = path.read_bytes()
    if other := files.told(raw[:64]):
        raise MalformedError(f"expected results of an audit in {path.name}, got {other}")
    return raw


def _rows(path: Path, raw: bytes, source: int) -> Iterator[Row]:
    for line, text in enumerate(raw.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            if len(text) > _LONGEST:
                raise MalformedError(f"expected at most {_LONGEST} bytes, got {len(text)}")
            yield Row(_checked(parse(text.decode())), line, source)
        except UnicodeDecodeError:
            raise MalformedError(f"expected results of an audit in {path.name}, got no text in line {line}") from None
        except MalformedError as error:
            raise MalformedError(f"{path.name}, line {line}: {error}") from None


def _checked(result: Result) -> Result:
    try:
        result.line()
    except ValueError:
        raise MalformedError("expected finite numbers, got one that is not") from None
    given = result.accuracy
    for share in (given.host, given.marked, given.after) if given else ():
        if share is not None and not 0 <= share <= 1:
            raise MalformedError(f"expected accuracies from 0 to 1, got {share}")
    for found in vars(result.perplexity).values() if result.perplexity else ():
        if found is not None and not found >= 1:
            raise MalformedError(f"expected perplexities from 1 on, got {found}")
    own = {"before": result.marked, "after": result.after}
    elsewhere = {_UNMARKED[name]: reading for name, reading in (result.control or {}).items()}
    for when, reading in (own | elsewhere).items():
        if reading is not None:
            _follows(when, reading)
    return result


def _follows(when: str, reading: Reading) -> None:
    """Refuse a reading whose bits or verdict are not what its counts, charges and bar give."""
    matches, trials = reading["matches"], reading["trials"]
    if matches > trials:
        raise MalformedError(f"expected at most {trials} matches {when} the attack, got {matches}")
    established = reading["verdict"] == "established"
    if "chance" not in reading:
        if established or reading.keys() & {"gross_bits", "net_bits"}:
            raise MalformedError(f"expected a chance behind the bits {when} the attack, got none")
        return
    chance = Fraction(reading["chance"])
    if chance == 1:
        raise MalformedError(f"expected a chance below 1 {when} the attack, got 1")
    gross = stats.tail_bits(matches, trials, chance)
    charges = [charge.get("bits") for charge in reading.get("charges", [])]
    if not all(isinstance(bits, float | int) and 0 <= bits <= _BITS for bits in charges):
        raise MalformedError(f"expected charges in bits {when} the attack, got {charges}"[:300])
    net = max(gross - math.fsum(bits for bits in charges if bits is not None), 0.0)
    for name, follows, said in (("gross", gross, reading.get("gross_bits")), ("net", net, reading.get("net_bits"))):
        if said is None or abs(said - follows) > _SLACK * max(follows, 1.0):
            raise MalformedError(
                f"expected {follows:.3f} {name} bits {when} the attack, of {matches} of {trials} at {chance}, got {said}"
            )
    bar, evidence = reading.get("bar", BAR), not dict(reading).get("self_check")
    if not 0 < bar <= _BITS:
        raise MalformedError(f"expected a bar above 0 bits {when} the attack, at most {_BITS}, got {bar}")
    if established != (net >= bar and evidence) and abs(net - bar) > _SLACK:
        raise MalformedError(
            f"expected a verdict by the bar of {bar:g} net bits {when} the attack, got {reading['verdict']}"
        )
