"""The page of a verdict: it stands by itself, says by word and sign what holds, and can be read in light and in dark."""

import dataclasses
import re
from html.parser import HTMLParser

import claim_cases as cases
import pytest
from verdict_cases import WAYS, dated, failing, judged

from modelmark.claim.judging import pages, telling
from modelmark.claim.papers import envelope
from modelmark.claim.papers.verdict import Check

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Tags in order, all attributes by name, and the texts of the checks' states."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def case(authorities):
    return judged(dated("timestamp", authorities), "timestamp", "matches")


@pytest.mark.parametrize(("draw", "end"), WAYS)
def test_a_page_stands_by_itself_and_is_well_formed(authorities, draw, end):
    found = judged(dated(draw, authorities), draw, end)
    page = pages.page(found.signed, found.claim, found.challenge, "Ada Lovelace")
    outline = Outline(page)
    assert not outline.open
    assert not {"script", "img", "link", "iframe", "object", "form", "a", "base"} & set(outline.tags)
    assert not {"src", "href", "action", "onload", "onclick", "style"} & outline.attributes.keys()
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?:", page)
    assert outline.tags.count("h1") == 1
    assert pages.page(found.signed, found.claim, found.challenge, "Ada Lovelace") == page


def test_states_are_told_apart_by_word_and_sign_and_not_by_colour_alone(case):
    broken = failing(case, "carriers", "invalid-claim")
    states = re.findall(
        r'<li class="(\S+)">\n<span class="state"><span aria-hidden="true">(.)</span> ([a-z ]+)</span>',
        pages.page(broken.signed),
    )
    checks = telling.tell(broken.signed).checks
    assert [(name.replace("-", " "), word) for name, _, word in states] == [(one.state, one.state) for one in checks]
    assert {(sign, word) for _, sign, word in states} == {("✓", "holds"), ("✗", "fails"), ("○", "not checked")}
    css = (pages._FOLDER / "verdict.css").read_text()
    borders = {re.search(rf"\.{name} \.state {{[^}}]*}}", css)[0] for name in ("holds", "fails", "not-checked")}
    assert ["dashed" in one for one in borders].count(True) == ["double" in one for one in borders].count(True) == 1
    place = [one.name for one in checks].index("carriers")
    assert f"{place} hold, 1 fail, {len(checks) - place - 1} not checked" in pages.page(broken.signed)


def test_what_files_and_people_write_is_escaped(case):
    bad = "<script>&\"'"
    checks = (*case.verdict.checks, Check(bad, "pass", bad))
    signed = envelope.sign(dataclasses.replace(case.verdict, checks=checks, software=bad), cases.JUDGE)
    asked = dataclasses.replace(case.challenge, document=dataclasses.replace(case.challenge.document, case=bad))
    named = dataclasses.replace(case.claim, document=dataclasses.replace(case.claim.document, claimant=bad))
    page = pages.page(signed, named, asked, bad)
    assert "<script" not in page
    assert (
        page.count("&lt;script&gt;&amp;&#34;&#39;") == 8
    )  # title, brand, case, judge, claimant, a check twice, software


def luminance(colour: str) -> float:
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("yes-ink", "yes"), ("no-ink", "no")],
)
def test_text_stands_out_from_its_ground_in_light_and_dark(scheme, ink, ground):
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5."""
    blocks = re.findall(r":root {([^}]*)}", (pages._FOLDER / "verdict.css").read_text())
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[0 if scheme == "light" else 1]))
    one, other = sorted((luminance(colours[ink]), luminance(colours[ground])))
    assert (other + 0.05) / (one + 0.05) >= 4.5
