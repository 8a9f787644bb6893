"""What is its owner's alone and must not go along when a folder is copied for others; the first bytes and the name tell."""

import re
from pathlib import Path

_SEALED = b"modelmark-"  # key files and identities; see ``key.sealed``
_DATABASE = b"SQLite format 3\0"  # what a registry of copies is kept in
_REGISTRY = re.compile(r".*\.copies(-\w+)?", re.DOTALL)


def is_confidential(path: Path) -> bool:
    """Return whether a file is a key, an identity, or a registry of copies, which lists who has one.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(len(_DATABASE))
    return head.startswith((_SEALED, _DATABASE)) or bool(_REGISTRY.fullmatch(path.name))
