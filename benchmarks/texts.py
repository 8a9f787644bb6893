"""A text that nobody has to download: documentation that Python and its packages ship, as rows of tokens.

Topics of Python's help and docstrings of its library (PSF-2.0), and docstrings of numpy, scipy, scikit-learn, networkx and sympy
(BSD-3-Clause), in the versions that are installed; each counts for the same number of characters. Everything follows from the
files: kept in a folder, named by what went in, it is made again only where that changed.

    python benchmarks/texts.py
"""

import ast
import functools
import hashlib
import importlib.metadata
import itertools
import os
import platform
import pydoc_data.topics
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from modelmark.feeds.tokens import TokenFeed
from modelmark.training.task import Task

SOURCES = {
    "python": "",
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "networkx": "networkx",
    "sympy": "sympy",
}
"""Folder of a package, and what it is called on the index."""
CHARACTERS = 400_000
"""Of each source."""
VOCABULARY = 1024
LENGTH = 32
"""Tokens of a row that are read; a causal model is asked for one more."""


def texts(source: str) -> Iterator[str]:
    """Yield what a source says of itself, in the order of its files."""
    if source == "python":
        yield from (text for _, text in sorted(pydoc_data.topics.topics.items()))
        folder = Path(sysconfig.get_paths()["stdlib"])
        files = sorted(folder.glob("*.py"))
    else:
        folder = Path(sysconfig.get_paths()["purelib"]) / source
        files = sorted(path for path in folder.rglob("*.py") if "tests" not in path.parts)
    for path in files:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text and len(text) > 200:
                    yield text


@functools.cache
def corpus() -> dict[str, str]:
    """Return the text of each source, its lines as they are, ``CHARACTERS`` long."""
    found = {}
    for source in SOURCES:
        parts: list[str] = []
        for text in texts(source):
            parts.append(text)
            if sum(map(len, parts)) >= CHARACTERS:
                break
        found[source] = "\n\n".join(parts)[:CHARACTERS]
    return found


def versions() -> dict[str, str]:
    """Return the version of every source."""
    return {
        source: importlib.metadata.version(name) if name else platform.python_version()
        for source, name in SOURCES.items()
    }


@functools.cache
def rows() -> tuple[Tensor, Tensor]:
    """Return rows of tokens, int32 ``(N, LENGTH + 1)``, and the number of the source of each; no two rows overlap."""
    key = hashlib.sha256(repr((versions(), CHARACTERS, VOCABULARY, LENGTH)).encode()).hexdigest()[:16]
    kept = _folder() / f"rows-{key}.npz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = tokenizer()
        found, labels = [], []
        for number, text in enumerate(corpus().values()):
            tokens = np.array(made.encode(text).ids, np.int32)
            whole = len(tokens) // (LENGTH + 1)
            found.append(tokens[: whole * (LENGTH + 1)].reshape(whole, LENGTH + 1))
            labels.append(np.full(whole, number))
        part = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(part, rows=np.concatenate(found), labels=np.concatenate(labels))
        part.rename(kept)
    with np.load(kept, allow_pickle=False) as stored:
        return torch.from_numpy(stored["rows"]), torch.from_numpy(stored["labels"].astype(np.int64))


def tokenizer():  # type: ignore[no-untyped-def]
    """Return a byte-level BPE tokenizer trained on the whole text."""
    import tokenizers

    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(corpus().values(), vocab_size=VOCABULARY, min_frequency=2, show_progress=False)
    return made


def language(owner: int = 2000, thief: int = 600, test: int = 200) -> tuple[Task, Task]:
    """Return the causal tasks of an owner and of a thief: other rows, the same test rows."""
    found, _ = _shuffled()
    tested, own, other = found[:test], found[test : test + owner], found[test + owner : test + owner + thief]
    return tuple(Task.from_tokens(part, tested, VOCABULARY) for part in (own, other))  # type: ignore[return-value]


def sources(owner: int = 2000, thief: int = 600, test: int = 500) -> tuple[Task, Task]:
    """Return the tasks of an owner and of a thief: tell of a row which source it is from."""
    found, labels = _shuffled()
    found = found[:, :LENGTH].contiguous()
    feed = TokenFeed((LENGTH,), tuple(SOURCES), VOCABULARY)
    ends = (test, test + owner, test + owner + thief)
    return tuple(Task(feed, found[a:b], labels[a:b], found[:test], labels[:test]) for a, b in itertools.pairwise(ends))  # type: ignore[return-value]


def _shuffled() -> tuple[Tensor, Tensor]:
    found, labels = rows()
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0))
    return found[order], labels[order]


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "modelmark" / "texts"


if __name__ == "__main__":
    found, labels = rows()
    print(
        f"{len(found)} rows of {LENGTH + 1} tokens:", dict(zip(SOURCES, torch.bincount(labels).tolist(), strict=True))
    )
    print(versions())
