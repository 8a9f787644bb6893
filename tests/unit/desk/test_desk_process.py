"""The desk as a process: it ends by signals and leaves nothing, keeps what it is told to, and opens nothing itself."""

import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest

pytest.importorskip("starlette", reason="pip install 'modelmark[desk]'")
pytest.importorskip("httpx", reason="pip install 'modelmark[http]'")
from desk_cases import WEB, dropped, running, waited

from modelmark import cli
from modelmark.desk import serving
from modelmark.errors import MissingPackageError


def children(number: int) -> list[int]:
    """Return the processes that a process began, as long as they are there."""
    found = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(number)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "Z" not in line.split()[1]]


def gone(number: int) -> bool:
    for _ in range(500):
        try:
            with open(f"/proc/{number}/stat") as stream:
                if stream.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "name", ["SIGTERM", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGINT", "SIGHUP"))]
)
def test_stopped_while_it_reads_it_leaves_nothing_and_nobody(name, issued, priced, tmp_path):
    """Before it begins to end, a dropped key lies in its folder and a process reads it."""
    with running(tmp_path) as (process, address):
        sent = {"key": [priced], "registry": [issued.copies], "suspect": [issued.bob]}
        dropped(address, "trace", {"passphrase": "pass"}, **sent)
        (scratch,) = tmp_path.iterdir()
        assert {path.name for path in scratch.rglob("*") if path.is_file()} >= {"s.key", "s.copies", "Bob.safetensors"}
        assert scratch.stat().st_mode & 0o077 == 0
        (reader,) = children(process.pid)
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130), said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert gone(reader)


def test_what_was_read_is_deleted_at_once_and_results_are_kept_where_they_are_told_to(rows, issued, tmp_path):
    scratch, kept = tmp_path / "scratch", tmp_path / "kept"
    scratch.mkdir()
    kept.mkdir()
    with running(scratch, "--keep", str(kept)) as (_, address):
        page = waited(dropped(address, "audit", rows=rows))
        refused = waited(
            dropped(address, "copies", {"passphrase": "wrong"}, key=[issued.key], registry=[issued.copies])
        )
        (folder,) = scratch.iterdir()
        assert list(folder.iterdir()) == []
        (file,) = kept.iterdir()
        assert f"It is kept as {file.name} in the folder that you named." in page
        assert 'role="alert"' in refused
        home = WEB.get(address).text
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}-report-[0-9a-f]{6}\.html", file.name)
    assert "<h1>What becomes of ownership marks under attack</h1>" in file.read_text()
    assert home.count("<li><a") == 2
    assert (list(scratch.iterdir()), list(kept.iterdir())) == ([], [file])


def test_a_program_among_the_files_is_never_run(rows, tmp_path):
    """A process that is begun beside what was dropped, without -P, would import a json.py there."""
    marker = tmp_path / "ran"
    program = f"import os; os.mkdir({str(marker)!r})\n".encode()
    names = ["json.py", "torch.py", "modelmark.py", "sitecustomize.py", "numpy.py"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with running(scratch) as (_, address):
        page = waited(dropped(address, "audit", rows=[*rows, *((name, program) for name in names)]))
    assert 'role="alert"' in page
    assert not marker.exists()


def test_what_serves_pages_opens_none_of_what_is_dropped_and_needs_no_torch():
    code = "import sys, modelmark.desk.app; print(sorted({'torch', 'safetensors', 'sqlalchemy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("[]\n", "")


def test_without_the_framework_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingPackageError, match="for the desk, it is not installed") as error:
        serving._framework()
    assert error.value.hint == "pip install 'modelmark[desk]'"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0"], "expected one address of this machine, got 0.0.0.0"),
        (["--host", "192.0.2.77"], "expected to listen at 192.0.2.77"),
        (["--keep", "nowhere"], "expected a folder that exists for --keep"),
        (["--most", "0"], "0.001"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["modelmark", "desk", *words])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert says in printed.err
    assert list(tmp_path.iterdir()) == []
