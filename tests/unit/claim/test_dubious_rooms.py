"""What has had no review stays apart: nothing leans on it, and it loads where neither torch nor rbcl is."""

import ast
import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3] / "src" / "modelmark"
ROOM = SOURCE / "claim" / "dubious"
MODULES = sorted(path.stem for path in ROOM.glob("*.py") if path.stem != "__init__")


def names(path: Path) -> set[str]:
    """Return every dotted part that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".")}
        elif isinstance(node, ast.ImportFrom):
            found |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
    return found


def test_nothing_else_depends_on_it() -> None:
    outside = [path for path in SOURCE.rglob("*.py") if ROOM not in path.parents]
    assert len(outside) > 100
    assert not [path for path in outside if "dubious" in path.read_text() and "dubious" in names(path)]
    assert all("dubious" in names(ROOM / f"{name}.py") for name in ("pedersen", "proof", "papers"))


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def test_it_loads_without_torch_and_without_rbcl_and_says_what_is_missing() -> None:
    imports = "".join(f"import modelmark.claim.dubious.{name}\n" for name in MODULES)
    ending = """
from modelmark.claim.dubious import group
from modelmark.errors import UsageError
assert "torch" not in sys.modules
try:
    group.base(1)
except UsageError as error:
    print(error, "|", error.hint)
"""
    found = run("import sys\nsys.modules['rbcl'] = None\n" + imports + ending)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("expected the package rbcl")
    assert found.stdout.rstrip().endswith("pip install 'modelmark[zk]'")


def test_claims_load_without_it() -> None:
    code = "import sys, modelmark.claim.judging.judge, modelmark.claim.papers.schemas\n"
    code += "print([n for n in sys.modules if 'dubious' in n])"
    assert run(code).stdout.strip() == "[]"


def test_the_page_says_what_was_measured() -> None:
    root = SOURCE.parents[1]
    page = (root / "docs" / "spec" / "zero-knowledge.md").read_text()
    rows = [json.loads(line) for line in (root / "benchmarks" / "results" / "zk.jsonl").read_text().splitlines()]
    costs = [row for row in rows if row["study"] == "costs"]
    assert len(costs) == 2
    for row in costs:
        cells = (
            f"{row['bits']}, {row['width']}",
            row["commit_s"],
            f"{row['commitment_bytes']:,} B",
            row["prove_s"],
            row["verify_s"],
            f"{row['proof_bytes']:,} B",
            f"{row['extra_memory_mib']} MiB",
        )
        assert f"| {' | '.join(map(str, cells))} |" in page
    (row,) = [row for row in rows if row["study"] == "scattered"]
    cells = (
        f"{row['weights']:,}, {row['bits']:,}", row["commit_s"], f"{row['commitment_bytes']:,} B", row["read_commitment_s"],
        row["prove_s"], row["verify_s"], f"{row['proof_bytes']:,} B", row["matches"], f"{row['extra_memory_mib']} MiB",
    )  # fmt: skip
    assert f"| {' | '.join(map(str, cells))} |" in page
    leaks = {(row["shown"], row["least"]): [] for row in rows if row["study"] == "leak"}
    for row in rows:
        if row["study"] == "leak":
            leaks[row["shown"], row["least"]].append("never" if row["moved"] is None else f"{row['moved']:.2f}")
    assert len(leaks) == 4
    for cells in leaks.values():
        assert f"| {' | '.join(cells)} |" in page
    rounded = [row for row in rows if row["study"] == "rounding"]
    assert f"{sum(row['read_otherwise'] for row in rounded)} of {sum(row['bits'] for row in rounded):,} bits" in page
    assert max(row["largest_margin_in_sd"] for row in rounded) < 0.012
