"""Reading zip archives, numpy's ``.npz`` among them: members are judged before they are opened, none is extracted."""

import contextlib
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from modelmark.data.bounded import Bounded
from modelmark.data.limits import Budget
from modelmark.data.places import one_line, shown
from modelmark.data.streams import DEFLATE_RATIO, open_file
from modelmark.errors import MalformedError

MAGIC = b"PK\x03\x04"
_ENCRYPTED = 0x1
_DIRECTORY_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, struct.error)


class Zip:
    """An open zip archive whose members have been judged.

    Attributes:
        name: what messages call it.
        members: for each name, what the archive's directory says of it.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path, budget: Budget) -> None:
        self.name = shown(path.name)
        self._archive = archive
        self._budget = budget
        self._packed = path.stat().st_size
        self.members: dict[str, zipfile.ZipInfo] = {}
        if len(archive.infolist()) > budget.limits.max_members:
            raise MalformedError(f"expected at most {budget.limits.max_members} members in {self.name}, got more")
        for info in archive.infolist():
            self._judge(info)
            self.members[info.filename] = info

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Bounded]:
        """Open one member; at its end its sum is checked.

        Raises:
            MalformedError: it cannot be opened, or announces more than it can hold.
        """
        info = self.members[name]
        where = f"{self.name}, member {name!r:.200}"
        try:
            raw = self._archive.open(info)
        except _DIRECTORY_ERRORS as error:
            raise MalformedError(f"expected a readable member in {where}, got: {one_line(error)}") from error
        with raw:
            stream = Bounded(raw, self._budget, where, min(info.compress_size, self._packed) * DEFLATE_RATIO)
            stream.expect(info.file_size)
            yield stream

    def _judge(self, info: zipfile.ZipInfo) -> None:
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = "a link or device"
        elif info.flag_bits & _ENCRYPTED:
            problem = "an encrypted one"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"one packed by method {info.compress_type}"
        elif not info.filename:
            problem = "one without a name"
        elif info.filename in self.members:
            problem = "one that comes twice"
        else:
            return
        name = info.filename
        raise MalformedError(f"expected stored or deflated members in {self.name}, got {problem}: {name!r:.200}")


@contextlib.contextmanager
def open_zip(path: Path, budget: Budget) -> Iterator[Zip]:
    """Open a zip archive; what is read from its members counts against ``budget``.

    Raises:
        MalformedError: no such file, not a zip archive, or with a member that is refused.
    """
    with open_file(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _DIRECTORY_ERRORS as error:
            raise MalformedError(f"expected a zip archive in {shown(path.name)}, got: {one_line(error)}") from error
        with archive:
            yield Zip(archive, path, budget)
