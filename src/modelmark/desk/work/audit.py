"""An audit's report: what ``report`` makes of its rows."""

from modelmark.desk import pages
from modelmark.desk.given import Given
from modelmark.desk.work import Result, Step
from modelmark.naming import counted
from modelmark.report.head import head
from modelmark.report.page import page
from modelmark.report.parts import parts
from modelmark.report.rows import load
from modelmark.report.sentences import sentences


def run(given: Given, step: Step) -> Result:
    """Return the report, and its sentences for a page of the desk.

    Raises:
        MalformedError: not rows of an audit.
    """
    step("reading the results")
    audit = load(list(given.every("rows")))
    step(f"writing the report of {counted(len(audit.rows), 'row')}")
    torn = [(source.name, source.torn) for source in audit.sources if source.torn]
    part = pages.rendered(
        "audit.html.j2",
        title="What became of the marks",
        head=head(audit),
        torn=torn,
        parts=[
            (f"{one.data}, {one.arch}", [sentence.text for sentence in sentences(one)]) for one in parts(audit.rows)
        ],
    )
    return Result("What became of the marks", part, page(audit), "report")
