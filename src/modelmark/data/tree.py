"""The files and folders below one place, whether a folder or an archive, with every path judged as it is added."""

import os
from pathlib import Path, PurePosixPath

from modelmark.data.limits import Limits
from modelmark.data.places import shown
from modelmark.errors import MalformedError

Parts = tuple[str, ...]
_DEEPEST = 3  # split, class, file
_LONGEST = 4096  # characters of a path, as on Linux
_LITTER = "__MACOSX"  # what macOS adds to its zip archives


class Tree:
    """Relative paths, in parts, of the files and folders below one place; hidden ones are left out.

    Attributes:
        name: what messages call the place.
        files: for each file, its bytes or where they are.
        folders: the folders, whether or not anything is in them.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.files: dict[Parts, bytes | Path] = {}
        self.folders: set[Parts] = set()
        self._left = limits.max_members

    def add(self, name: str, content: bytes | Path | None) -> None:
        """Add a file, or a folder where ``content`` is None.

        Raises:
            MalformedError: too many members, a file that comes twice, a path that is absolute, climbs out, is too deep,
                too long or cannot be shown on one line.
        """
        self._left -= 1
        if self._left < 0:
            raise MalformedError(f"expected fewer files and folders in {self.name}: the cap is reached")
        parts = self._judge(name)
        if any(part.startswith(".") or part == _LITTER for part in parts):
            return
        if len(parts) > _DEEPEST:
            raise MalformedError(
                f"expected split/class/file or class/file in {self.name}, got a deeper path: {name!r:.200}"
            )
        if content is None:
            self.folders.update({parts} - {()})
        elif not parts or parts in self.files:
            raise MalformedError(f"expected each file of {self.name} once and with a name, got {name!r:.200} again")
        else:
            self.files[parts] = content
            self.folders.update(parts[:depth] for depth in range(1, len(parts)))

    def _judge(self, name: str) -> Parts:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":":
            raise MalformedError(f"expected relative paths without '..' in {self.name}, got {name!r:.200}")
        if not name.isprintable() or len(name) > _LONGEST:
            raise MalformedError(f"expected short printable file names in {self.name}, got {name!r:.200}")
        return path.parts


def walk(root: Path, limits: Limits) -> Tree:
    """List the files and folders below ``root``, at most as deep as split, class and file.

    Raises:
        MalformedError: something is neither file nor folder, such as a symbolic link, or as for ``Tree.add``.
    """
    tree = Tree(shown(str(root)), limits)
    waiting: list[Parts] = [()]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(root.joinpath(*here)) as entries:
                for entry in entries:
                    _add_entry(tree, here, entry, waiting)
        except OSError as error:
            raise MalformedError(f"expected a readable folder at {tree.name}, got: {error.strerror}") from error
    return tree


def _add_entry(tree: Tree, here: Parts, entry: "os.DirEntry[str]", waiting: list[Parts]) -> None:
    parts = (*here, entry.name)
    hidden = entry.name.startswith(".")
    if entry.is_dir(follow_symlinks=False):
        tree.add("/".join(parts), None)
        if not hidden:
            waiting.append(parts)
    elif entry.is_file(follow_symlinks=False) or hidden:
        tree.add("/".join(parts), Path(entry.path))
    else:
        kind = "a symbolic link" if entry.is_symlink() else "something else"
        raise MalformedError(f"expected only files and folders in {tree.name}, got {kind}: {'/'.join(parts)!r:.200}")
