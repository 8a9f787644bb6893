"""What the readers of texts and tokens return: rows of token numbers, checked, and what is to be told of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelmark.data.dataset import SPLIT_SEED, Labels
from modelmark.errors import MalformedError, MismatchError
from modelmark.feeds.causal import END

Tokens = npt.NDArray[np.int32]
LONGEST = 128
"""Tokens of a row unless a person says otherwise; fewer where the network's context is shorter."""
HELD_OUT = 10  # one row in ten


@dataclass(frozen=True, eq=False)
class Rows:
    """A training and a test split of rows of tokens, with the label of each row or without: then the next token is told.

    Args:
        name: the last part of the path without its suffix.
        train_rows: int32 ``(N, tokens)``; without labels ``(N, tokens + 1)``, ``END`` behind the last of each.
        train_labels: int64 ``(N,)``; None where the next token is told.
        test_rows: the same, ``(M, ...)``.
        test_labels: int64 ``(M,)``, or None.
        classes: names in label order; empty where the next token is told.
        vocabulary: how many tokens there are.
        tokenizer: digest of what made the tokens, hex; empty: not known.
        notes: lines about what was cut or left out.
    """

    name: str
    train_rows: Tokens
    train_labels: Labels | None
    test_rows: Tokens
    test_labels: Labels | None
    classes: tuple[str, ...]
    vocabulary: int
    tokenizer: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for split, rows, labels in (
            ("train", self.train_rows, self.train_labels),
            ("test", self.test_rows, self.test_labels),
        ):
            if rows.dtype != np.int32 or rows.ndim != 2 or not rows.size:
                raise MalformedError(f"expected {split} rows of tokens, got {rows.dtype} {rows.shape}")
            low = END if labels is None else 0
            if rows.min() < low or rows.max() >= self.vocabulary:
                raise MismatchError(
                    f"expected tokens below {self.vocabulary}, as the vocabulary has, got {rows.min()} to {rows.max()}",
                    hint="data and tokenizer must be of the model that is fed",
                )
            if labels is not None and (
                labels.shape != (len(rows),) or labels.min() < 0 or labels.max() >= len(self.classes)
            ):
                raise MalformedError(f"expected {split} labels from 0 to {len(self.classes) - 1}, one for each row")
        if self.train_rows.shape[1] != self.test_rows.shape[1]:
            raise MalformedError(
                f"expected test rows of {self.train_rows.shape[1]} tokens, got {self.test_rows.shape[1]}"
            )

    @property
    def is_causal(self) -> bool:
        """Whether the next token is told."""
        return self.train_labels is None


def held_out(count: int) -> npt.NDArray[np.bool_]:
    """Return which of ``count`` rows are tested with: a tenth, at least one, always the same.

    Raises:
        MalformedError: fewer than two rows.
    """
    if count < 2:
        raise MalformedError(f"expected at least 2 rows to split, got {count}")
    order = np.argsort(np.random.Philox(key=SPLIT_SEED).random_raw(count), kind="stable")
    found = np.zeros(count, bool)
    found[order[: max(1, count // HELD_OUT)]] = True
    return found
