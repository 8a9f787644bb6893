"""Weights of transformers under the names of its networks: what ``save_pretrained`` writes has older names, and experts apart."""

from contextlib import suppress
from dataclasses import replace

from torch import nn

from modelmark.models.hugging import renamed
from modelmark.networks.layers import unwrapped
from modelmark.seeding import seeded
from modelmark.suspects import torching
from modelmark.suspects.files import WeightFile, held


def is_of_library(model: nn.Module) -> bool:
    """Return whether a network is one of transformers."""
    return any(kind.__module__ == "transformers.modeling_utils" for kind in type(unwrapped(model)).__mro__)


def as_named(model: nn.Module, file: WeightFile) -> WeightFile:
    """Return a file under the names that a network of transformers has, converted as the library itself does when it loads.

    All of the file is read. A file that the library cannot convert stays as it is: what it lacks is said by whoever looks for it.

    Args:
        model: of transformers.
        file: as it was written.
    """
    with suppress(Exception), seeded(0):  # the library raises anything over what does not fit
        state = renamed(unwrapped(model), {name: torching.tensor(file.tensor(name)) for name in file.names})
        found = held(state, file.what)
        note = "names and shapes of transformers' files, converted as it does"
        return replace(found, path=file.path, notes=(*file.notes, note), metadata=file.metadata)
    return file
