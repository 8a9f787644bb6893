"""Which files of a folder go along with its marked weights, and what a folder may not hold if it is to be copied."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from modelmark.errors import UsageError
from modelmark.suspects.files.opening import is_weights

MOST = 10_000
"""Entries of a folder and its sub-folders that are looked at; a folder with more is not copied."""
_NAMED = 3  # files in a message


def gathered(folder: Path, marked: Sequence[Path], is_confidential: Callable[[Path], bool]) -> list[Path]:
    """Return the files to copy, below ``folder`` and sorted: the marked weights and every other that is not hidden.

    First bytes are looked at, nothing else is read, and nothing is written.

    Args:
        folder: to be copied.
        marked: its weight files that get a mark.
        is_confidential: says of a file whether it is its owner's alone, as a key is.

    Raises:
        UsageError: another weight file, which would go along unmarked; a confidential one; a link out of the folder or to a
            folder; what is no file; more than ``MOST`` entries; or something cannot be read.
    """
    try:
        root, own = folder.resolve(), set(marked)
        found = [*own, *(path for path in _visible(folder) if path not in own)]
        for path in found:
            _require_inside(path, root)
        others = sorted(path for path in found if path not in own)
        _require_none(
            [path for path in others if is_confidential(path)], folder,
            "expected no key and no registry of copies beside the weights, got {}: it would go along",
            "move it out of the folder",
        )  # fmt: skip
        instead = f", or name the file itself: {marked[0].name}" if len(marked) == 1 else ""
        _require_none(
            [path for path in others if is_weights(path)], folder,
            "expected no other weights beside the marked ones, got {}: an unmarked copy would go along",
            f"move it out of the folder{instead}",
        )  # fmt: skip
    except OSError as error:
        raise UsageError(f"expected to read the files of {folder}, got: {error.strerror or error}") from error
    return sorted(path.relative_to(folder) for path in found)


def _visible(folder: Path) -> Iterator[Path]:
    """Yield what is not hidden and no folder; links are not followed."""
    left, count = [folder], 0
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MOST:
                    raise UsageError(
                        f"expected at most {MOST} files in {folder}, got more",
                        hint="give the weights a folder of their own",
                    )
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))
                else:
                    yield Path(entry.path)


def _require_inside(path: Path, root: Path) -> None:
    """Refuse what is no file, or a link to anything but a file of the folder."""
    hint = "put the file itself in the place of the link, as cp -L does" if path.is_symlink() else ""
    try:
        target = path.resolve(strict=True)
    except (FileNotFoundError, RuntimeError):  # a link that loops
        raise UsageError(f"expected a file at {path}, got a link that leads to none", hint=hint) from None
    if not target.is_relative_to(root):
        raise UsageError(f"expected the files of one folder, got the link {path} out of it", hint=hint)
    if not stat.S_ISREG(target.stat().st_mode):
        got = "a link to a folder" if target.is_dir() else "something else"
        raise UsageError(f"expected a file at {path}, got {got}", hint=hint or "move it out of the folder")


def _require_none(found: list[Path], folder: Path, problem: str, hint: str) -> None:
    if found:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:_NAMED])
        raise UsageError(problem.format(names + (", ..." if len(found) > _NAMED else "")), hint=hint)
