"""The plot of docs/schemes/field.md, from the rows of ``field.py``; every measurement a point, lines through their means.

Run: ``python benchmarks/field_plots.py docs/img`` (needs matplotlib).
"""

import statistics
import sys
from pathlib import Path
from typing import Any

from field_tables import BAR, best, part, points


def draw(folder: Path) -> None:
    """Draw bits against points lost, queries, the thief's pictures and rehearsals, at 16 x 16."""
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "modelmark"
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 6.2), layout="constrained")
    colours = {"marked": "#4a6fa5", "student of labels": "#c2571a"}
    colours |= {"student of probabilities": "#3f8f5f", "student of labels, cnn": "#8e6bb0"}
    wide = {"size": 16}
    for suspect, colour in colours.items():
        found = part("survival", suspect=suspect, **wide)
        mine = [row for row in found if row["seed"] == 0]
        if len(mine) > 1:
            marked = {row["lose"]: points(row) for row in part("survival", suspect="marked", seed=0, **wide)}
            curve(axes[0, 0], [(marked[row["lose"]], best(row)) for row in mine], suspect, colour)
        asked = [(int(count), best(row, int(count))) for row in found if row["lose"] == 0.9 for count in row["bits"]]
        curve(axes[0, 1], asked, suspect, colour)
        if suspect == "student of labels":
            few = [(row["pictures"], best(row)) for row in part("pictures", seed=0, **wide)]
            few += [(17_500, best(row)) for row in found if row["lose"] == 0.9 and row["seed"] == 0]
            curve(axes[1, 0], few, suspect, colour)
        told = [row for row in part("rehearsals", queries="chosen", **wide) if suspect in row]
        curve(axes[1, 1], [(row["rehearsals"], best(row[suspect])) for row in told], suspect, colour)
    titles = ("points lost by the mark", "queries, labels alone", "pictures of the thief", "rehearsals")
    for axis, title in zip(axes.flat, titles, strict=True):
        axis.axhline(BAR, color="#999999", linewidth=0.8, linestyle=":")
        axis.set_xlabel(title, fontsize=9)
        axis.set_ylabel("gross bits", fontsize=9)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 1].legend(fontsize=8, frameon=False)
    figure.savefig(folder / "field-frontier.svg", metadata={"Date": None})


def curve(axis: Any, found: list[tuple[float, float]], label: str, colour: str) -> None:
    """Draw every measurement as a point and a line through their means."""
    if not found:
        return
    means = {x: statistics.mean(y for other, y in found if other == x) for x in sorted({x for x, _ in found})}
    axis.plot(list(means), list(means.values()), color=colour, linewidth=1.4, label=label)
    axis.plot([x for x, _ in found], [y for _, y in found], "o", color=colour, markersize=3.5)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
