"""The unmarked host that a key committed to, from a file, as what a suspect is aligned to. Loads without torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.align.committed import OTHER_HOST, require
from modelmark.carriers.base import Ruled
from modelmark.errors import MismatchError
from modelmark.marks.keys import Key
from modelmark.suspects.files import open_weights
from modelmark.suspects.state import State

if TYPE_CHECKING:
    from torch import nn

    from modelmark.suspects.files import WeightFile


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
