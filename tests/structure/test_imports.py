"""Who may import whom, as a dictionary; and what loads without torch, in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "modelmark"

PLUMBING = {"canonical", "errors", "files", "hashing", "naming", "options", "seeding", "templating"}
PROBES = {"suspects.base", "suspects.places"}
# from the bottom up: a room sees rooms above its line, and nothing below
ALLOWED = {
    "feeds": PLUMBING,
    "suspects.places": PLUMBING,
    "suspects.base": {"feeds", "suspects.places"},
    "suspects.transcript": PLUMBING | PROBES,
    "evidence": PLUMBING,
    "key": PLUMBING | {"evidence"},
    "carriers": PLUMBING | PROBES | {"evidence", "feeds"},
    "rendering": {"key"},
    "data": PLUMBING | {"feeds"},
    "networks": PLUMBING | PROBES,
    "models": PLUMBING | {"networks"},
    "channels": PLUMBING | {"networks"},
    "blocks": PLUMBING | {"networks"},
    "suspects": PLUMBING | PROBES | {"channels", "feeds", "models", "networks"},
    "training": PLUMBING | {"data", "feeds", "networks", "suspects"},
    "schemes": PLUMBING | PROBES | {"blocks", "carriers", "evidence", "feeds", "key", "networks", "rendering", "suspects",
                                    "training"},
    "align": PLUMBING | PROBES | {"blocks", "channels", "feeds", "key", "networks", "rendering", "suspects"},
    "marks": PLUMBING | PROBES
    | {"align", "carriers", "data", "evidence", "feeds", "key", "networks", "schemes", "suspects", "training"},
    "copies": PLUMBING | PROBES | {"carriers", "evidence", "key", "marks", "schemes", "suspects"},
    # no key either
    "lineage": PLUMBING | {"blocks", "channels", "evidence", "networks", "suspects"},
    # no key, no scheme, no secret
    "attacks": PLUMBING | PROBES | {"blocks", "channels", "feeds", "models", "networks", "suspects", "training"},
    # the thief's own key
    "attacks.piracy": PLUMBING | {"attacks", "key", "marks", "schemes", "suspects", "training"},
    # no torch, whoever is judged
    "claim.papers": PLUMBING | PROBES | {"carriers", "evidence", "feeds", "key"},
    "claim.dates": PLUMBING | {"claim.papers", "key"},
    "claim.judging": PLUMBING | PROBES
    | {"carriers", "claim.dates", "claim.papers", "evidence", "feeds", "key", "suspects.transcript"},
    "claim.dubious": PLUMBING | {"carriers", "claim.dates", "claim.judging", "claim.papers", "evidence", "key"},
    "claim": set(),
    "audit": PLUMBING | {"attacks", "carriers", "data", "evidence", "feeds", "key", "marks", "models", "networks", "schemes",
                         "suspects", "training"},
    "report": PLUMBING | {"audit", "evidence"},
    "desk.given": PLUMBING,
    "desk.forms": PLUMBING,
    "desk.pages": PLUMBING | {"claim.judging"},
    "desk.work": PLUMBING | {"align", "claim.dates", "claim.judging", "claim.papers", "copies", "desk.given", "desk.pages",
                             "evidence", "marks", "models", "report", "suspects"},
    # who serves pages opens no file that was dropped
    "desk": PLUMBING | {"desk.forms", "desk.given", "desk.pages", "desk.work"},
    "testing": PLUMBING | PROBES | {"attacks", "carriers", "claim.papers", "evidence", "feeds", "key", "marks", "networks",
                                    "schemes", "suspects", "training"},
}  # fmt: skip
TORCH_FREE = (
    "align.committed", "align.handed", "attacks", "blocks.finding", "blocks.stream", "carriers.field",
    "carriers.filtered",
    "carriers.means", "carriers.ordered", "carriers.pairs", "carriers.pictures", "carriers.rows",
    "claim.judging.asking", "claim.judging.judge", "claim.papers.schemas", "cli", "copies.dispersing",
    "copies.issuing", "copies.registry", "copies.tallying", "copies.tracing", "data", "data.words",
    "desk.work.audit", "desk.work.copies", "desk.work.suspect", "desk.work.trace", "desk.work.verdict", "desk.worker",
    "evidence.combined", "evidence.scores", "evidence.sequential", "feeds.arrays", "feeds.floats", "feeds.pictures",
    "feeds.texts", "feeds.tokens", "key.draw", "key.sealed", "lineage.order", "lineage.units", "marks.imprinting",
    "marks.keyfile", "marks.keys", "marks.leaning", "marks.marks", "marks.ondata", "marks.onfiles", "marks.reach",
    "models", "report",
    "schemes", "schemes.choice", "schemes.field", "schemes.order", "schemes.spread", "schemes.twins", "schemes.uchida",
    "suspects.answers", "suspects.files", "suspects.finding", "suspects.http.endpoint", "suspects.http.secrets",
    "suspects.rows", "suspects.runtimes.litert", "suspects.runtimes.onnx", "suspects.runtimes.openvino",
    "suspects.runtimes.running", "suspects.state", "suspects.transcript",
)  # fmt: skip


def room(module: str) -> str:
    """Return the room of a module, whose name leaves out the package's: ``claim.judging``."""
    parts = module.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in ALLOWED), parts[0])


def module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def imported(nodes: list[ast.AST]) -> set[str]:
    """Return the rooms a file imports from."""
    rooms = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "modelmark":
            rooms |= {room(f"{node.module}.{alias.name}".removeprefix("modelmark.")) for alias in node.names}
    return rooms


@pytest.fixture(scope="module")
def files() -> dict[Path, list[ast.AST]]:
    """Of every file of the package what is asked for below: imports, calls and parameters, from one walk."""
    asked = (ast.ImportFrom, ast.Call, ast.arg)
    return {
        path: [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, asked)]
        for path in sorted(SOURCE.rglob("*.py"))
    }


def test_every_file_imports_only_from_the_rooms_it_may(files):
    found = {}
    for path, nodes in files.items():
        name = room(module(path))
        if name not in ("cli", "__init__", "__main__"):
            found[str(path)] = imported(nodes) - ALLOWED.get(name, PLUMBING) - {name}
    assert len(found) > 400
    assert {path: rooms for path, rooms in found.items() if rooms} == {}, "see ALLOWED"


def test_no_room_sees_itself_through_others():
    below: dict[str, set[str]] = {}
    for name, rooms in ALLOWED.items():  # each row names rooms that stand before it
        missing = rooms - PLUMBING - below.keys()
        assert not missing, f"{name} sees {sorted(missing)}, which stand below it"
        below[name] = rooms


def test_only_the_command_line_prints_or_reads_the_terminal(files):
    found = {}
    for path, nodes in files.items():
        if room(module(path)) not in ("cli", "__main__"):
            calls = [node.func for node in nodes if isinstance(node, ast.Call)]
            found[str(path)] = {call.id for call in calls if isinstance(call, ast.Name)} & {"print", "input"}
    assert len(found) > 400
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_these_load_without_torch():
    """One interpreter imports all of them; the first that brings torch along is named."""
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'modelmark.{name}')\n"
        "    if 'torch' in sys.modules: sys.exit(name)\n"
    )
    found = subprocess.run([sys.executable, "-c", code, *TORCH_FREE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


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


def test_attacks_have_no_parameter_through_which_a_key_could_enter(files):
    for path in (SOURCE / "attacks").rglob("*.py"):
        words = {node.arg for node in files[path] if isinstance(node, ast.arg)}
        assert not words & {"key", "mark", "secret", "carriers", "message", "draw"}, path
