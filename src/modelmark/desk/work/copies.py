"""Who has a copy: the rows of a registry."""

from modelmark.copies.reading import require_spread
from modelmark.copies.registry import Registry
from modelmark.desk import pages
from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step, keys

MOST = 10_000
"""Rows on a page."""


def run(given: Given, step: Step) -> Result:
    """Return the list of copies.

    Raises:
        RefusedError: a file is not what it should be, or the registry is of another key.
    """
    step("opening the key")
    (key,) = keys.opened(given)
    require_spread(key)
    step("reading the registry")
    (path,) = given.every("registry")
    registry = Registry(path)
    registry.bind(str(key.statement["root"]), None)
    rows = list(registry.copies())
    title = f"{len(rows):,} {'customer has' if len(rows) == 1 else 'customers have'} a copy"
    return Result(
        title, pages.rendered("copies.html.j2", title=title, rows=rows[:MOST], more=len(rows[MOST:])), name="copies"
    )
