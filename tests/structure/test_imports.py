"""Who may import whom, as a dictionary; and what loads without torch, in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "modelmark"

CORE = {
    "canonical",
    "combined",
    "commitment",
    "draw",
    "errors",
    "evidence",
    "files",
    "hashing",
    "interface",
    "naming",
    "options",
    "recipe",
    "sealed",
    "secret",
    "sequential",
    "stats",
}
MODEL = {"layers", "preprocess", "suspect", "taps", "task", "weights"}
ALLOWED = {
    "data": {"errors", "interface", "naming", "data"},
    "models": {"errors", "naming", "models", "seeding"},
    "hooks": set(),
    "schemes": CORE | MODEL | {"hooks", "schemes", "seeding"},
    # no key, no scheme, no secret
    "attacks": {"attacks", "channels", "errors", "hooks", "interface", "layers", "models", "naming", "options",
                "preprocess", "recipe", "seeding", "suspect", "taps", "task", "training"},
    "audit": CORE | MODEL | {"attacks", "audit", "data", "embedding", "keys", "marks", "models", "schemes", "training"},
    "report": CORE | {"audit", "report"},
    "claim": CORE | {"claim"},
    # the one step of a dispute that touches the suspect
    "asking": CORE | MODEL | {"claim", "models"},
    "align": {"align", "channels", "errors", "hashing", "interface", "layers", "preprocess", "schemes", "secret", "suspect",
              "taps", "weights"},
    "channels": {"channels", "errors", "layers"},
    "task": {"errors", "interface", "preprocess", "suspect", "data"},
    "suspect": {"errors", "layers", "taps"},
    "taps": {"errors", "layers"},
    "layers": {"errors", "naming"},
    "preprocess": {"interface"},
    "weights": {"errors", "files", "hashing"},
    "seeding": set(),
    "training": {"errors", "hooks", "layers", "preprocess", "recipe", "seeding", "task"},
    "keys": CORE | {"marks", "schemes", "task"},
    "marks": CORE | {"align", "hooks", "keys", "schemes", "suspect"},
    "keyfile": CORE | {"keys", "schemes"},
    "embedding": {"errors", "hooks", "marks", "recipe", "task", "training"},
    "imports": {"data", "errors", "interface", "layers"},
    "testing": CORE | MODEL | {"attacks", "embedding", "keyfile", "keys", "marks", "schemes", "testing", "training"},
}  # fmt: skip
# the thief's own key is embedded here, and nowhere else among the attacks
EXCEPTIONS = {"attacks/piracy/overwrite.py": {"keys", "marks", "schemes", "secret"}}
TORCH_FREE = sorted(CORE | {"keyfile", "data", "models", "schemes", "attacks", "claim", "cli", "report"})


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the rooms a file imports from."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "modelmark":
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return rooms


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_file_imports_only_from_the_rooms_it_may(path):
    name = room(path)
    if name in ("cli", "__init__", "__main__"):
        return
    allowed = ALLOWED.get(name, CORE)
    allowed = allowed | EXCEPTIONS.get(path.relative_to(SOURCE).as_posix(), set())
    assert imported(path) <= allowed, f"{name} may import {sorted(allowed)}"


def test_every_exception_is_needed():
    for path, rooms in EXCEPTIONS.items():
        name = path.split("/")[0]
        assert imported(SOURCE / path) - ALLOWED[name], f"{path} needs none of {sorted(rooms)}"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_line_prints_or_reads_the_terminal(path):
    if room(path) in ("cli", "__main__"):
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"print", "input"}


@pytest.mark.parametrize("name", TORCH_FREE)
def test_these_load_without_torch(name):
    code = f"import sys, modelmark.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_are_complete_sorted_and_there():
    import modelmark

    assert modelmark.__all__ == sorted(modelmark.__all__)
    for name in modelmark.__all__:
        assert getattr(modelmark, name).__doc__
    with pytest.raises(AttributeError):
        _ = modelmark.nothing


def test_no_file_is_longer_than_a_sitting():
    long = {str(path): n for path in SOURCE.rglob("*.py") if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def test_attacks_have_no_parameter_through_which_a_key_could_enter():
    for path in (SOURCE / "attacks").rglob("*.py"):
        words = {node.arg for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.arg)}
        assert not words & {"key", "mark", "secret", "carriers", "message", "draw"}, path
