"""By which code a verdict was reached: name, version, and a digest of the files that ran, since many states share one version."""

import hashlib
import importlib.metadata
import inspect
from functools import cache
from pathlib import Path

from modelmark import errors, hashing


@cache
def software() -> str:
    """Return ``modelmark 0.1.0, code`` and the first half of a digest: SHA-256 of the package's files in order of their paths."""
    root = Path(errors.__file__).parent
    paths = sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
    parts = [part for name, path in paths for part in (name.encode(), hashlib.sha256(path.read_bytes()).digest())]
    return f"modelmark {importlib.metadata.version('modelmark')}, code {hashing.digest('code', *parts).hex()[:32]}"


def code_of(cls: type[object]) -> str:
    """Return the first half of SHA-256 of the file that a class is from, hex; nothing where there is no file."""
    try:
        path = inspect.getsourcefile(cls)
    except TypeError:
        path = None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:32] if path else ""
