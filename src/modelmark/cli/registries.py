"""Where the registry of a key's copies is, as three commands are told."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelmark.errors import UsageError

if TYPE_CHECKING:
    from modelmark.copies.registry import Registry

RegistryFile = Annotated[
    Path | None,
    typer.Option("--registry", metavar="FILE", help="an SQLite file; default: as the key, ending in .copies"),
]
Database = Annotated[
    str, typer.Option("--database", metavar="URL", help="instead of a file: postgresql://USER@HOST/NAME")
]


def opened(key: Path, registry: Path | None, database: str, *, make: bool = False) -> "Registry":
    """Return the registry that was named, or that lies beside the key.

    Raises:
        UsageError: both were named.
    """
    from modelmark.copies.registry import Registry

    if registry is not None and database:
        raise UsageError("expected --registry or --database, got both")
    return Registry(database or registry or key.with_suffix(".copies"), make=make)
