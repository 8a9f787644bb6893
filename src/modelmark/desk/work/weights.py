"""Opening weights that somebody dropped: one file, or the parts of one model; none that holds a pickle."""

from collections.abc import Sequence
from pathlib import Path

from modelmark import files
from modelmark.errors import MalformedError
from modelmark.suspects.files import WeightFile, adapters, archives, checkpoint, open_weights

_HEAD = 4096
_PICKLE = b"\x80"  # the first byte of every pickle since protocol 2


def opened(paths: Sequence[Path], base: Sequence[Path] = ()) -> WeightFile:
    """Return the weights in a file, or in all files of a folder; an adapter in the base that was dropped with it.

    Args:
        paths: in a folder of their own.
        base: what an adapter stands on. Which folder of this machine its configuration names counts for nothing here.

    Raises:
        MalformedError: damaged, no weights, or a pickle among them; an adapter without a base, or a base without an adapter.
    """
    for path in (*paths, *base):
        require_no_pickle(path)
    where = _place(paths)
    if adapters.config_beside(where) is None:
        if base:
            raise MalformedError("expected an adapter with the model that one stands on, got another suspect")
        return open_weights(where)
    if not base:
        raise MalformedError(
            "expected an adapter with the model that it stands on, got the adapter alone",
            hint="open the last part of the form, and drop that model, too",
        )
    return open_weights(where, _place(base))


def _place(paths: Sequence[Path]) -> Path:
    return paths[0] if len(paths) == 1 else paths[0].parent


def require_no_pickle(path: Path) -> None:
    """Refuse what ``torch.save`` writes, by what is in it, whatever it is called; nothing of it is unpickled to find out."""
    head = files.head(path, _HEAD, what="a weight file")
    if head[:1] == _PICKLE or checkpoint.is_legacy(head) or (archives.is_zip(head) and archives.is_of_torch(path)):
        raise MalformedError(
            f"expected weights without a pickle, got a file of torch.save, or a damaged archive: {path.name}",
            hint="have it saved as safetensors; or read it at the command line: modelmark verify KEY FILE",
        )
