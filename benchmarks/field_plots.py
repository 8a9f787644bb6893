"""The plot of docs/schemes/field.md, from the rows of ``field.py``; every measurement a point, lines through their means.

Run: ``python benchmarks/field_plots.py docs/img`` (needs matplotlib). A panel with fewer than two places measured is left out.
"""

import statistics
import sys
from pathlib import Path

from _rows import Row
from field_tables import BAR, best, part, points

COLOURS = {
    "marked": "#4a6fa5",
    "student of labels": "#c2571a",
    "student of probabilities": "#3f8f5f",
    "student of labels, cnn": "#8e6bb0",
}
ALL = 17_500
Curve = list[tuple[float, float]]


def panels() -> dict[str, dict[str, Curve]]:
    """Return what is drawn: the title of each panel, and by suspect its measurements; all at 16 x 16."""
    made: dict[str, dict[str, Curve]] = {}
    for suspect in COLOURS:
        found = part("survival", suspect=suspect, size=16)
        usual = [row for row in found if row["lose"] == 0.9]
        curves = {
            "points lost by the mark": [(_lost(row), best(row)) for row in found if row["seed"] == 0],
            "queries, labels alone": [(int(count), best(row, int(count))) for row in usual for count in row["bits"]],
            "rehearsals": [
                (row["rehearsals"], best(row[suspect]))
                for row in part("rehearsals", queries="chosen", size=16)
                if suspect in row
            ],
        }
        if suspect == "student of labels":
            few = [(row["pictures"], best(row)) for row in part("pictures", seed=0, size=16)]
            curves["pictures of the thief"] = few + [(ALL, best(row)) for row in usual if row["seed"] == 0]
        for title, curve in curves.items():
            if curve:
                made.setdefault(title, {})[suspect] = curve
    return {title: curves for title, curves in made.items() if len({x for c in curves.values() for x, _ in c}) > 1}


def _lost(row: Row) -> float:
    (marked,) = part("survival", suspect="marked", size=row["size"], seed=row["seed"], lose=row["lose"])
    return points(marked)


def draw(folder: Path) -> None:
    """Draw bits against points lost, queries, the thief's pictures and rehearsals."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "modelmark"
    drawn = panels()
    figure, axes = plt.subplots(1, len(drawn), figsize=(3.6 * len(drawn), 3.2), layout="constrained", squeeze=False)
    for axis, (title, curves) in zip(axes.flat, drawn.items(), strict=True):
        for suspect, curve in curves.items():
            means = {x: statistics.mean(y for other, y in curve if other == x) for x in sorted({x for x, _ in curve})}
            axis.plot(list(means), list(means.values()), color=COLOURS[suspect], linewidth=1.4, label=suspect)
            axis.plot([x for x, _ in curve], [y for _, y in curve], "o", color=COLOURS[suspect], markersize=3.5)
        axis.axhline(BAR, color="#999999", linewidth=0.8, linestyle=":")
        axis.set_xlabel(title, fontsize=9)
        axis.set_ylabel("gross bits", fontsize=9)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axes.flat[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside upper center", ncols=4
    )
    figure.savefig(folder / "field-frontier.svg", metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
