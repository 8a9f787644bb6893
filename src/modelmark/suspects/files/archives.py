"""What lies in a zip archive, by the names in its listing, and what opens it."""

from collections.abc import Callable
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.suspects.files import checkpoint, exported, hdf5, npy, torchscript, zips
from modelmark.suspects.files.base import WeightFile

# how a member's name ends, and what opens an archive with such a member; the first that is there
KINDS: tuple[tuple[str, Callable[[Path, zips.Listing], WeightFile]], ...] = (
    ("/constants.pkl", torchscript.opened),
    ("_weights_config.json", exported.opened),
    ("data.pkl", checkpoint.opened),
    ("model.weights.h5", hdf5.opened_archive),
    (".npy", npy.opened_archive),
)
_OF_TORCH = 3  # the first of them
# what it is instead, and the way on
FOREIGN = (
    ("serialized_state_dict.pt", "an archive of torch.export before version 2.8",
     "save its tensors: torch.save(dict(torch.export.load(FILE).state_dict), OUT)"),
    ("/com.apple.CoreML/model.mlmodel", "a Core ML package", "unpack it and name the folder"),
)  # fmt: skip


def is_zip(head: bytes) -> bool:
    """Return whether the first bytes are those of a zip archive."""
    return head.startswith(b"PK\x03\x04")


def is_of_torch(path: Path) -> bool:
    """Return whether an archive holds what torch writes, and not arrays or layers of others."""
    try:
        members = zips.listing(path)
    except MalformedError:
        return True  # opening it says what is wrong
    return any(name.endswith(ending) for name in members for ending, _ in KINDS[:_OF_TORCH])


def opened(path: Path) -> WeightFile:
    """Return the weights in an archive.

    Raises:
        MalformedError: damaged, or of another kind; the message says which.
    """
    members = zips.listing(path)
    for ending, opener in KINDS:
        if any(name.endswith(ending) for name in members):
            return opener(path, members)
    for ending, what, hint in FOREIGN:
        if any(name.endswith(ending) for name in members):
            raise MalformedError(f"expected weights in {path}, got {what}", hint=hint)
    raise MalformedError(
        f"expected weights in {path}, got a zip archive", hint="unpack it and name the file of weights in it"
    )
