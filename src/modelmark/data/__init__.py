"""Data sets: the inputs and labels a mark is embedded with and judged on, read from what a person names."""

import re
from collections.abc import Callable
from pathlib import Path

from modelmark.data import words
from modelmark.data.corpus import read_corpus
from modelmark.data.dataset import Dataset
from modelmark.data.digits import read_digits
from modelmark.data.folder import Folder
from modelmark.data.idx import read_idx
from modelmark.data.images import read_images
from modelmark.data.npz import read_npz
from modelmark.data.pictures import read_labels, read_pictures
from modelmark.data.rows import Rows
from modelmark.data.streams import DEFAULT_LIMITS, Limits
from modelmark.data.texts import read_texts
from modelmark.data.tokens import read_tokens
from modelmark.errors import UsageError
from modelmark.naming import suggest

__all__ = ["READERS", "Dataset", "Limits", "Rows", "load", "load_rows", "read_labels", "read_pictures"]

READERS: dict[str, Callable[[str, Limits], Dataset]] = {
    "digits": read_digits,
    "idx": read_idx,
    "images": read_images,
    "npz": read_npz,
}
"""Of pictures."""
OF_WORDS = ("texts", "corpus", "tokens")
"""What ``load_rows`` reads."""
KINDS = (*READERS, *OF_WORDS)
_FORMS = "digits, idx:DIR, images:DIR, images:FILE.tar.xz or npz:FILE"


def load(spec: str, *, limits: Limits = DEFAULT_LIMITS) -> Dataset:
    """Read the pictures ``spec`` names: ``digits``, ``idx:DIR``, ``images:DIR``, ``images:FILE.tar.xz``, ``npz:FILE``.

    Args:
        spec: the reader, and after a colon what it reads.
        limits: how much the data set may ask of this machine.

    Returns:
        The data set; images are uint8 (N, C, H, W), full scale 255.

    Raises:
        UsageError: no such reader, a path left out, or pictures of different sizes.
        MalformedError: what is there is missing, damaged, too large or not of the form the reader expects.
    """
    kind, _, where = spec.partition(":")
    reader = READERS.get(kind)
    if reader is None:
        raise UsageError(
            f"expected {_FORMS}, or of language models texts:FILE, corpus:FILE or tokens:FILE.npz, got {spec!r}",
            hint=suggest(kind, KINDS),
        )
    return reader(where, limits)


def is_of_words(spec: str) -> bool:
    """Return whether ``spec`` names texts or tokens."""
    return spec.partition(":")[0] in OF_WORDS


def load_rows(spec: str, folder: Path | None, *, length: int = 0, limits: Limits = DEFAULT_LIMITS) -> Rows:
    """Read the texts or tokens ``spec`` names: ``texts:FILE``, ``corpus:FILE``, ``corpus:FOLDER``, ``tokens:FILE.npz``.

    Args:
        spec: the reader, and after a colon what it reads; ``@64`` behind a path: rows of 64 tokens.
        folder: of the model, with its ``config.json`` and for texts its ``tokenizer.json``.
        length: tokens of a row, if ``spec`` says none; 0: as many as suit the model.
        limits: how much the data may ask of this machine.

    Raises:
        UsageError: no folder where one is needed, or one without a tokenizer.
        MismatchError: tokenizer, rows and model do not belong together.
        MalformedError: what is there is missing, damaged, too large or not of the form the reader expects.
    """
    kind, _, where = spec.partition(":")
    path, at, tokens = where.rpartition("@")
    if at and re.fullmatch("[1-9][0-9]{0,6}", tokens) and not Path(where).expanduser().exists():
        where, length = path, int(tokens)
    if kind == "tokens":
        return read_tokens(where, limits, Folder.read(folder) if folder else None, length)
    if folder is None:
        raise UsageError(
            f"expected the folder of a model, whose tokenizer reads {kind}, got none",
            hint="name it: --arch hf:FOLDER, or --weights FOLDER",
        )
    return {"texts": read_texts, "corpus": read_corpus}[kind](where, limits, words.of(folder), length)
