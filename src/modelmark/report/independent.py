"""What a scheme's marks read where nothing was stolen: unmarked networks of the same configuration and data."""

from dataclasses import dataclass

from modelmark.report.cells import established
from modelmark.report.parts import Part
from modelmark.report.rows import Row


@dataclass(frozen=True)
class Independent:
    """What a scheme's marks read in unmarked networks of the same make.

    Args:
        scheme: the scheme.
        most: the row with most evidence; of rows without an exact test the one with most matches.
        rows: every such row that was measured.
    """

    scheme: str
    most: Row
    rows: tuple[Row, ...]

    @property
    def established(self) -> int:
        """How many were taken for marked."""
        return sum(established(row.result.after) for row in self.rows)


def independents(part: Part) -> list[Independent]:
    """Return what was read in unmarked networks of the same make, by scheme; files from before these rows have none."""
    found = []
    for scheme in part.schemes:
        rows = tuple(row for name, row in part.independents if name == scheme and row.result.after is not None)
        if rows:
            found.append(Independent(scheme, max(rows, key=_evidence), rows))
    return found


def _evidence(row: Row) -> tuple[bool, float, float, float]:
    after = row.result.after
    if after is None:
        return False, 0.0, 0.0, 0.0
    gross, net = after.get("gross_bits", 0.0), after.get("net_bits", 0.0)
    return after["verdict"] == "established", net, gross, after["matches"] / after["trials"]
