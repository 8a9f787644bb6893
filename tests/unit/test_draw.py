"""The message is a function of statement, kind and token, uniform and independent symbol by symbol."""

from collections import Counter

import numpy as np
import pytest

from modelmark import hashing
from modelmark.key.draw import Draw

STATEMENT = bytes(range(32))


def test_a_longer_message_begins_with_the_shorter_one() -> None:
    draw = Draw(STATEMENT)
    assert draw.message(10, 300)[:7].tolist() == draw.message(10, 7).tolist()


def test_statement_kind_and_token_each_change_the_message() -> None:
    draws = [
        Draw(STATEMENT),
        Draw(bytes(32)),
        Draw(STATEMENT, "timestamp", b"token"),
        Draw(STATEMENT, "timestamp", b"tokem"),
        Draw(STATEMENT, "beacon", b"token"),
    ]
    assert len({draw.message(2, 128).tobytes() for draw in draws}) == len(draws)


@pytest.mark.parametrize("alphabet", [2, 10])
def test_symbols_are_uniform_and_successive_ones_independent(alphabet: int) -> None:
    message = Draw(STATEMENT).message(alphabet, 8001)
    for values, cells in ((message, alphabet), (message[:-1] * alphabet + message[1:], alphabet**2)):
        counts = np.bincount(values, minlength=cells)
        mean = len(values) / cells
        statistic = ((counts - mean) ** 2 / mean).sum()
        assert abs(statistic - (cells - 1)) < 5 * np.sqrt(2 * (cells - 1))


def test_words_beyond_the_last_whole_multiple_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[bytes] = Counter()
    last = 2**64 // 10 * 10 - 1
    words = [last + 1, 2**64 - 1, last + 2, last + 1, last + 3, last]  # more than are asked for at first
    stream = b"".join(word.to_bytes(8, "big") for word in words)

    def expand(count: int, tag: str, rho: bytes, index: bytes) -> bytes:
        asked[index] += 1
        return stream.ljust(count, b"\0")[:count]

    monkeypatch.setattr(hashing, "expand", expand)
    assert Draw(STATEMENT).message(10, 3).tolist() == [9, 9, 9]
    assert len(asked) == 3
    assert min(asked.values()) > 1


@pytest.mark.parametrize(("kind", "charge"), [("offline", 80), ("timestamp", 48), ("beacon", 32)])
def test_the_charge_is_that_of_the_kind(kind: str, charge: int) -> None:
    assert Draw(STATEMENT, kind, b"" if kind == "offline" else b"token").charge == charge


@pytest.mark.parametrize(
    ("statement", "kind", "token"),
    [
        (STATEMENT, "offline", b"token"),
        (STATEMENT, "timestamp", b""),
        (STATEMENT, "beacon", b""),
        (STATEMENT, "coin", b"token"),
        (STATEMENT[:31], "offline", b""),
    ],
)
def test_a_draw_that_does_not_fit_together_is_refused(statement: bytes, kind: str, token: bytes) -> None:
    with pytest.raises(ValueError, match="expected a"):
        Draw(statement, kind, token)


def test_an_alphabet_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="alphabet of at least 2"):
        Draw(STATEMENT).message(1, 5)
