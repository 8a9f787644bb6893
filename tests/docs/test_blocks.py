"""No page shows a command, an option, a setting or a name that is not there; every block is run, or said not to be, and why."""

import ast
import importlib
import inspect
import re
from dataclasses import fields
from itertools import pairwise
from types import ModuleType

import pytest
import typer
from blocks import PAGES, ROOT, Block, blocks, inline
from scripts import SCRIPTS
from unrun import INSTALL, STUDY, UNRUN

import modelmark
from modelmark import cli
from modelmark.attacks import attack_class
from modelmark.schemes import scheme_class

FOREIGN = {
    "--extra-index-url", "--index-url", "--hypothesis-seed",  # pip, pytest
    "--headless", "--screenshot", "--window-size",  # Chromium
    "--help",
}  # fmt: skip
"""Options between the words of pages that are not modelmark's."""
OBJECTS = {
    "adi": "Mark",
    "deepsigns": "Mark",
    "hooks": "Hooks",
    "key": "Key",
    "mark": "Mark",
    "recipe": "Recipe",
    "registry": "Registry",
    "served": "Served",
    "task": "Task",
}
"""What pages call objects of a class whose attributes are looked up."""
TYPED_PAGES = {script.page for script in SCRIPTS}
SHELLS = ("console", "sh", "")
GROUP = typer.main.get_command(cli.command_line([]))
PYTHON = blocks("python")


def options(verb: str) -> set[str]:
    return {option for each in GROUP.commands[verb].params for option in each.opts}


def typed() -> list[tuple[str, list[str]]]:
    return [(block.page, words) for block in blocks(*SHELLS) for words in block.commands()]


def test_commands_that_pages_type_are_taken_by_the_command_line():
    wrong, seen = [], typed()
    for page, (verb, *words) in seen:
        try:
            if "..." in words:  # what is left out stands on the page before
                unknown = {word for word in words if re.match("--?[a-z]", word)} - options(verb)
                assert not unknown, f"no option {unknown}"
            else:
                GROUP.commands[verb].make_context(f"modelmark {verb}", list(words))
        except Exception as error:
            wrong.append(f"{page}: {verb} {' '.join(words)}: {getattr(error, 'message', error)}")
    assert wrong == []
    assert len(seen) > 100


def test_settings_that_pages_type_are_settings_of_that_scheme_or_attack():
    wrong, seen = [], 0
    for page, (verb, *words) in typed():
        named = [each.split("=")[0] for option, each in pairwise(words) if option == "--set"]
        if verb not in ("keygen", "attack") or not named:
            continue
        cls = scheme_class(words[0]) if verb == "keygen" else attack_class(words[0])
        wrong += [f"{page}: {words[0]} has no {name}" for name in named if name not in {f.name for f in fields(cls)}]
        seen += len(named)
    assert wrong == []
    assert seen > 10


@pytest.mark.parametrize("page", PAGES)
def test_options_between_the_words_of_a_page_exist(page):
    anywhere = set().union(*(options(verb) for verb in cli.VERBS)) | FOREIGN
    for code in inline(page):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code))
        script = re.match(r"python (benchmarks/\w+\.py)", code)
        verb = re.match(r"modelmark (\w+)", code)
        if script:
            assert all(option in (ROOT / script[1]).read_text() for option in named), code
        elif verb and verb[1] in cli.VERBS:
            assert named <= options(verb[1]), code
        elif "--" in code and not _of_a_study(page, named - anywhere):
            raise AssertionError(f"{code}: no verb has {named - anywhere}")


def _of_a_study(page: str, named: set[str]) -> bool:
    """Whether the page names a script that takes these options: ``--net mlp`` after ``python benchmarks/schemes.py``."""
    scripts = re.findall(r"python (benchmarks/\w+\.py)", (ROOT / page).read_text())
    return all(any(option in (ROOT / script).read_text() for script in scripts) for option in named)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{block.page}: {block.title}")
def test_python_on_a_page_compiles_and_its_names_exist(block):
    code = ast.parse(block.code)
    compile(code, block.page, "exec")
    known: dict[str, object] = {"modelmark": modelmark}
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "modelmark":
            for alias in node.names:
                known[alias.asname or alias.name] = _member(importlib.import_module(node.module), alias.name)
    for node in ast.walk(code):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OBJECTS:
            cls = getattr(modelmark, OBJECTS[node.value.id])
            assert hasattr(cls, node.attr) or node.attr in {f.name for f in fields(cls)}, ast.unparse(node)
        found = _resolved(node, known)
        called = _resolved(node.func, known) if isinstance(node, ast.Call) else None
        assert found is not MISSING, f"there is no {ast.unparse(node)}"
        if callable(called):
            _takes(called, node)


MISSING = object()


def _member(of: object, name: str) -> object:
    if isinstance(of, ModuleType) and not hasattr(of, name):
        return importlib.import_module(f"{of.__name__}.{name}")
    return getattr(of, name)


def _resolved(node: ast.AST, known: dict[str, object]) -> object:
    """Return what a dotted name means, ``MISSING`` if nothing, and None where only running it would tell."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        of = _resolved(node.value, known)
        if isinstance(of, ModuleType | type):
            return getattr(of, node.attr, MISSING)
    return None


def _takes(called: object, node: ast.Call) -> None:
    taken = inspect.signature(called).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        unknown = {each.arg for each in node.keywords if each.arg} - taken.keys()
        assert not unknown, f"{ast.unparse(node.func)} takes no {unknown}"


def run_by(block: Block) -> bool:
    """Whether a test types the block: this folder's by its name, or one of the command line that names its page or folder."""
    if block.page in TYPED_PAGES:
        return any(block.named(title) for script in SCRIPTS if script.page == block.page for title in script.titles)
    names = {f'"{name}"' for name in block.page.split("/") if name not in ("docs", "schemes")}
    return any(name in path.read_text() for path in (ROOT / "tests" / "cli").glob("*.py") for name in names)


def test_every_block_is_run_by_a_test_or_said_not_to_be():
    shown = [block for block in blocks("console", "python", "sh", "") if block.language or block.commands()]
    left = [block for block in shown if not any(block.page == page and block.named(title) for page, title in UNRUN)]
    assert [(block.page, block.title) for block in left if not run_by(block)] == []
    named = [*UNRUN, *((script.page, title) for script in SCRIPTS for title in script.titles)]
    assert [place for place in named if not any(b.page == place[0] and b.named(place[1]) for b in shown)] == []


def test_tests_that_reasons_name_exist():
    named = [(reason, re.findall(r"tests/[\w/]+\.py", reason)) for reason in set(UNRUN.values())]
    assert [path for _, paths in named for path in paths if not (ROOT / path).exists()] == []
    assert {reason for reason, paths in named if not paths} == {INSTALL, STUDY}


def test_the_attack_in_contributing_is_that_of_the_package():
    (block,) = (each for each in PYTHON if each.page == "CONTRIBUTING.md")
    source = (ROOT / "src" / "modelmark" / "attacks" / "weights" / "noise.py").read_text()
    assert [line for line in block.code.split("\n") if line.removesuffix(" ...") not in source] == []


def test_words_that_are_typed_are_found():
    code = '$ modelmark verify a.key b \\\n    --json  # words\nverify: 1\nowner$ modelmark explain "a b"\n$ x && modelmark demo'
    shown = Block("x.md", "console", code)
    assert shown.commands() == [["verify", "a.key", "b", "--json"], ["explain", "a b"], ["demo"]]
