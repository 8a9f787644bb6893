"""``docs/what-a-verdict-means.md`` says what the judge does, names tests that exist, and can be found from where people look."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "what-a-verdict-means.md"
PROMISES = re.compile(
    r"court-(ready|proof|grade)|tamper-?proof|irrefutabl|legally binding|proof of (theft|ownership|copying)", re.I
)


def docket() -> list[tuple[str, str]]:
    """Return the judge's checks and what each decides where it fails, in the order in which he makes them."""
    tree = ast.parse((ROOT / "src" / "modelmark" / "claim" / "judging" / "judge.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "docket.check"]
    calls.sort(key=lambda call: call.lineno)
    return [(ast.literal_eval(call.args[0]), ast.literal_eval(call.args[1])) for call in calls]


def test_the_order_of_decision_on_the_page_is_the_judges():
    rows = re.findall(r"^\| (`.*?) \| `([a-z-]+)` \|", PAGE.read_text(), re.M)
    shown = [(name, decision) for names, decision in rows for name in re.findall(r"`([^`]+)`", names)]
    assert shown == docket()
    assert len(shown) >= 17


def test_every_check_has_words_for_people():
    from modelmark.claim.judging import wording

    assert {name for name, _ in docket()} <= wording.CHECKS.keys()
    assert wording.TITLES.keys() == wording.MEANINGS.keys() == wording.LIMITS.keys()


def test_tests_that_the_page_names_exist():
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", PAGE.read_text())
    assert named
    assert all(f"def {name}(" in code for name in named)


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "docs/dispute.md", "docs/spec/claim.md"])
def test_the_page_is_linked_from_where_people_look(page):
    assert PAGE.name in (ROOT / page).read_text()


def test_nothing_here_promises_what_no_verdict_can_hold():
    """Where such a word stands, a sentence says that it is not one of ours."""
    suffixes = {".md", ".py", ".j2", ".css", ".toml", ".cff"}
    found = []
    for path in sorted(ROOT.rglob("*")):
        if path.suffix not in suffixes or path == Path(__file__) or {".git", "build"} & set(path.parts):
            continue
        for word in PROMISES.finditer(path.read_text()):
            found.append((path.relative_to(ROOT).as_posix(), word[0]))
    assert found == [("docs/what-a-verdict-means.md", "court-ready")]
    assert 'Hence no document here is called "court-ready"' in PAGE.read_text()
