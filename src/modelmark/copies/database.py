"""Where a registry is kept: opening an SQLite file or a PostgreSQL database, and what either refuses, in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import exc

from modelmark.errors import MalformedError, MissingPackageError, UsageError

PATIENCE = 5.0
"""Seconds for which another process that writes is waited for."""


def opened(place: Path | str) -> sql.Engine:
    """Return a database; nothing is asked of it yet.

    Args:
        place: a file, or the address of a PostgreSQL database.

    Raises:
        UsageError: the address is of another kind of database.
        MissingPackageError: PostgreSQL's driver is not installed.
    """
    if isinstance(place, Path):
        address = sql.URL.create("sqlite", database=str(place))
        return sql.create_engine(address, connect_args={"timeout": PATIENCE}, poolclass=sql.NullPool)
    try:
        url = sql.make_url(place)
        kind = url.get_backend_name()
    except (exc.ArgumentError, ValueError):
        kind = ""
    if kind not in ("postgresql", "postgres"):
        raise UsageError(
            "expected --database postgresql://USER@HOST/NAME, got another address",
            hint="an SQLite file is named by --registry FILE",
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            "expected psycopg for a PostgreSQL database, it is not installed", hint="pip install 'modelmark[postgres]'"
        ) from None
    waiting: dict[str, Any] = {"connect_timeout": 10, "options": f"-c lock_timeout={int(1000 * PATIENCE)}"}
    address = url.set(drivername="postgresql+psycopg")
    return sql.create_engine(address, connect_args=waiting, poolclass=sql.NullPool)


def named(place: Path | str) -> str:
    """Return what a database is called in a line for people: a file's name, or an address without user and password."""
    if isinstance(place, Path):
        return place.name
    try:
        url = sql.make_url(place)
    except (exc.ArgumentError, ValueError):
        return "the database"
    return f"{url.host or ''}/{url.database or ''}".strip("/") or "the database"


@contextlib.contextmanager
def speaking(name: str) -> Iterator[None]:
    """Say in one line what a database refuses; a row that is there already is left to the caller.

    Raises:
        UsageError: it is locked, full, cannot be reached or written.
        MalformedError: it is damaged, or no database.
    """
    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.DBAPIError as error:
        said = " ".join(str(error.orig).split())
        if "locked" in said or "lock timeout" in said:
            raise UsageError(
                f"expected the registry {name}, another process holds it",
                hint="nothing was written; try again when that is done",
            ) from error
        if isinstance(error, exc.OperationalError) and "malformed" not in said:
            raise UsageError(f"expected to read and write the registry {name}, got: {said[:200]}") from error
        raise damaged(name) from error
    except (exc.SQLAlchemyError, UnicodeDecodeError) as error:
        raise damaged(name) from error


def damaged(name: str) -> MalformedError:
    """Return the refusal of what is no registry, or no longer one."""
    return MalformedError(
        f"expected a registry of copies in {name}, got something else or a damaged one",
        hint="nothing was changed; bring back a backup, or name another: --registry FILE, --database URL",
    )
