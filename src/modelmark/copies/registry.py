"""Who has which copy: one row each, in an SQLite file or in a PostgreSQL database, of one key and one draw."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import exc

from modelmark.copies.database import damaged, named, opened, speaking
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.key.draw import LONGEST_NAME, Draw

VERSION = 1
DATE = "%Y-%m-%dT%H:%M:%SZ"
_PAGE = 1000  # rows fetched at a time
_NO_REGISTRY = "expected a registry of copies at {}, found none"
_METADATA = sql.MetaData()
_KEY = sql.Table(
    "modelmark_registry",
    _METADATA,
    sql.Column("version", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("root", sql.String(64), nullable=False),
    sql.Column("draw", sql.String(64), nullable=False),
)
_COPIES = sql.Table(
    "modelmark_copies",
    _METADATA,
    sql.Column("recipient", sql.String(LONGEST_NAME), primary_key=True),
    sql.Column("draw", sql.String(64), nullable=False),
    sql.Column("digest", sql.String(64), nullable=False),
    sql.Column("date", sql.String(20), nullable=False),
)


@dataclass(frozen=True)
class Copy:
    """One recipient's copy.

    Args:
        recipient: a name in Unicode's form C.
        draw: what its bits are expanded from, hex; see ``Draw.seed``.
        digest: SHA-256 of the file that was written, hex; of shards: see ``issuing.digest``.
        date: by this machine's clock, UTC.
    """

    recipient: str
    draw: str
    digest: str
    date: str


class Registry:
    """A registry; every question to it is a connection of its own, so there is nothing to close.

    Args:
        place: an SQLite file, or the address of a PostgreSQL database.
        make: make one where there is none.

    Raises:
        UsageError: it cannot be opened, is locked, or the address is of another kind of database.
        MalformedError: there is none, or what is there is no registry of this version.
        MissingPackageError: PostgreSQL's driver is not installed.
    """

    def __init__(self, place: Path | str, *, make: bool = False) -> None:
        self.name = named(place)
        fresh = isinstance(place, Path) and self._fresh(place, make=make)
        self._engine = opened(place)
        self._first: dict[str, Any] | None = None
        self._there = not fresh
        if fresh:
            return
        with speaking(self.name):
            lacking = {_KEY.name, _COPIES.name} - set(sql.inspect(self._engine).get_table_names())
        if len(lacking) == 2 and isinstance(place, str):
            if not make:
                raise MalformedError(_NO_REGISTRY.format(self.name), hint="modelmark issue makes one")
            self._there = False
        elif lacking:
            raise damaged(self.name)

    def bind(self, root: str, draw: Draw | None, *, make: bool = False) -> None:
        """Require that this is the registry of a key and its draw; a new one becomes so with its first row.

        Args:
            root: of the key's carriers, hex.
            draw: the key's own; None where it is not known, and then the registry may be of any draw of this key.
            make: take a registry without key and rows for this key; of one with rows check that all are whole and of this draw.

        Raises:
            MismatchError: it is of another key, or of another draw of this one.
            MalformedError: it is of another version, or damaged.
        """
        rows = []
        if self._there:
            with speaking(self.name), self._engine.connect() as connection:
                rows = [dict(row) for row in connection.execute(sql.select(_KEY).limit(2)).mappings()]
        if make and draw is not None:
            if not rows and not (self._there and self.count()):
                self._first = {"version": VERSION, "root": root, "draw": draw.seed.hex()}
                return
            self._require_whole()
        if len(rows) != 1 or rows[0]["version"] != VERSION:
            raise damaged(self.name)
        if rows[0]["root"] != root:
            raise MismatchError(f"expected the registry of this key, {self.name} is that of another")
        if draw is None:
            return
        if rows[0]["draw"] != draw.seed.hex():
            raise MismatchError(
                f"expected the draw with which {self.name} was begun, got another",
                hint="the same --deposit and --claim, or --offline, as with the first copy",
            )
        for _ in self._of(draw) if make else ():
            pass

    def find(self, recipient: str) -> Copy | None:
        """Return the copy of a recipient, or None."""
        if not self._there:
            return None
        with speaking(self.name), self._engine.connect() as connection:
            row = connection.execute(sql.select(_COPIES).where(_COPIES.c.recipient == recipient)).mappings().first()
        return None if row is None else self._copy(row)

    def add(self, copy: Copy) -> None:
        """Write a row; the first one makes the registry.

        Raises:
            UsageError: the recipient has one by now, or it cannot be written.
        """
        try:
            with speaking(self.name), self._engine.begin() as connection:
                if not self._there:
                    _METADATA.create_all(connection)
                if self._first is not None:
                    connection.execute(sql.insert(_KEY).values(**self._first))
                connection.execute(sql.insert(_COPIES).values(**vars(copy)))
        except exc.IntegrityError:
            raise UsageError(
                f"expected a recipient without a copy, {copy.recipient} got one a moment ago",
                hint="--again writes the same bytes once more",
            ) from None
        self._there, self._first = True, None

    def remove(self, recipient: str) -> None:
        """Take a row out whose copy did not come to be."""
        with speaking(self.name), self._engine.begin() as connection:
            connection.execute(sql.delete(_COPIES).where(_COPIES.c.recipient == recipient))

    def count(self) -> int:
        """Return the number of recipients."""
        with speaking(self.name), self._engine.connect() as connection:
            return int(connection.execute(sql.select(sql.func.count()).select_from(_COPIES)).scalar_one())

    def copies(self) -> Iterator[Copy]:
        """Yield all rows by recipient, a thousand fetched at a time.

        Raises:
            MalformedError: a row is damaged.
        """
        order = sql.select(_COPIES).order_by(_COPIES.c.recipient)
        paged = self._engine.execution_options(yield_per=_PAGE)
        with speaking(self.name), paged.connect() as connection, connection.execute(order) as found:
            for row in found.mappings():
                yield self._copy(row)

    def recipients(self, draw: Draw) -> list[str]:
        """Return the names of all recipients, whose rows must be of this draw.

        Raises:
            MalformedError: a row is damaged, or says another draw than its name has.
        """
        return [copy.recipient for copy in self._of(draw)]

    def _of(self, draw: Draw) -> Iterator[Copy]:
        for copy in self.copies():
            if draw.of(copy.recipient).seed.hex() != copy.draw:
                raise MalformedError(
                    f"expected the draw of {copy.recipient} in {self.name}, got another: it is damaged"
                )
            yield copy

    def _require_whole(self) -> None:
        """Raise MalformedError unless SQLite finds pages and indexes in order; a server sees to its own."""
        if self._engine.dialect.name != "sqlite":
            return
        with speaking(self.name), self._engine.connect() as connection:
            said = connection.exec_driver_sql("pragma integrity_check(1)").scalar_one()
        if said != "ok":
            raise damaged(self.name)

    def _copy(self, row: Any) -> Copy:
        try:
            copy = Copy(**row)
            datetime.datetime.fromisoformat(copy.date[:-1])  # a third of the time that strptime takes for all
            right = (
                (copy.date[-1:], len(copy.date)) == ("Z", 20)
                and Draw(bytes(32), recipient=copy.recipient).recipient
                and all(len(bytes.fromhex(value)) == 32 for value in (copy.draw, copy.digest))
            )
        except (TypeError, ValueError):
            right = False
        if not right:
            raise damaged(self.name)
        return copy

    def _fresh(self, path: Path, *, make: bool) -> bool:
        """Return whether there is no file yet; refuse one that is empty, which no registry is."""
        if not path.exists():
            if not make:
                raise MalformedError(
                    _NO_REGISTRY.format(path),
                    hint="modelmark issue makes one; --registry FILE or --database URL names another",
                )
            if not path.parent.is_dir():
                raise UsageError(f"expected a folder for {path.name}, {path.parent} is not one")
            return True
        if path.is_file() and not path.stat().st_size:
            raise MalformedError(
                f"expected a registry of copies at {path}, got an empty file",
                hint="if no copy was ever issued, delete it; else bring back a backup",
            )
        return False
