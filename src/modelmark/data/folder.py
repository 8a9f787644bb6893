"""What a folder in Hugging Face's layout says of the inputs of its network, from ``config.json``; nothing of it is run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from modelmark import files
from modelmark.data.streams import shown
from modelmark.errors import MalformedError, UsageError

MOST = 8 << 20
"""Bytes of a configuration; the names of 21,000 classes take one of them."""
PREFIX = "hf:"
_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "seq_length")
_OFFSET = ("roberta", "camembert", "longformer")  # count places from behind the padding token


@dataclass(frozen=True)
class Folder:
    """Sizes of a language model, where its configuration names them.

    Args:
        path: of the folder.
        vocabulary: tokens that the network knows; 0: not said.
        context: tokens of one input at most; 0: not said.
        padding: the token that is padding; None: none is.
        classes: names in label order; empty: the network has no head for classes, or does not say.
    """

    path: Path
    vocabulary: int = 0
    context: int = 0
    padding: int | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Folder":
        """Return what the folder's ``config.json`` says.

        Raises:
            MalformedError: there is none, or it is no configuration.
        """
        said = config(path)
        kind, padding = str(said.get("model_type", "")), said.get("pad_token_id")
        padding = padding if _is_count(padding) else None
        sizes = (said.get(name) for name in _CONTEXT)
        context = next((size for size in sizes if _is_count(size) and size > 0), 0)
        if context and padding is not None and any(word in kind for word in _OFFSET):
            context -= padding + 1
        vocabulary = said.get("vocab_size")
        return cls(
            path, vocabulary if _is_count(vocabulary) else 0, max(context, 0), padding, _classes(said.get("id2label"))
        )


def named(arch: str) -> Path | None:
    """Return the folder that ``hf:FOLDER`` names, None of any other architecture."""
    where = arch.removeprefix(PREFIX)
    return Path(where).expanduser() if arch.startswith(PREFIX) and where and not where.startswith("{") else None


def config(path: Path) -> dict[str, Any]:
    """Return the configuration in a folder.

    Raises:
        UsageError: there is no such folder.
        MalformedError: no ``config.json`` in it, too large, or not an object.
    """
    if not path.is_dir():
        raise UsageError(f"expected a folder with config.json at {shown(str(path))}, found none")
    if not (path / "config.json").is_file():
        raise MalformedError(
            f"expected config.json in {shown(str(path))}, found none", hint="save_pretrained of transformers writes one"
        )
    raw = files.read(path / "config.json", limit=MOST, what="a configuration")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MalformedError(f"expected a configuration in JSON in {shown(str(path))}, got something else")
    return found


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**31


def _classes(value: object) -> tuple[str, ...]:
    """Return the names of ``id2label`` if it names labels from 0 on, each once."""
    if not isinstance(value, Mapping):
        return ()
    names = [value.get(str(number)) for number in range(len(value))]
    right = len(set(map(str, names))) == len(names) >= 2 and all(isinstance(name, str) and name for name in names)
    return tuple(map(str, names)) if right else ()
