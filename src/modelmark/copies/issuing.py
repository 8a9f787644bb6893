"""A recipient's copy: a file and its row, which appear together or not at all.

::

    scratch file whole ─▶ row written ─▶ file gets its name

Whatever is refused on the way takes the scratch file and the row away again. A machine that stops between the last two steps
leaves a row without a file, never a file without a row: no copy is out of which ``trace`` knows nothing. The same key and
name give the same bytes, so the file can be written once more; its digest is compared with the row's.
"""

import datetime
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from modelmark.copies.dispersing import disperse
from modelmark.copies.reading import for_recipient
from modelmark.copies.registry import DATE, Copy, Registry
from modelmark.errors import MismatchError, UsageError
from modelmark.marks.confidential import is_confidential
from modelmark.marks.marks import Mark
from modelmark.marks.onfiles import is_host, require_safetensors, sheets_of
from modelmark.suspects.files import copying, open_weights

_PIECE = 2**20


def issue(mark: Mark, recipient: str, source: Path, output: Path, registry: Registry, *, again: bool = False) -> Copy:
    """Write a recipient's copy of a safetensors file, or of a folder of shards, and its row.

    Args:
        mark: of a ``spread`` key, its draw the key's own.
        recipient: a name; see ``Draw.of``.
        source: the key's host, if it has one; a file, the index of shards, or a folder that holds either.
        output: a file, or a folder for what comes in shards; must not exist.
        registry: of this key and draw, or new.
        again: write the bytes once more that a recipient has got.

    Returns:
        The row.

    Raises:
        UsageError: the recipient has a copy, or none to write ``again``; no such name; no safetensors; something cannot be
            written, or the folder copied: see ``copying.planned``.
        MismatchError: key, registry and file do not belong together, as with a file that is not the key's host; or ``again``
            gave other bytes.
        MalformedError: file or registry is damaged.
        SuspectError: a weight is no number.
        NotEmbeddedError: a bit is not in the copy.
    """
    own = for_recipient(mark, recipient)
    name = own.draw.recipient
    registry.bind(str(mark.key.statement["root"]), mark.draw, make=True)
    known = registry.find(name)
    if known is not None and not again:
        raise UsageError(
            f"expected a recipient without a copy, {name} has one since {known.date}, SHA-256 {known.digest}",
            hint="--again writes the same bytes once more",
        )
    if known is None and again:
        raise UsageError(f"expected a recipient with a copy to write again, {name} has none")
    file = open_weights(source)
    require_safetensors(file)
    plan = copying.planned(source, output, is_confidential)
    if mark.key.host and not is_host(mark.key, file):
        raise MismatchError(
            f"expected the weights that the key was made for, {source.name} holds others",
            hint="name those of keygen: a copy made of a recipient's own names him; for other weights make another key",
        )
    added = False
    try:
        with copying.copied(plan) as stored:
            disperse(own, sheets_of(own.carriers, file, stored))  # type: ignore[arg-type]
            row = _row(own, stored)
            if known is None:
                registry.add(row)
                added = True
            elif known.digest != row.digest:
                raise MismatchError(
                    f"expected the bytes of the first copy, SHA-256 {known.digest}, got {row.digest}",
                    hint="name the file that the first copy was made of",
                )
    except BaseException as error:
        is_out = isinstance(error, KeyboardInterrupt) and os.path.lexists(output)  # interrupted after it got its name
        if added and not is_out:
            registry.remove(name)
        raise
    return known or row


def _row(own: Mark, stored: Mapping[str, copying.Stored]) -> Copy:
    now = datetime.datetime.now(datetime.UTC).strftime(DATE)
    return Copy(own.draw.recipient, own.draw.seed.hex(), digest(sorted({each.path for each in stored.values()})), now)


def digest(paths: list[Path]) -> str:
    """Return SHA-256 of a file; of several, of the lines that ``sha256sum`` prints of them in the order of their names."""
    found = []
    for path in paths:
        total = hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                total.update(piece)
        found.append(total.hexdigest())
    if len(paths) == 1:
        return found[0]
    lines = (f"{each}  {path.name}\n" for each, path in zip(found, paths, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
