"""The message is a function of statement, kind and token, uniform and independent symbol by symbol."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

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

    def expanded_each(count: int, lasts: Iterable[bytes], *framed: Any) -> Iterator[bytes]:
        return (expand(count, *framed, last) for last in lasts)

    monkeypatch.setattr(hashing, "expand", expand)
    monkeypatch.setattr(hashing, "expanded_each", expanded_each)
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


def test_a_recipients_bits_follow_from_the_draw_and_the_name_by_hashes_alone() -> None:
    """Computed with hashlib from the specification."""
    rho = hashing.digest("draw", STATEMENT, b"timestamp", b"token")
    name = "Göttingen".encode()
    seed = hashlib.sha256(_frame(b"modelmark/v1/copy", rho, name)).digest()
    stream = hashlib.shake_256(_frame(b"modelmark/v1/copy bits", seed)).digest(13)
    draw = Draw(STATEMENT, "timestamp", b"token").of("Go\u0308ttingen")
    assert (draw.recipient, draw.seed) == ("Göttingen", seed)
    assert draw.message(2, 100).tolist() == [stream[i // 8] >> i % 8 & 1 for i in range(100)]
    assert draw.symbols(2, [99, 3]).tolist() == draw.message(2, 100)[[99, 3]].tolist()


def _frame(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def test_each_name_and_each_draw_has_bits_of_its_own() -> None:
    draws = [Draw(STATEMENT), Draw(bytes(32)), Draw(STATEMENT, "timestamp", b"token")]
    copies = [draw.of(name) for draw in draws for name in ("A", "B", "AB", "a")]
    assert len({draw.message(2, 128).tobytes() for draw in (*draws, *copies)}) == len(draws) + len(copies)
    bits = np.array([Draw(STATEMENT).of(f"name {i}").message(2, 1000) for i in range(200)])
    assert abs(bits.mean() - 0.5) < 4 * 0.5 / np.sqrt(bits.size)


@pytest.mark.parametrize("name", ["", " ", " A", "A ", "A\n", "A\x1b[2J", "A\u202eB", "A\ud800", "x" * 201])
def test_a_name_that_could_be_taken_for_another_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of 1 to 200 printable characters"):
        Draw(STATEMENT).of(name)


def test_names_in_another_form_of_unicode_are_one_name() -> None:
    assert Draw(STATEMENT).of("e\u0301").message(2, 64).tolist() == Draw(STATEMENT).of("\xe9").message(2, 64).tolist()
    with pytest.raises(ValueError, match="form C"):
        Draw(STATEMENT, recipient="e\u0301")
    with pytest.raises(ValueError, match="alphabet of 2"):
        Draw(STATEMENT).of("A").message(3, 4)
