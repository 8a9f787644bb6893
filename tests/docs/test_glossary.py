"""The page of ideas explains every word before it is used, and the glossary has each, with a link to where it is explained."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from modelmark.evidence.evidence import Charge, Evidence

DOCS = Path(__file__).resolve().parents[2] / "docs"
IDEAS = (DOCS / "ideas.md").read_text()
ENTRIES = dict(re.findall(r"^## (.+)\n(.+)$", (DOCS / "glossary.md").read_text(), re.M))
INFLECTED = {
    "copy": "cop(?:y|ies)",
    "dependence": "depend(?:ence|s)?",
    "embed": "embed(?:s|ded|ding)?",
    "feed": "feeds?",
    "rehearsal": "rehears(?:als?|e)",
}
"""Terms with other forms than a plural."""
ASKED = ("attack", "audit", "copy", "established", "key", "mark", "bits", "scheme", "suspect", "verdict")
"""What a reader of the README meets and may want to look up."""


def term(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){INFLECTED.get(name, name + 's?')}(?![\w-])", re.I)


def plain(text: str) -> str:
    """Return a page without code, pictures, targets of links and comments."""
    text = re.sub(r"```.*?```|<!-- .*? -->|!\[[^]]*\]|^\|.*?\|$", "", text, flags=re.S | re.M)
    return re.sub(r"`[^`]*`|(?<=\])\([^)]*\)", "", text)


def test_terms_stand_in_order_and_say_something():
    assert list(ENTRIES) == sorted(ENTRIES)
    assert len(ENTRIES) > 50
    assert all(30 < len(said) < 300 for said in ENTRIES.values())


@pytest.mark.parametrize("name", ENTRIES)
def test_a_term_is_explained_where_its_link_leads(name):
    target, anchor = re.search(r"\]\(([^)#]+)(?:#([^)]+))?\)$", ENTRIES[name]).groups()
    text = (DOCS / target).read_text()
    if anchor:
        parts = re.split(r"^#+ +(.*)$", text, flags=re.M)
        sections = dict(zip(parts[1::2], parts[2::2], strict=True))
        named = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"): title for title in sections}
        text = named[anchor] + sections[named[anchor]]
    assert term(name).search(text), f"{target}#{anchor} does not speak of {name}"


def test_ideas_explain_every_word_before_they_use_it():
    said, early = plain(IDEAS), []
    introduced = {word.lower().rstrip(".") for word in re.findall(r"\*\*(?:\d\. )?([^*]+)\*\*", said)}
    for name in ENTRIES:
        used = term(name).search(said)
        bold = re.search(rf"\*\*(?:\d\. )?{term(name).pattern}\.?\*\*", said, re.I)
        if used and (bold is None or used.start() < bold.start()):
            early.append(f"{name}: {said[max(used.start() - 30, 0) : used.end() + 30]}")
    assert early == []
    forms = [term(name) for name in ENTRIES]
    assert [word for word in introduced if not any(form.fullmatch(word) for form in forms)] == []


def test_words_of_the_readme_are_in_the_glossary():
    readme = (DOCS.parent / "README.md").read_text()
    assert [name for name in ASKED if not term(name).search(readme)] == []
    assert [name for name in ASKED if name not in ENTRIES] == []
    for word in re.findall(r"(?<!\*)\*([a-z -]+)\*(?!\*)", plain(readme)):
        assert any(term(name).search(word) for name in ENTRIES), word


def test_readings_on_the_page_are_what_verify_prints():
    shown = re.findall(r"^\| (\d+) \| `(.*)` \|$", IDEAS, re.M)
    charges = (Charge("an offline draw", 80),)
    assert len(shown) == 6
    for matches, line in shown:
        assert line == str(Evidence("adi", int(matches), 100, Fraction(1, 10), charges, queries=100))


def test_the_picture_is_of_a_real_key(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "site"))
    import picture

    assert picture.picture() == (DOCS / "img" / "ideas.svg").read_text()
