"""A real PostgreSQL server of this test run's own, where one is installed."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Return where a program of PostgreSQL is, or skip."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or next((str(place) for place in places), "")
    if not found:
        pytest.skip(f"no PostgreSQL server here: {name} is not installed")
    return found


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Give the address of an empty database of a server that is stopped afterwards."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    user, ways = "postgres" if os.geteuid() == 0 else "", [program("initdb"), program("pg_ctl")]
    if user and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to run it as somebody else")
    before = ["runuser", "-u", user, "--"] if user else []
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        if user:
            shutil.chown(folder, user)

        def do(*words: object) -> None:
            done = subprocess.run(
                [*before, *map(str, words)], cwd="/", capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == 0, done.stderr

        data, options = folder / "data", f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
        do(ways[0], "-D", data, "-U", "owner", "-A", "trust", "--no-sync")
        do(ways[1], "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://owner:secret-word@127.0.0.1:{port}/postgres"
        finally:
            do(ways[1], "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
