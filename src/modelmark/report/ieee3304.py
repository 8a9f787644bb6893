"""The rows of an audit in the tables of IEEE 3304, the standard's way of testing a watermark: M unmarked networks, D payloads.

IEEE 3304-2023 adopts Neural Network Watermarking 1.0 of MPAI, whose public pages give the procedure: M networks without a mark,
D payloads put into a copy of each, one modification made on all M x (D + 1) networks, the detector's false alarms and missed
detections counted over them, and the symbol error rate of the decoder averaged. IEEE's own edition and MPAI's table of
modifications and parameter ranges were not read, so nothing here says that a procedure conforms.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from modelmark.naming import counted
from modelmark.report.labels import clean, percent, points, rate, settings
from modelmark.report.parts import Part, parts
from modelmark.report.plain import WIDTH, filled, heading
from modelmark.report.rows import Audit, Row

TABLED = ("modification", "extraction")
NOTES = (
    "From MPAI's public pages on NNW 1.0, which IEEE 3304-2023 adopts: M unmarked networks, D payloads, a modification made on "
    "all M x (D + 1) networks, false positives and negatives as ratios of M x (D + 1), the symbol error rate (SER) averaged over "
    "M x (D + 1); quality of inference of unmarked and of marked networks.",
    "Our reading: the detector says yes where evidence is established at its bar, after charges; a symbol is wrong where the "
    "answer is not the one drawn; the payload of an unmarked network is what its marked copies carry, and it counts as marked if "
    "any one of these is found; each payload comes with a key of its own, as a message is drawn for a key; strengths are "
    "settings of our attacks.",
    "Not done: IEEE's edition and the table of modifications were not read, so attacks are not matched with its entries; data "
    "ten times as many as parameters are not asked for; of the cost of embedding and detecting an audit measures the queries "
    "of a reading alone. These tables are no statement of conformance.",
)


@dataclass(frozen=True)
class Line:
    """One modification at one strength, on all networks of one scheme.

    Args:
        name: the attack and its settings.
        marked: readings of marked networks.
        unmarked: of each unmarked network the readings for all payloads.
        qualities: accuracies of the marked networks.
    """

    name: str
    marked: tuple[Any, ...]
    unmarked: tuple[tuple[Any, ...], ...]
    qualities: tuple[float, ...]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """True positives, false negatives, false positives, true negatives."""
        hits, alarms = (
            sum(map(_detected, self.marked)),
            sum(any(map(_detected, readings)) for readings in self.unmarked),
        )
        return hits, len(self.marked) - hits, alarms, len(self.unmarked) - alarms


def tables(audit: Audit, setup: str = "") -> str:
    """Return the tables as text, in at most 100 columns, without an end of line.

    Args:
        audit: rows; those measured without a control leave the columns of unmarked networks empty.
        setup: digest of the one setup to show; empty: all.
    """
    lines = ["IEEE 3304 (MPAI-NNW 1.0): the rows of an audit in its tables"]
    lines += [text for note in NOTES for text in filled(note, 2)]
    for part in parts([row for row in audit.rows if setup in ("", row.result.setup)]):
        lines += heading(f"{part.data}, {part.arch}" + (f", setup {part.setup}" if part.setup else ""))
        for scheme in part.schemes:
            lines += _scheme(part, scheme)
    return "\n".join(line.rstrip() for line in lines)


def _scheme(part: Part, scheme: str) -> list[str]:
    rows = [row for name, row in part.rows if name == scheme]
    embedded = [row for row in rows if row.result.marked is not None]
    M = len({row.result.seed for row in rows})
    D = len({row.result.payload for row in rows})
    marked = _once(embedded)
    head = f"{scheme}: M = {M}, D = {D}; {len(marked)} of M x D = {M * D} networks marked"
    if not marked:
        reason = clean(next((row.result.reason for row in rows if row.result.reason), "no reason given"))
        return ["", *filled(f"{head}: {reason}", 0)]
    lines = _lines([row for row in rows if row.result.kind in TABLED])
    left = sorted({clean(row.result.kind, 40) for row in rows} - set(TABLED))
    return [
        "",
        *filled(f"{head}; {_payload(marked)}", 0),
        *filled(_quality(marked), 2),
        *filled(_alarms(lines[0], marked[0].result.marked), 2),
        *filled(f"not in these tables: attacks of other kinds ({', '.join(left)})" if left else "", 2),
        *_table(lines, M, D),
    ]


def _payload(marked: Sequence[Row]) -> str:
    sizes = {(row.result.marked["trials"], _alphabet(row.result.marked)) for row in marked if row.result.marked}
    told = [
        f"{trials} symbols" + (f" of alphabet {alphabet} ({trials * math.log2(alphabet):.1f} bits)" if alphabet else "")
        for trials, alphabet in sorted(sizes)
    ]
    queries = sorted({row.result.marked.get("queries", 0) for row in marked if row.result.marked} - {0})
    return f"payload {' or '.join(told)}" + (
        f"; {' or '.join(f'{count:,}' for count in queries)} queries a reading" if queries else ""
    )


def _quality(marked: Sequence[Row]) -> str:
    kept = [row.result.accuracy for row in marked if row.result.accuracy]
    if not kept:
        return "imperceptibility: not measured"
    hosts = list({row.result.seed: row.result.accuracy.host for row in marked if row.result.accuracy}.values())
    worst = max(one.host - one.marked for one in kept)
    return (
        f"imperceptibility: right answers {rate(_mean(hosts))} unmarked (mean of {len(hosts)}), "
        f"{rate(_mean([one.marked for one in kept]))} marked (mean of {len(kept)}); the largest loss {points(worst)} points"
    )


def _alarms(plain: Line, marked: Any) -> str:
    if not plain.unmarked:
        return (
            "false positives: unknown, as no unmarked network was judged in these rows; modelmark audit --protocol ieee-3304 "
            "judges them"
        )
    alarms, seen = plain.counts[2], len(plain.unmarked)
    unseen = (
        f", which leaves rates up to {percent(1 - 0.05 ** (1 / seen))} possible at 95 % confidence"
        if not alarms
        else ""
    )
    bound = f"; the evidence itself allows 2^-{marked['bar']:g} a key" if "bar" in marked and "chance" in marked else ""
    return f"false positives before any modification: {alarms} of {counted(seen, 'unmarked network')}{unseen}{bound}"


def _lines(rows: Sequence[Row]) -> list[Line]:
    """Return one line for networks as they are, and one for each attack and strength with the rows that were judged."""
    done = [row for row in rows if row.result.after is not None]
    first = _once([row for row in rows if row.result.marked is not None])
    plain = Line(
        "none",
        tuple(row.result.marked for row in first),
        _unmarked(_once([row for row in done if row.result.control]), "host"),
        tuple(row.result.accuracy.marked for row in first if row.result.accuracy),
    )
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in done:
        place = (row.result.attack, row.result.strength, json.dumps(row.result.settings, sort_keys=True, default=str))
        groups.setdefault(place, []).append(row)
    return [
        plain,
        *(
            Line(
                _name(group[0]),
                tuple(row.result.after for row in group),
                _unmarked(group, "after"),
                tuple(
                    row.result.accuracy.after
                    for row in group
                    if row.result.accuracy and row.result.accuracy.after is not None
                ),
            )
            for _, group in sorted(groups.items())
        ),
    ]


def _name(row: Row) -> str:
    given = settings(row.result.settings, WIDTH - 60)
    return clean(row.result.attack, 50) + (f" ({given})" if given else "")


def _unmarked(rows: Sequence[Row], when: Literal["host", "after"]) -> tuple[tuple[Any, ...], ...]:
    """Return the readings of unmarked networks, one tuple for each network."""
    networks: dict[int, list[Any]] = {}
    for row in rows:
        if row.result.control and when in row.result.control:
            networks.setdefault(row.result.seed, []).append(row.result.control[when])
    return tuple(map(tuple, networks.values()))


def _table(lines: Sequence[Line], M: int, D: int) -> list[str]:
    """Return the table of robustness, a line for each modification."""
    names = [text for text, _ in _COLUMNS]
    return [
        "",
        _laid(["modification", *names]),
        *(text for line in lines for text in _row(line, M, D)),
    ]


def _row(line: Line, M: int, D: int) -> list[str]:
    hits, missed, alarms, right = line.counts
    count = len(line.marked) + len(line.unmarked)
    whole, errors = bool(line.unmarked), list(map(_errors, line.marked))
    cells = [
        f"{len(line.marked)}/{M * D}", f"{len(line.unmarked)}/{M}",
        str(hits), str(missed), *((str(alarms), str(right)) if whole else ("–", "–")),
        _ratio(alarms, count) if whole else "–", _ratio(missed, count) if whole else "–",
        f"{_mean(errors):.3f}" if errors else "–",
        f"{_mean([*errors, *(_mean(map(_errors, readings)) for readings in line.unmarked)]):.3f}" if whole else "–",
        rate(_mean(line.qualities)) if line.qualities else "–",
    ]  # fmt: skip
    if len(line.name) <= _NAME - 3:
        return [_laid([line.name, *cells])]
    return [*filled(line.name, 2), _laid(["", *cells])]


_NAME = 26
_COLUMNS = (
    ("marked", 8), ("unmarked", 10), ("TP", 4), ("FN", 4), ("FP", 4), ("TN", 4), ("FP/n", 7), ("FN/n", 7), ("SER", 7),
    ("SER all", 9), ("quality", 9),
)  # fmt: skip


def _laid(texts: Sequence[str]) -> str:
    name, *cells = texts
    return f"  {name:{_NAME - 2}}" + "".join(
        f"{text:>{width}}" for text, (_, width) in zip(cells, _COLUMNS, strict=True)
    )


def _once(rows: Sequence[Row]) -> list[Row]:
    """Return one row for every network and payload."""
    return list({(row.result.seed, row.result.payload): row for row in rows}.values())


def _detected(reading: Any) -> bool:
    return bool(reading["verdict"] == "established")


def _errors(reading: Any) -> float:
    return 1 - float(reading["matches"]) / float(reading["trials"])


def _alphabet(reading: Any) -> int:
    return Fraction(reading["chance"]).denominator if "chance" in reading else 0


def _ratio(count: int, of: int) -> str:
    return f"{count / of:.3f}" if of else "–"


def _mean(values: Iterable[float]) -> float:
    every = list(values)
    return math.fsum(every) / len(every)
