"""``tokens:FILE.npz``: rows of token numbers that somebody made already, with a label each or without."""

import zipfile

import numpy as np

from modelmark.data.folder import Folder
from modelmark.data.npz import labels_of, read_array
from modelmark.data.rows import Rows, Tokens
from modelmark.data.streams import Budget, Limits, Stream, judging, name_of, need, path_of, shown
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.causal import END

_ROWS = ("train_tokens", "test_tokens")
MOST = 2**24
"""Tokens of a vocabulary."""
_LABELS = ("train_labels", "test_labels")


def read_tokens(where: str, limits: Limits, folder: Folder | None, length: int) -> Rows:
    """Read ``train_tokens`` and ``test_tokens``, integers ``(N, tokens)``, with ``train_labels`` and ``test_labels`` or without.

    Without labels the last token of a row is only told, and -1 stands behind the last of a shorter one. Class names are the
    configuration's if there are enough, else the labels' digits. How many tokens there are is the configuration's word,
    else that of an array ``vocabulary`` of one number, else one more than the highest.
    """
    path = need(path_of(where, "tokens:FILE.npz"), "file")
    name, budget = shown(path.name), Budget(limits)
    with judging(name), zipfile.ZipFile(path) as archive:
        there = {part.removesuffix(".npy") for part in archive.namelist()}
        labelled = set(_LABELS) <= there
        if not set(_ROWS) <= there or (not labelled and there & set(_LABELS)):
            found = ", ".join(sorted(there)[:8])
            raise MalformedError(
                f"expected arrays {', '.join(_ROWS)}, and {', '.join(_LABELS)} or neither, in {name}, got {found!r:.200}"
            )
        sizes = ("vocabulary",) if "vocabulary" in there else ()
        arrays = []
        for part in (*_ROWS, *(_LABELS if labelled else ()), *sizes):
            with archive.open(f"{part}.npy") as raw:
                arrays.append(read_array(Stream(raw, budget, f"{part}.npy in {name}"), limits))
    train, test = (_tokens(array, name) for array in arrays[:2])
    _require_short(train.shape[1] - (not labelled), folder, length, name)
    told = int(arrays.pop().flat[0]) if sizes else max(2, int(max(train.max(), test.max())) + 1)
    vocabulary = (folder.vocabulary if folder else 0) or told
    if not 2 <= vocabulary <= MOST:
        raise MalformedError(f"expected a vocabulary of 2 to {MOST} tokens in {name}, got {vocabulary}")
    if not labelled:
        return Rows(name_of(path), train, None, test, None, (), vocabulary)
    marks = [labels_of(array) for array in arrays[2:]]
    highest = max(int(labels.max()) for labels in marks)
    if highest >= limits.max_classes:
        raise MalformedError(f"expected labels from 0 to {limits.max_classes - 1} in {name}, got {highest}")
    known = folder.classes if folder else ()
    classes = known if highest < len(known) else tuple(map(str, range(highest + 1)))
    return Rows(name_of(path), train, marks[0], test, marks[1], classes, vocabulary)


def _tokens(array: "np.ndarray", name: str) -> Tokens:
    if array.ndim != 2 or array.min() < END or array.max() >= MOST:
        raise MalformedError(f"expected rows of tokens (N, tokens) below {MOST} in {name}, got {array.shape}")
    return array.astype(np.int32)


def _require_short(length: int, folder: Folder | None, wanted: int, name: str) -> None:
    if folder and folder.context and length > folder.context:
        raise MismatchError(
            f"expected rows of at most {folder.context} tokens, the model's context, got {length} in {name}"
        )
    if wanted and length != wanted:
        raise MismatchError(f"expected rows of {wanted} tokens, got {length} in {name}")
