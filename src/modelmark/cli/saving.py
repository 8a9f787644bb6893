"""What a command writes of a network: its weights, or of transformers a folder as ``save_pretrained`` lays it out."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelmark.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

ALONG = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "generation_config.json",
    "preprocessor_config.json", "processor_config.json",
)  # fmt: skip
"""Files of a model's folder that go along with its new weights; nothing else does, a key least of all."""


def beside(folder: Path | None) -> list[Path]:
    """Return the files of a model's folder that go along.

    Raises:
        UsageError: one of them is a key or a registry of copies under such a name.
    """
    from modelmark.marks.confidential import is_confidential

    found = [folder / name for name in ALONG if (folder / name).is_file()] if folder else []
    for path in found:
        if is_confidential(path):
            raise UsageError(f"expected {path.name} of a model, {path} is its owner's alone", hint="move it away")
    return found


def save(model: "nn.Module", output: Path, along: Sequence[Path] = ()) -> None:
    """Write a network to a new file, one of transformers to a new folder that ``from_pretrained`` loads; whole or not at all.

    Args:
        model: to be written.
        output: does not exist.
        along: what goes with a folder; see ``beside``.

    Raises:
        OutputExistsError: ``output`` exists.
        UsageError: it cannot be written.
    """
    from modelmark.models import hugging
    from modelmark.networks.layers import unwrapped
    from modelmark.suspects import library, weights
    from modelmark.suspects.files.copying import unnamed

    if not library.is_of_library(model):
        weights.save(model, output)
        return
    with unnamed(output) as new:
        hugging.write(unwrapped(model), new)
        for path in along:
            if not (new / path.name).exists():
                shutil.copyfile(path, new / path.name)
