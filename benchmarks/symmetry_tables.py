"""The tables of docs/alignment.md, from the rows that ``symmetries.py`` wrote."""

from collections.abc import Callable

from _rows import Row, markdown, rows


def symmetries() -> str:
    """Return a line for each symmetry: bits plainly read and aligned, a column a network and scheme."""
    found = [row for row in rows("symmetries") if "attack" in row]
    columns = list(dict.fromkeys((row["network"], row["scheme"]) for row in found))
    body = []
    for attack in dict.fromkeys(row["attack"] for row in found):
        own = {(row["network"], row["scheme"]): row for row in found if row["attack"] == attack}
        body.append(
            [", ".join(f"`{each}`" for each in attack.split(", ")), *(_cell(own.get(each)) for each in columns)]
        )
    trials = {(row["network"], row["scheme"]): row["trials"] for row in found if row.get("trials")}
    return markdown(["symmetry", *(f"{name}: `{scheme}`, of {trials[name, scheme]}" for name, scheme in columns)], body)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return "has none" if row["plain"] is None else f"{row['plain']}, {row['aligned']}"


def null() -> str:
    """Return how often the charged best of all readings of networks without the mark reaches a level."""
    found = [row for row in rows("symmetries") if "unmarked" in row]
    levels = list(found[0]["reaches"]) if found else []
    body = [["stated", "", "", *(f"{2.0 ** -int(level):.2g}" for level in levels)]]
    for row in found:
        shares = [f"{row['reaches'][level]:.2g}" for level in levels]
        body.append([f"{row['network']}, {row['unmarked']}", f"`{row['scheme']}`", str(row["readings"]), *shares])
    return markdown(["network without the mark", "scheme", "readings", *(f"{level} bits" for level in levels)], body)


TABLES: dict[str, Callable[[], str]] = {"symmetries": symmetries, "symmetries-null": null}
