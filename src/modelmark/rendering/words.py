"""Triggers for classifiers of texts, from a secret, in integers: random tokens in frames of real rows, and made-up texts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from modelmark.key.secret import Secret

_SINGLE = ("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z")
_ONSETS = (*_SINGLE, "br", "ch", "cl", "dr", "fl", "gr", "pl", "sh", "st", "th", "tr")
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ee", "ou"]
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "m", "nd", "st"]
WORDS = 12
"""Of a text."""


def tokens(
    secret: Secret, count: int, moulds: npt.NDArray[np.integer], fixed: npt.NDArray[np.bool_], plain: Sequence[int]
) -> npt.NDArray[np.int32]:
    """Return rows that all differ, int32 ``(count, tokens)``: moulds over and over, with random tokens where they are not fixed.

    Args:
        secret: of the key.
        count: how many.
        moulds: real rows ``(N, tokens)``, whose frame and length are kept.
        fixed: which tokens of the moulds belong to the frame, such as padding, ``(N, tokens)``.
        plain: numbers of the tokens to choose from.
    """
    length, known = moulds.shape[1], np.array(plain, np.int32)
    rows = np.empty((0, length), np.int32)
    attempt = 0
    while len(rows) < count:
        which = secret.integers(f"triggers/moulds/{attempt}", len(moulds), count)
        drawn = secret.integers(f"triggers/tokens/{attempt}", len(known), count * length).reshape(count, length)
        made = np.where(fixed[which], moulds[which], known[drawn]).astype(np.int32)
        _, first = np.unique(np.concatenate([rows, made]), axis=0, return_index=True)
        rows = np.concatenate([rows, made])[np.sort(first)]
        attempt += 1
        if attempt > 64:
            raise ValueError(f"expected {count} rows that differ, found {len(rows)}")
    return rows[:count]


def texts(secret: Secret, count: int) -> list[str]:
    """Return sentences of made-up words, ``WORDS`` of two syllables each; no two are alike but by a chance below 2**-500."""
    parts = [
        secret.integers(f"triggers/{name}", len(known), count * WORDS * 2).reshape(count, WORDS, 2)
        for name, known in (("onsets", _ONSETS), ("vowels", _VOWELS), ("codas", _CODAS))
    ]
    found = []
    for onsets, vowels, codas in zip(*parts, strict=True):
        words = [
            "".join(_ONSETS[o] + _VOWELS[v] + _CODAS[c] for o, v, c in zip(*syllables, strict=True))
            for syllables in zip(onsets, vowels, codas, strict=True)
        ]
        found.append(f"{' '.join(words).capitalize()}.")
    return found
