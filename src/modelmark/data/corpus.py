"""``corpus:FILE`` and ``corpus:FOLDER``: running text, cut into rows of tokens of which each tells the next."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modelmark.data.rows import Rows, Tokens, held_out
from modelmark.data.streams import Budget, Limits, judging, name_of, need, open_stream, path_of, shown
from modelmark.data.words import Words
from modelmark.errors import MalformedError, UsageError
from modelmark.feeds.causal import END

_ENDINGS = (".txt", ".md", ".rst", ".txt.gz", ".txt.xz", ".txt.bz2")


def read_corpus(where: str, limits: Limits, words: Words, length: int) -> Rows:
    """Read a text in UTF-8, or all that end in .txt, .md or .rst below a folder, in the order of their paths.

    Each text is told apart by itself and cut into rows of ``length`` tokens and the one that comes next; the last of a text
    may be shorter. Hidden files are left out. One row in ten is held out.
    """
    path = path_of(where, "corpus:FILE or corpus:FOLDER")
    budget, wide = Budget(limits), words.length(length) + 1
    pieces: list[Tokens] = []
    count = 0
    for file in _texts(path, limits):
        with open_stream(file, budget) as stream:
            raw = stream.read()
        with judging(shown(file.name)):
            text = raw.decode()
        rows = _cut(np.fromiter(words.running(text), np.int32), wide)
        count += len(rows)
        if count > limits.max_items:
            raise MalformedError(f"expected at most {limits.max_items} rows of tokens, got more in {shown(path.name)}")
        pieces.append(rows)
    rows = np.concatenate(pieces)
    if len(rows) < 2:
        raise MalformedError(
            f"expected text for at least 2 rows of {wide - 1} tokens in {shown(path.name)}, got {len(rows)}"
        )
    test = held_out(len(rows))
    return Rows(name_of(path), rows[~test], None, rows[test], None, (), words.vocabulary, words.digest)


def _texts(path: Path, limits: Limits) -> Iterator[Path]:
    if not path.is_dir():
        yield need(path, "file")
        return
    found = []
    for above, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(above, name) for name in names if not name.startswith(".") and name.endswith(_ENDINGS)]
        if len(found) > limits.max_members:
            raise MalformedError(f"expected at most {limits.max_members} files below {shown(str(path))}, got more")
    if not found:
        raise UsageError(f"expected texts that end in .txt, .md or .rst below {shown(str(path))}, found none")
    yield from sorted(file for file in found if file.is_file() and not file.is_symlink())


def _cut(tokens: Tokens, wide: int) -> Tokens:
    """Return rows of ``wide`` tokens; a rest of fewer than two, of which none tells another, is left out."""
    whole = len(tokens) // wide * wide
    rows = tokens[:whole].reshape(-1, wide)
    rest = tokens[whole:]
    if len(rest) < 2:
        return rows
    last = np.full((1, wide), END, np.int32)
    last[0, : len(rest)] = rest
    return np.concatenate([rows, last])
