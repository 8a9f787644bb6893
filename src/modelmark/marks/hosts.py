"""The unmarked host that a key committed to, from a file, as what a suspect is aligned to. Loads without torch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.align.committed import OTHER_HOST, require
from modelmark.carriers.base import Ruled
from modelmark.errors import MismatchError
from modelmark.marks.keys import Key
from modelmark.marks.marks import Mark
from modelmark.marks.reading import Reading, Unread, tried
from modelmark.suspects.files import open_weights
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import nn

    from modelmark.suspects.files import WeightFile


_BASE = "the base that was named carries the mark by itself, whatever the adapter is"


def with_base(mark: Mark, found: "Sequence[Reading | Unread]", base: State) -> "Sequence[Reading | Unread]":
    """Return the readings of an adapter over a base that a person named, with an objection if the base has the mark already.

    Whoever names the base may have marked it; over it any adapter would be established.
    """
    alone = tried(lambda: mark.read(base))
    if not mark.weigh([alone]).established:
        return found
    return [replace(one, objection=_BASE) if isinstance(one, Reading) else one for one in found]


def host_of(key: Key, given: "Path | WeightFile", arch: str = "") -> "nn.Module | State":
    """Return the host that the key committed to, which is of the key's architecture whatever the suspect is of.

    Of a key that knows no architecture and is read against the host weight by weight, the file.

    Args:
        key: read from weights.
        given: where the host is, or the file that is open already.
        arch: as a person typed it; empty: the key's.

    Raises:
        MismatchError: it is another network than the key's host.
    """
    opened = open_weights(given) if isinstance(given, Path) else given
    if not (key.arch or arch) and isinstance(key.carriers, Ruled):
        file = State(opened)
        require(file, committed=key.host, scheme=key.scheme.name)
        return file
    named = "" if key.arch and ":" not in key.arch else arch
    try:
        host = State(opened, named or key.arch, trusted=bool(named)).network(key.feed)
    except MismatchError as error:
        raise MismatchError(f"{OTHER_HOST} in {opened.path.name}", hint=str(error)) from None
    require(host, committed=key.host, scheme=key.scheme.name)
    return host
