"""One process of a run makes what all of them use, while the others wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes out while the block runs; nobody, where there is no such lock."""
    with path.open("w") as stream:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
