"""Tables of docs/schemes/field-rivals.md, from the rows of ``rivals.py``."""

from collections.abc import Callable

from _rows import Row, each, markdown, rows

TITLES = {
    "margin": "`margin`",
    "entangled": "`entangled`",
    "composite": "`composite`",
    "coupled": "`coupled`",
    "adi": "`adi`",
    "zhang": "`zhang`",
    "certified": "`certified`",
    "classes": "`classes`",
    "frontier": "`frontier`",
    "blackmarks": "`blackmarks`",
    "dawn": "`dawn`",
    "class-feature": "class features: endless variants of each trigger",
    "cosine": "cosine signal on served answers, 64 waves",
    "radioactive": "radioactive training pictures, a direction for each class",
}
SUSPECTS = ("marked", "student of labels", "student of probabilities", "unmarked host")


def _cells(rival: str, suspect: str) -> list[Row]:
    found = [row for row in rows("rivals") if (row["rival"], row["suspect"]) == (rival, suspect)]
    return sorted(found, key=lambda row: row["seed"])


def _lost(rival: str) -> str:
    """Return the points of accuracy that the marked network has less than the unmarked one, seed by seed."""
    before = {row["seed"]: row["accuracy"] for row in _cells(rival, "unmarked host")}
    found = [row for row in _cells(rival, "marked") if row["seed"] in before]
    return each(f"{100 * (before[row['seed']] - row['accuracy']):+.2f}" for row in found)


def _bits(found: list[Row]) -> str:
    return each(f"{row['gross_bits']:.0f} ({row['matches']} of {row['trials']})" for row in found)


def compared() -> str:
    """Return what is left of each mark, seed by seed."""
    body = []
    for rival, title in TITLES.items():
        if _cells(rival, "marked"):
            seeds = each(row["seed"] for row in _cells(rival, "marked"))
            body.append([title, seeds, _lost(rival), *(_bits(_cells(rival, suspect)) for suspect in SUSPECTS)])
    header = [
        "mark",
        "seeds",
        "points lost",
        "marked itself",
        "student of labels",
        "student of probabilities",
        "unmarked host",
    ]
    return markdown(header, body) if body else "Not measured yet."


def errors() -> str:
    """Return how often networks err where the host errs, and as it does."""
    body = []
    for suspect in SUSPECTS[1:]:
        for row in _cells("errors", suspect):
            name = "the host itself" if suspect == "unmarked host" else suspect
            body.append([name, str(row["seed"]), *_agreed(row["agreed"], row), f"{100 * row['accuracy']:.1f}"])
            for other, count in row.get("others", {}).items():
                told = "student of the owner's own pictures" if other == "rehearsal" else f"independent: {other}"
                body.append([told, str(row["seed"]), *_agreed(count, row), ""])
    header = ["network", "seed", "answers the host's wrong label", "share", "accuracy %"]
    return markdown(header, body) if body else "Not measured yet."


def _agreed(count: int, row: Row) -> list[str]:
    return [f"{count} of {row['errors']}", f"{100 * count / row['errors']:.1f} %"]


TABLES: dict[str, Callable[[], str]] = {"rivals": compared, "rivals-errors": errors}
