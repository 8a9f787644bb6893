"""Serving the desk until somebody stops it; then nothing of it is left."""

import contextlib
import ipaddress
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmark.errors import MissingPackageError, UsageError


@dataclass(frozen=True)
class Place:
    """Where a desk is.

    Args:
        host: an address of this machine.
        port: 0: any that is free.
        keep: folder for results; None: they go with the process.
        most: bytes that may be dropped at a time.
    """

    host: str = "127.0.0.1"
    port: int = 0
    keep: Path | None = None
    most: int = 4 * 2**30

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            raise UsageError(f"expected an address like 127.0.0.1, got {self.host!r}") from None
        if address.is_unspecified or address.is_multicast:
            raise UsageError(
                f"expected one address of this machine, got {self.host}, which stands for several",
                hint="the desk answers to one name alone, so that other pages cannot reach it by another",
            )
        if self.keep is not None and not self.keep.is_dir():
            raise UsageError(f"expected a folder that exists for --keep, {self.keep} is not one")

    @property
    def is_local(self) -> bool:
        """Whether it is reached from this machine alone."""
        return ipaddress.ip_address(self.host).is_loopback

    def names(self, port: int) -> list[str]:
        """Return what a request may call this machine, the first as it is shown."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return [f"{name}:{port}" for name in ([shown, "localhost"] if self.is_local else [shown])]


def serve(place: Place, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; processes that read are stopped then, and what was dropped goes.

    Args:
        place: where.
        ready: takes the address, token included, once requests are taken.

    Raises:
        MissingPackageError: the framework is not installed.
        UsageError: the address cannot be listened on.
    """
    server_of = _framework()
    listening = _listening(place)
    port, token = listening.getsockname()[1], secrets.token_urlsafe(24)
    names = place.names(port)
    with listening, _scratch() as scratch:
        server, tasks = server_of(place, scratch, token, names)
        try:
            with _hanging_up(server):
                threading.Timer(0.0, ready, (f"http://{names[0]}/{token}/",)).start()
                server.run(sockets=[listening])
        finally:
            tasks.end()


def _framework() -> Callable[..., tuple[Any, Any]]:
    """Return what makes a server and its tasks, or say which packages are lacking."""
    try:
        import python_multipart  # noqa: F401
        import uvicorn
        from starlette.types import ASGIApp  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"expected {error.name or 'a package'} for the desk, it is not installed",
            hint="pip install 'modelmark[desk]'",
        ) from None
    from modelmark.desk.app import app
    from modelmark.desk.gate import Gate
    from modelmark.desk.tasks import Tasks

    def made(place: Place, scratch: Path, token: str, names: list[str]) -> tuple[Any, Any]:
        tasks = Tasks(scratch, place.keep)
        config = uvicorn.Config(
            Gate(app(tasks, place.most), token, names), lifespan="off", ws="none", http="h11", access_log=False,
            log_level="error", server_header=False, proxy_headers=False, limit_concurrency=64,
            timeout_graceful_shutdown=1, timeout_keep_alive=30,
        )  # fmt: skip
        return uvicorn.Server(config), tasks

    return made


def _listening(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        return socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        raise UsageError(
            f"expected to listen at {place.host}, port {place.port}, got: {error.strerror or error}"
        ) from None


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder that only its owner can read, into which scratch files of libraries go too; then it is gone."""
    before, made = tempfile.tempdir, Path(tempfile.mkdtemp(prefix="modelmark-desk-"))
    tempfile.tempdir = str(made)
    try:
        yield made
    finally:
        tempfile.tempdir = before
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one must not leave half of it
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _hanging_up(server: Any) -> Iterator[None]:
    """Let the end of a terminal end the desk as Ctrl-C does."""
    if (number := getattr(signal, "SIGHUP", None)) is None:
        yield
        return

    def stop(*_: object) -> None:
        server.should_exit = True

    before = signal.signal(number, stop)
    try:
        yield
    finally:
        signal.signal(number, before or signal.SIG_DFL)
