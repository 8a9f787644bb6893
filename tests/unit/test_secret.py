"""What the secret gives is fixed by secret and label, uniform, and without modulo bias."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from modelmark import hashing
from modelmark.key import secret
from modelmark.key.secret import NORMAL_UNIT, Secret

ONE, TWO = Secret(bytes(range(32))), Secret(bytes(32))


def chi_square(counts: Iterable[int], cells: int) -> float:
    """Chi-square per degree of freedom, in standard deviations from its mean."""
    observed = np.array(list(counts))
    assert len(observed) == cells
    mean = observed.sum() / cells
    statistic = ((observed - mean) ** 2 / mean).sum()
    return float((statistic - (cells - 1)) / np.sqrt(2 * (cells - 1)))


def test_bytes_are_shake_256_of_the_framed_secret_and_label() -> None:
    parts = (b"modelmark/v1/secret", ONE.value, b"label")
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    assert ONE.bytes("label", 50) == hashlib.shake_256(framed).digest(50)


@pytest.mark.parametrize(
    "derive",
    [
        lambda s, label: s.bytes(label, 32),
        lambda s, label: s.integers(label, 1000, 32).tolist(),
        lambda s, label: s.permutation(label, 32).tolist(),
        lambda s, label: s.normals(label, 32).tolist(),
    ],
    ids=["bytes", "integers", "permutation", "normals"],
)
def test_the_same_secret_and_label_give_the_same_and_others_give_another(derive) -> None:
    assert derive(ONE, "a") == derive(Secret(ONE.value), "a")
    assert len({str(derive(s, label)) for s in (ONE, TWO) for label in ("a", "b", "", "a/0")}) == 8


@pytest.mark.parametrize("below", [2, 3, 10, 97])
def test_integers_are_uniform(below: int) -> None:
    counts = Counter(ONE.integers("uniform", below, 50_000).tolist())
    assert set(counts) == set(range(below))
    assert abs(chi_square(counts.values(), below)) < 5


@pytest.mark.parametrize("below", [3, 10, 1000, 2**62 - 1])
def test_words_beyond_the_last_whole_multiple_are_skipped(below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    last = 2**64 // below * below - 1
    words = [last + 1, last, 2**64 - 1, 0, below, last + 1, below + 1]
    stream = b"".join(word.to_bytes(8, "big") for word in words)
    monkeypatch.setattr(hashing, "expand", lambda count, *_: stream.ljust(count, b"\0")[:count])
    assert ONE.integers("any", below, 4).tolist() == [below - 1, 0, 0, 1]


def test_integers_read_on_until_enough_words_were_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []

    def expand(count: int, *_: object) -> bytes:
        lengths.append(count)
        return (b"\xff" * 8 * 100 + bytes(8 * 100))[:count]

    monkeypatch.setattr(hashing, "expand", expand)
    assert ONE.integers("any", 3, 2).tolist() == [0, 0]
    assert len(lengths) > 1


@pytest.mark.parametrize("below", [0, -1, 2**62 + 1])
def test_a_range_that_words_cannot_cover_is_refused(below: int) -> None:
    with pytest.raises(ValueError, match="expected 0 < below"):
        ONE.integers("any", below, 1)


def test_every_order_is_equally_likely() -> None:
    counts = Counter(tuple(ONE.permutation(f"order/{i}", 4).tolist()) for i in range(4800))
    assert set(counts) == set(itertools.permutations(range(4)))
    assert abs(chi_square(counts.values(), 24)) < 5


def test_normals_have_the_moments_they_state() -> None:
    x = ONE.normals("moments", 200_000) / NORMAL_UNIT
    assert abs(x.mean()) < 5 / np.sqrt(len(x))
    assert x.var() == pytest.approx(1, abs=0.02)
    assert (x**4).mean() == pytest.approx(2.9, abs=0.1)
    assert abs(x).max() < 6


def test_each_chunk_of_normals_has_a_stream_of_its_own() -> None:
    x = ONE.normals("long", secret._CHUNK + 3)
    raw = np.frombuffer(ONE.bytes(f"long/{secret._CHUNK}", 3 * 24), ">u2").reshape(3, 12)
    assert x[-3:].tolist() == (raw.sum(axis=1, dtype=int) - 6 * 65535).tolist()


def test_generated_secrets_differ_and_are_not_shown() -> None:
    drawn = Secret.generate()
    assert drawn != Secret.generate()
    assert repr(drawn) == "Secret()"


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), "x" * 32, bytearray(32)])
def test_anything_but_32_bytes_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a secret of 32 bytes"):
        Secret(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("can_squeeze", [True, False])
def test_a_stream_in_pieces_is_the_stream(can_squeeze: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that cannot squeeze a piece at a time make the whole at once, with the same bytes."""
    from cryptography.hazmat.primitives import hashes

    if not can_squeeze:
        monkeypatch.delattr(hashes, "XOFHash", raising=False)
    whole = hashing.expand(1000, "secret", b"a")
    assert [*map(len, hashing.expanded(1000, 300, "secret", b"a"))] == [300, 300, 300, 100]
    assert b"".join(hashing.expanded(1000, 300, "secret", b"a")) == whole


def test_normals_are_sums_of_twelve_words_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_PART", 7)
    raw = np.frombuffer(ONE.bytes("sums/0", 24 * 100), ">u2").reshape(-1, 12).astype(np.int64)
    assert np.array_equal(ONE.normals("sums", 100), raw.sum(axis=1) - 6 * 65535)
