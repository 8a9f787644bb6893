"""TorchScript: the tensors of the module, and of a frozen one its constants, by where they lie; no code of the archive runs."""

from pathlib import Path

from modelmark.suspects.files import storages, zips
from modelmark.suspects.files.base import WeightFile

# a pickle, the folder of its storages, and what the code calls what is in it
_PARTS = (("data.pkl", "data/", ""), ("constants.pkl", "constants/", "CONSTANTS.c"))


def opened(path: Path, members: zips.Listing) -> WeightFile:
    """Return the tensors by the attributes that lead to them, constants as the code calls them: ``CONSTANTS.c0``.

    Raises:
        MalformedError: see ``storages.opened``.
    """
    top = min((name for name in members if name.endswith("/constants.pkl")), key=len).removesuffix("constants.pkl")
    return storages.opened(path, members, "TorchScript", top, _PARTS)
