"""The site: every page has a place, the reference leaves nothing out, what came out holds together, and no link leads nowhere."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import modelmark
from modelmark.attacks import ATTACKS
from modelmark.cli import VERBS
from modelmark.schemes import IN_DATA, SCHEMES

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^#+ +(.*?) *$", re.M)


def anchors(text: str) -> set[str]:
    """Return where a page can be entered, as code hosts name its headings."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    met: Counter[str] = Counter()
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{name}-{met[name]}" if met[name] else name)
        met[name] += 1
    return found


def test_no_link_of_the_tree_leads_nowhere(site):
    pages = {(ROOT / page).resolve(): (ROOT / page).read_text() for page in site.staging.pages(ROOT)}
    named = {page: anchors(text) for page, text in pages.items()}
    wrong, followed = [], 0
    for page, text in pages.items():
        for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]*))?\)", text):
            to = (page.parent / target).resolve() if target else page
            followed += 1
            if not to.exists() or (anchor and to in named and anchor not in named[to]):
                wrong.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert wrong == []
    assert followed > 200


def test_every_page_has_one_place(site):
    generated = {name: text for each in site.GENERATED for name, text in each.pages().items()}
    names = [str(page) for page in site.staging.pages(ROOT)] + list(generated)
    placed = [name for _, names in site.contents.sections(names) for name in names]
    placed += [name for page in generated for name in site.contents.below(page, names, generated)]
    assert sorted([*placed, str(site.staging.HOME)]) == sorted(names)
    patterns = [pattern for _, patterns in site.contents.NAVIGATION for pattern in patterns]
    assert [pattern for pattern in patterns if not any(site.contents.matches(name, pattern) for name in names)] == []


def test_the_reference_leaves_nothing_out(site):
    pages = {name: text for each in site.GENERATED for name, text in each.pages().items()}
    assert {f"reference/commands/{verb}.md" for verb in VERBS} <= pages.keys()
    assert "`--align-to WEIGHTS`\n: undo re-ordered" in pages["reference/commands/verify.md"]
    described = set(re.findall(r"auto(?:class|function):: modelmark\.(\w+)$", "".join(pages.values()), re.M))
    assert described == set(modelmark.__all__)
    attacks = "".join(text for name, text in pages.items() if name.startswith("reference/attacks/"))
    assert sorted(re.findall(r"^## (\S+)$", attacks, re.M)) == sorted(ATTACKS)
    assert "`share=0.1`\n: deviation of the noise" in attacks
    settings = pages["reference/schemes/settings.md"]
    assert re.findall(r"^## (\S+)$", settings, re.M) == sorted(SCHEMES | IN_DATA)


def test_links_in_code_stay_and_files_are_copied(site, tmp_path):
    (tmp_path / "docs" / "img").mkdir(parents=True)
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "rows.jsonl"):
        (tmp_path / name).write_text("")
    text = "[a](../README.md) [b](../rows.jsonl#x) [c](b.md) [d](../docs)\n```md\n[e](../README.md)\n```\n"
    (tmp_path / "docs" / "a.md").write_text(text)
    assert site.staging.stage(tmp_path, tmp_path / "out", {}) == {Path("rows.jsonl"), Path("docs/a.md")}
    assert (tmp_path / "out" / "docs" / "a.md").read_text() == (
        "[a](../index.md) [b](tree:../rows.jsonl#x) [c](b.md) [d](../docs/index.md)\n```md\n[e](../README.md)\n```\n"
    )


def test_a_built_site_is_followed_to_its_ends(site, tmp_path):
    head = '<link rel="stylesheet" href="own.css"><script src="https://elsewhere.example/x.js"></script>'
    links = '<a href="b.html#here">b</a><a href="b.html#there">b</a><a href="c.html">c</a><a href="https://example.org">out</a>'
    (tmp_path / "a.html").write_text(head + links)
    (tmp_path / "b.html").write_text('<p id="here"><a href="#gone">up</a></p>')
    (tmp_path / "own.css").write_text("@font-face { src: url(https://elsewhere.example/f.woff2) }")
    assert site.checking.faults(tmp_path) == [
        "a.html: loads https://elsewhere.example/x.js",
        "a.html: b.html#there has no such anchor",
        "a.html: c.html leads nowhere",
        "b.html: #gone has no such anchor",
        "own.css: loads from elsewhere",
    ]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    """``.ci/run`` builds it each time; here it is for whoever runs the slow tests."""
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name, reason="the site is built by Sphinx: pip install -c constraints.txt -e '.[docs]'")
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "site" / "build.py", tmp_path / "site"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert " 0 faults" in done.stdout
