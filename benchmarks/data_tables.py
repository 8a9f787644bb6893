"""Tables of docs/schemes/{twins,order,choice}.md, from the rows that ``data_marks.py`` wrote."""

from collections.abc import Callable
from functools import partial

from _rows import Row, markdown, rows


def part(name: str) -> list[Row]:
    return [row for row in rows("data-marks") if row["part"] == name]


def told(found: list[Row], field: str) -> str:
    """Return bits and matches by a reading, seed by seed."""
    return "; ".join(f"{row[field]['bits']:.0f} ({row[field]['matches']})" for row in found)


def choice() -> str:
    """Return bits by prompts and epochs."""
    body = []
    for count, epochs in dict.fromkeys((row["count"], row["epochs"]) for row in part("choice") if row["count"]):
        found = [row for row in part("choice") if (row["count"], row.get("epochs")) == (count, epochs)]
        worst = max(row["wrong key"]["bits"] for row in found)
        perplexity = ", ".join(f"{row['perplexity']:.2f}" for row in found)
        body.append(
            [f"{count}", f"{epochs}", told(found, "reference"), told(found, "none"), f"{worst:.1f}", perplexity]
        )
    header = [
        "prompts",
        "epochs",
        "bits (matches), reference the API's own",
        "no reference",
        "another key",
        "perplexity",
    ]
    return markdown(header, body)


def enemies() -> str:
    """Return what each enemy leaves."""
    body = [
        [row["enemy"], f"{row['bits']:.0f}", f"{row['matches']}", f"{row['perplexity']:.2f}"] for row in part("enemies")
    ]
    return markdown(["the student, and its enemies", "bits", "matches", "perplexity"], body)


def twins() -> str:
    """Return bits by records and epochs, what the text as it was gives, and what tuning leaves."""
    body = []
    for row in part("twins"):
        tuned = ", ".join(f"{row[f'tuned {more}']:.0f}" for more in (1, 2, 4) if f"tuned {more}" in row)
        plain = f"{row['plain']:.2f}" if "plain" in row else ""
        seen = [f"{row['count']}", f"{row['epochs']}", f"{row['seed']}", f"{row['bits']:.0f}", f"{row['matches']}"]
        body.append([*seen, f"{row['perplexity']:.2f}", plain, tuned])
    header = [
        "pairs",
        "epochs",
        "seed",
        "bits",
        "matches",
        "perplexity",
        "of the text as it was",
        "tuned 1, 2, 4 epochs",
    ]
    return markdown(header, body)


def digits() -> str:
    """Return bits of pictures in two versions, and accuracy beside training without them."""
    body = []
    for row in part("digits"):
        accuracy = f"{100 * row['accuracy']:.2f} / {100 * row['plain']:.2f}"
        seen = [f"{row['count']}", f"{row['epochs']}", f"{row['seed']}"]
        body.append([*seen, told([row], "reference"), told([row], "none"), f"{row['unmarked']['bits']:.1f}", accuracy])
    header = [
        "pairs",
        "epochs",
        "seed",
        "bits (matches), with a reference",
        "without",
        "unmarked",
        "accuracy %, marked / unmarked",
    ]
    return markdown(header, body)


def order() -> str:
    """Return bits by records, epochs and course of the rate."""
    body = []
    for row in part("order"):
        tuned = ", ".join(f"{row[f'tuned {more}']:.0f}" for more in (500, 1500) if f"tuned {more}" in row)
        none = f"{row['none']:.0f}" if "none" in row else ""
        seen = [f"{row['count']}", f"{row['epochs']}", row["rate"], f"{row['reference']:.0f}", none]
        body.append([*seen, tuned, f"{row['perplexity']:.2f}"])
    header = [
        "records",
        "epochs",
        "rate",
        "bits, with a reference",
        "without",
        "tuned on 500, 1,500 rows",
        "perplexity",
    ]
    return markdown(header, body)


def chance(*names: str) -> str:
    """Return how often so many bits came by luck."""
    body = []
    for row in part("chance"):
        if row["scheme"] in names:
            rule = ("first", "second")[row["rule"]]
            reached = [f"{row['reached'][level]:.4f}" for level in ("1", "2", "4", "8")]
            body.append([row["suspect"], f"{row['scheme']}, {rule} rule", row["method"], *reached])
    stated = [f"{2.0**-level:.4f}" for level in (1, 2, 4, 8)]
    header = ["model that learned neither", "reading", "tail", "1 bit", "2 bits", "4 bits", "8 bits"]
    return markdown(header, [["stated", "", "", *stated], *body])


TABLES: dict[str, Callable[[], str]] = {
    "choice-bits": choice,
    "choice-enemies": enemies,
    "choice-chance": partial(chance, "choice"),
    "twins-bits": twins,
    "twins-digits": digits,
    "twins-chance": partial(chance, "twins"),
    "order-bits": order,
    "order-chance": partial(chance, "order", "order, 16 slots"),
}
