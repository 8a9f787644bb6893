"""Zip archives: their listing, read with a limit, and what a listing says that the archive is."""

import io
import zipfile
from pathlib import Path

from modelmark.errors import MalformedError
from modelmark.suspects.files.base import HEADER

Listing = dict[str, zipfile.ZipInfo]

# (ending of a member, what an archive with such a member is, the way on)
KINDS = (
    (
        "constants.pkl",
        "a TorchScript archive",
        "save its tensors: torch.save(torch.jit.load(FILE).state_dict(), OUT); a frozen one has none by name",
    ),
    (
        "model_weights_config.json",
        "an archive of torch.export",
        "save its tensors: torch.save(dict(torch.export.load(FILE).state_dict), OUT)",
    ),
    ("data.pkl", "", ""),  # a torch checkpoint; the two above may hold such a member as well
    (".weights.h5", "a Keras archive", "build the network in torch and copy the weights by layer: Keras stores them transposed"),
    (".npy", "an archive of NumPy arrays", "save them by name with safetensors.numpy.save_file(dict(numpy.load(FILE)), OUT)"),
    ("/com.apple.CoreML/model.mlmodel", "a Core ML package", "give the state dict that it was converted from"),
)  # fmt: skip


class _Bounded(io.FileIO):
    """A file from which no more than a header is read at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = HEADER + 1
        data = super().read(min(size, HEADER + 1))
        if len(data) > HEADER:
            raise zipfile.BadZipFile("the listing is too long")
        return data


def listing(path: Path) -> Listing:
    """Return the members of an archive by name.

    Raises:
        MalformedError: truncated, damaged, a listing above ``HEADER`` bytes, or a name that stands twice in it.
    """
    try:
        with _Bounded(path) as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RecursionError) as error:
        raise MalformedError(
            f"expected a whole zip archive in {path}, got one without a sound listing: {error}"[:200],
            hint="the file was cut off, as an interrupted download leaves it; fetch it again",
        ) from None
    found = {member.filename: member for member in members}
    if len(found) < len(members):
        raise MalformedError(f"expected every member once in {path}, got one twice")
    return found


def kind(members: Listing) -> tuple[str, str]:
    """Return what an archive is and the way on; two empty words where it is a torch checkpoint."""
    for ending, what, hint in KINDS:
        if any(name.endswith(ending) for name in members):
            return what, hint
    return "a zip archive", "unpack it and name the file of weights in it"
