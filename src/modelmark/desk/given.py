"""What somebody dropped, as files; names from a browser are plain or refused, since parts of a model name each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelmark.errors import MalformedError

LONGEST = 200
"""Bytes of a name."""
_REFUSED = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Given:
    """What was dropped on a page.

    Args:
        files: paths by field, in the order in which they came; fields without any are not there.
        passphrase: empty where none was typed.
        numbers: by field.
        words: by field, of what was typed and is no secret; fields that were left empty are not there.
    """

    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    passphrase: str = field(default="", repr=False)
    numbers: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def every(self, name: str) -> tuple[Path, ...]:
        """Return the files of a field."""
        return self.files.get(name, ())

    def one(self, name: str) -> Path | None:
        """Return the file of a field, or None."""
        return next(iter(self.every(name)), None)


def plain(name: str) -> str:
    """Return a name that can only be that of a file in the folder where it is put.

    Raises:
        MalformedError: it is empty or too long, begins with a dot, or holds a separator, a sign that some system reserves, or
            what cannot be printed.
    """
    if not name or name[0] == "." or not name.isprintable() or _REFUSED & set(name) or _size(name) > LONGEST:
        shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name[:60])
        raise MalformedError(
            f"expected a plain file name, got {shown!r}",
            hint="rename the file: no path, no dot in front, no / \\ : * ?",
        )
    return name


def _size(name: str) -> int:
    return len(name.encode(errors="surrogatepass"))
