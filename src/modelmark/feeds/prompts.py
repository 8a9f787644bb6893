"""Prompts of a language model, each with the tokens among which its answer is looked for: by number, and by text where known.

What stands for one is a line of canonical JSON::

    {"candidates":[262,257],"prompt":[464,2068],"text":"The quick","words":[" the"," a"]}

``text`` and ``words`` are there where the numbers were made with a tokenizer that gives them back: ``text`` makes ``prompt``, and
``text`` with a word behind it makes ``prompt`` and that candidate. Loads without torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelmark import canonical
from modelmark.canonical import Json
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.base import Array
from modelmark.feeds.causal import END, padded

MOST_LEAF = 2**18
"""Bytes of one."""
MOST_CANDIDATES = 4096


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts with their candidates.

    Args:
        rows: numbers of tokens, int32 ``(N, tokens)``, ``END`` behind the last of each.
        candidates: that may come next, int32 ``(N, k)``; those of one prompt differ.
        texts: of the prompts, ``N`` of them; empty: known by number alone.
        words: of the candidates, as they follow on the text, ``k`` for each prompt.
    """

    rows: Array
    candidates: npt.NDArray[np.int32]
    texts: tuple[str, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        count, k = self.candidates.shape
        if len(self.rows) != count or k < 2:
            raise ValueError(f"expected candidates, two at least, for each of {len(self.rows)} prompts, got {count}")
        if len(self.texts) not in (0, count) or [len(known) for known in self.words] != [k] * len(self.texts):
            raise ValueError("expected a text for every prompt and a word for every candidate, or none, got some")
        if any(len(set(row)) < k for row in self.candidates.tolist()):
            raise ValueError("expected candidates that differ, got one token twice")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> "Prompts":
        """Return some of them."""
        return Prompts(self.rows[part], self.candidates[part], self.texts[part], self.words[part])

    def tokens(self, number: int) -> list[int]:
        """Return the tokens of one prompt."""
        row = self.rows[number]
        found: list[int] = row[row != END].tolist()
        return found

    def leaves(self) -> list[bytes]:
        """Return what stands for each."""
        return [canonical.encode(self._fields(number)) for number in range(len(self))]

    def _fields(self, number: int) -> Json:
        numbers: dict[str, Json] = {
            "candidates": self.candidates[number].tolist(),
            "prompt": [*self.tokens(number)],
        }
        if not self.texts:
            return numbers
        return {**numbers, "text": self.texts[number], "words": [*self.words[number]]}


def parse(leaves: Sequence[bytes], *, longest: int, vocabulary: int, candidates: int) -> Prompts:
    """Return the prompts that these stand for.

    Args:
        leaves: as ``Prompts.leaves`` gives them.
        longest: tokens of a row.
        vocabulary: how many tokens there are.
        candidates: of each prompt.

    Raises:
        MalformedError: one is no prompt of these sizes, or some have texts and some have none.
    """
    read = [_read(leaf, longest, vocabulary, candidates) for leaf in leaves]
    worded = [one for one in read if "text" in one]
    if len(worded) not in (0, len(read)):
        raise MalformedError("expected texts of all prompts as carriers, or of none, got some")
    try:
        return Prompts(
            padded([one["prompt"] for one in read], longest),
            np.array([one["candidates"] for one in read], np.int32).reshape(-1, candidates),
            tuple(one["text"] for one in worded),
            tuple(tuple(one["words"]) for one in worded),
        )
    except ValueError as error:
        raise MalformedError(f"expected prompts as carriers: {error}") from None


def _read(leaf: bytes, longest: int, vocabulary: int, candidates: int) -> dict[str, Any]:
    if len(leaf) > MOST_LEAF:
        raise MalformedError(f"expected prompts of at most {MOST_LEAF} bytes as carriers, got {len(leaf)}")
    one = canonical.decode(leaf, what="a prompt")
    names = one.keys() if isinstance(one, dict) else set()
    right = names in ({"candidates", "prompt"}, {"candidates", "prompt", "text", "words"})
    right = right and _numbers(one["prompt"], vocabulary) and 1 <= len(one["prompt"]) <= longest
    right = right and _numbers(one["candidates"], vocabulary) and len(one["candidates"]) == candidates
    if right and "text" in names:
        words = one["words"]
        right = isinstance(one["text"], str) and isinstance(words, list) and len(words) == candidates
        right = right and all(isinstance(word, str) for word in words)
    if not right:
        raise MalformedError(
            f"expected prompts of at most {longest} tokens below {vocabulary} with {candidates} candidates as carriers, "
            "got something else"
        )
    return one  # type: ignore[no-any-return]


def _numbers(value: Any, vocabulary: int) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < vocabulary for one in value)


def packed(prompts: Prompts) -> dict[str, Array]:
    """Return the arrays that a key file holds: rows, candidates, and texts in UTF-8 with a zero byte after each."""
    said = [text for n, text in enumerate(prompts.texts) for text in (text, *prompts.words[n])]
    texts = b"".join(text.encode() + b"\0" for text in said)
    arrays = {"prompts": prompts.rows, "candidates": prompts.candidates}
    return arrays | ({"texts": np.frombuffer(texts, np.uint8)} if said else {})


def attached(arrays: Mapping[str, Array], *, longest: int, vocabulary: int) -> Prompts:
    """Return the prompts that were ``packed``.

    Raises:
        MismatchError: they are not there, or of other sizes.
    """
    rows, candidates = (arrays.get(name, np.empty(0)) for name in ("prompts", "candidates"))
    right = rows.dtype == candidates.dtype == np.int32 and rows.ndim == candidates.ndim == 2
    right = right and len(rows) == len(candidates) > 0 and rows.shape[1] == longest
    right = right and END <= rows.min() <= rows.max() < vocabulary
    right = right and not (rows[:, 0] == END).any() and 0 <= candidates.min() <= candidates.max() < vocabulary
    if not right or ((rows[:, :-1] == END) > (rows[:, 1:] == END)).any():
        raise MismatchError(f"expected attached prompts (N, {longest}) of tokens below {vocabulary}, got others")
    texts, k = arrays.get("texts", np.empty(0, np.uint8)), candidates.shape[1]
    try:
        said = [text.decode() for text in texts.astype(np.uint8).tobytes().split(b"\0")[:-1]]
        if len(said) not in (0, len(rows) * (k + 1)):
            raise ValueError("expected a text for every prompt and candidate, got others")
        lines = [said[start : start + k + 1] for start in range(0, len(said), k + 1)]
        return Prompts(rows, candidates, tuple(one[0] for one in lines), tuple(tuple(one[1:]) for one in lines))
    except ValueError as error:
        raise MismatchError(f"expected attached prompts: {error}") from None
