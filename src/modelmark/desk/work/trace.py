"""Whose copy a suspect is, or was made of."""

from modelmark.claim.judging import wording
from modelmark.copies.reading import ITSELF, Traced
from modelmark.copies.registry import Registry
from modelmark.copies.tracing import told, weigh
from modelmark.desk import pages
from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step, keys, suspect, weights
from modelmark.errors import RefusedError
from modelmark.evidence.evidence import shown
from modelmark.naming import counted

MOST = 10_000
"""Rows on a page."""


def run(given: Given, step: Step) -> Result:
    """Return who is named, and what the suspect shows of everybody.

    Raises:
        RefusedError: a file is not what it should be, or the suspect cannot be read with the key.
    """
    step("opening the key")
    (mark,) = [Traced.of(mark) for mark in keys.marks(given, keys.opened(given))]
    step("reading the registry")
    (path,) = given.every("registry")
    registry = Registry(path)
    registry.bind(str(mark.key.statement["root"]), mark.draw)
    recipients = registry.recipients(mark.draw)
    step("opening the suspect")
    file = weights.opened(given.every("suspect"), given.every("base"))
    host = weights.opened(given.every("host")) if given.every("host") else None
    step("reading the suspect")
    refusals = list[RefusedError]()
    readings = suspect.read(mark, file, host, refusals, base=suspect.base_of(given))
    if refusals:
        raise suspect.explained(refusals[0])
    step(f"comparing it with {counted(len(recipients), 'copy', 'copies')}")
    found = weigh(mark, readings, recipients, suspects=given.numbers.get("suspects", 1))
    names = found.named
    title = f"Named: {', '.join(names[:5])}{' and others' * (len(names) > 5)}" if names else "Nobody is named"
    part = pages.rendered(
        "trace.html.j2",
        title=title,
        names=names,
        said=told([found]),
        limit=wording.NOT_THE_RECIPIENT,
        bar=f"{found.bar:g}",
        charges=[(charge.reason, shown(charge.bits)) for charge in found.charges],
        rows=[
            (row.recipient or ITSELF, shown(row.gross_bits), shown(row.net_bits), row.named)
            for row in found.rows[:MOST]
        ],
        more=len(found.rows[MOST:]),
        aligned=host is not None,
    )
    return Result(title, part, name="trace")
