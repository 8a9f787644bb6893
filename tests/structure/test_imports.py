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
    "scores",
    "sealed",
    "secret",
    "sequential",
    "stats",
    "tails",
}
PROBES = {"suspects.base", "suspects.places"}  # what may be asked of a suspect, and where in it
MODEL = PROBES | {"layers", "preprocess", "suspects", "taps", "task", "weights"}
# a file belongs to the longest name here that its own begins with
ALLOWED = {
    "data": {"errors", "interface", "naming", "data"},
    "models": {"errors", "naming", "models", "seeding"},
    "hooks": set(),
    "suspects.places": {"errors"},
    "suspects.base": {"interface", "suspects.places"},
    "suspects.transcript": {"carriers", "errors", "suspects.base"},
    # files of weights; torch, and nothing of keys
    "suspects.files": {"errors", "hashing", "suspects.files"},
    "suspects": PROBES | {"channels", "errors", "interface", "layers", "models", "preprocess", "suspects",
                          "suspects.files", "taps", "weights"},
    "suspect": {"suspects", "suspects.base"},
    "carriers": PROBES | {"carriers", "errors", "interface", "scores"},
    "reading": PROBES | {"carriers", "errors", "scores"},
    "schemes": CORE | MODEL | {"carriers", "hooks", "schemes", "seeding"},
    # no key, no scheme, no secret
    "attacks": {"attacks", "channels", "errors", "hooks", "interface", "layers", "models", "naming", "options",
                "preprocess", "recipe", "seeding", "suspect", "suspects", "suspects.base", "taps", "task", "training"},
    "audit": CORE | MODEL | {"attacks", "audit", "carriers", "data", "embedding", "keys", "marks", "models", "reading", "schemes",
                             "training"},
    "report": CORE | {"audit", "report"},
    "claim": CORE | {"carriers", "claim", "suspects.base", "suspects.transcript"},
    # puts single questions to a suspect
    "asking": CORE | {"carriers", "claim", "suspects.base"},
    "align": {"align", "channels", "errors", "hashing", "interface", "layers", "preprocess", "schemes", "secret",
              "suspects", "suspects.base", "taps", "weights"},
    "channels": {"channels", "errors", "layers"},
    "task": {"errors", "interface", "preprocess", "suspects", "data"},
    "taps": {"errors", "layers", "suspects.places"},
    "layers": {"errors", "naming", "suspects.places"},
    "preprocess": {"interface"},
    "weights": {"errors", "files", "layers", "suspects.files"},
    "seeding": set(),
    "training": {"errors", "hooks", "preprocess", "recipe", "seeding", "task"},
    "keys": CORE | {"carriers", "marks", "schemes", "suspects.base", "task"},
    "marks": CORE | {"align", "hooks", "keys", "reading", "schemes", "suspects.base"},
    "keyfile": CORE | {"keys", "schemes"},
    "embedding": {"errors", "hooks", "marks", "recipe", "task", "training"},
    "imports": {"data", "errors", "interface", "layers"},
    "testing": CORE | MODEL | {"attacks", "embedding", "hooks", "keyfile", "keys", "marks", "reading", "schemes", "seeding",
                               "testing", "training"},
}  # fmt: skip
# the thief's own key is embedded here, and nowhere else among the attacks
EXCEPTIONS = {"attacks/piracy/overwrite.py": {"keys", "marks", "schemes", "secret"}}
TORCH_FREE = sorted(
    CORE
    | PROBES
    | {"carriers", "carriers.filtered", "carriers.means", "carriers.pictures", "carriers.rows", "suspects.transcript"}
    | {"keyfile", "data", "models", "reading", "schemes", "attacks", "claim", "claim.reading", "cli", "report"}
)


def room(module: str) -> str:
    """Return the room of a module, whose name leaves out the package's: ``claim.judging``."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in ALLOWED), parts[0])


def module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """Return the rooms a file imports from."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "modelmark":
            rooms |= {room(f"{node.module}.{alias.name}".removeprefix("modelmark.")) for alias in node.names}
    return rooms


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_file_imports_only_from_the_rooms_it_may(path):
    name = room(module(path))
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
    if room(module(path)) in ("cli", "__main__"):
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
