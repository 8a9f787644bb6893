"""The files below one place, a folder or a tar archive, every path judged; nothing is extracted or followed."""

import stat
import tarfile
from pathlib import Path, PurePosixPath

from modelmark.data.streams import Budget, Limits, judging, open_stream, shown
from modelmark.errors import MalformedError

Parts = tuple[str, ...]
_DEEPEST = 3  # split, class, file
_EXTENSION = 1 << 16  # bytes of a tar header that extends the next: a path, access lists, attributes
_END = bytes(tarfile.BLOCKSIZE)


class Tree:
    """Relative paths, in parts, of files (with their bytes, or where they are) and folders; hidden ones left out."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.files: dict[Parts, bytes | Path] = {}
        self.folders: set[Parts] = set()
        self._left = limits.max_members

    def add(self, name: str, content: bytes | Path | None) -> None:
        """Add a file, or a folder where ``content`` is None, unless it is hidden or its path is to be refused."""
        self._left -= 1
        if self._left < 0:
            raise MalformedError(f"expected fewer files and folders in {self.name}: the cap is reached")
        path = PurePosixPath(name)
        parts = path.parts
        if path.is_absolute() or ".." in parts or "\\" in name or name[1:2] == ":":
            raise MalformedError(f"expected relative paths without '..' in {self.name}, got {name!r:.200}")
        if not name.isprintable():
            raise MalformedError(f"expected printable file names in {self.name}, got {name!r:.200}")
        if any(part.startswith(".") for part in parts):
            return
        if len(parts) > _DEEPEST:
            raise MalformedError(f"expected split/class/file in {self.name}, got a deeper path: {name!r:.200}")
        if content is None:
            self.folders.update({parts} - {()})
        elif not parts or parts in self.files:
            raise MalformedError(f"expected each file of {self.name} once and with a name, got {name!r:.200} again")
        else:
            self.files[parts] = content
            self.folders.update(parts[:depth] for depth in range(1, len(parts)))


def walk(root: Path, limits: Limits) -> Tree:
    """List a folder; what is neither file nor folder, such as a symbolic link, is refused unless hidden."""
    tree = Tree(shown(str(root)), limits)
    with judging(tree.name):
        _list(tree, root, "")
    return tree


def _list(tree: Tree, folder: Path, above: str) -> None:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        mode, name = path.lstat().st_mode, above + path.name
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "something else"
            raise MalformedError(f"expected only files and folders in {tree.name}, got {kind}: {name!r:.200}")
        tree.add(name, None if stat.S_ISDIR(mode) else path)
        if stat.S_ISDIR(mode):
            _list(tree, path, f"{name}/")  # not far: deep paths are refused


def unpack(path: Path, budget: Budget) -> Tree:
    """Read all files of a tar archive into memory; links, devices and sparse files are refused."""
    tree = Tree(shown(path.name), budget.limits)
    with (
        open_stream(path, budget) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member, encoding="utf-8", errors="strict") as archive,
    ):
        while member := archive.next():
            archive.members.clear()  # type: ignore[attr-defined]  # or every header is kept
            if member.issparse() or not (member.isfile() or member.isdir()) or member.size < 0:
                got = f"a link, device or the like: {member.name!r:.200}"
                raise MalformedError(f"expected only files and folders in {tree.name}, got {got}")
            budget.check(member.size, tree.name)
            file = archive.extractfile(member)
            tree.add(member.name, file.read() if file else None)
        while rest := archive.fileobj.read(1 << 20):
            if rest.strip(b"\0"):
                raise MalformedError(f"expected zeros after the end of the archive in {tree.name}, got more data")
    return tree


class _Member(tarfile.TarInfo):
    """A member whose header must be sound: tarfile takes one that is damaged or absent for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Parse one header."""
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == _END:
                raise
            raise tarfile.ReadError(f"{error}, where a tar header should be") from error
        if member.size > _EXTENSION and member.type in b"xgXLK":
            raise tarfile.ReadError(f"a tar header of {member.size} bytes")
        return member
