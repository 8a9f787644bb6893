"""Sums of all rules in a few passes are those that one pass a rule gives, to the last bit, whatever the weights are."""

import ml_dtypes
import numpy as np
import pytest

from modelmark.carriers import summing
from modelmark.carriers.room import Room
from modelmark.carriers.summing import block_sums

KINDS = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}


def scaled(values):
    mean = np.square(values).mean(axis=1, keepdims=True)
    if not np.isfinite(mean).all() or (mean < 1e-200).any():
        largest = np.abs(values).max(axis=1, keepdims=True)
        largest[largest == 0] = 1
        roots = largest * np.sqrt(np.square(values / largest).mean(axis=1, keepdims=True))
        roots[roots == 0] = 1
    else:
        roots = np.sqrt(mean)
    return values / roots, roots


def median(weights, host, there):
    ratios = np.where(there & (host != 0), weights / np.where(host == 0, 1, host), np.nan)
    return np.array([[np.nanmedian(row) if not np.isnan(row).all() else 1.0] for row in ratios])


def one_pass_a_rule(where, sign, bits, found, known):
    """The rules as docs/schemes/spread.md states them."""
    weights, host = found.astype(np.float64), None if known is None else known.astype(np.float64)
    there = np.isfinite(weights) & (weights != 0)
    weights[~there] = 0
    values = [scaled(weights)[0], np.sign(weights)]
    if host is not None:
        for difference in (weights - host, weights - median(weights, host, there) * host):
            difference[~there] = 0
            values += [scaled(difference)[0], np.sign(difference)]
        small = np.abs(weights - host) < summing.SMALL * scaled(host)[1]
        values += [-values[3], np.where(small, values[3], 0)]
    return np.stack([np.bincount(where, weights=sign * each.ravel(), minlength=bits) for each in values])


def given(kind, rng, filters=24, width=301):
    host = (0.02 * rng.standard_normal((filters, width))).astype(KINDS[kind])
    found = (host.astype(np.float64) * 1.01 + 0.001 * rng.standard_normal(host.shape)).astype(KINDS[kind])
    return found, host


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [1, 40, 300])
@pytest.mark.parametrize(
    "case", ["plain", "pruned", "broken", "one filter repeated", "out of range", "the host itself"]
)
def test_the_sums_are_those_of_one_pass_a_rule(kind, bits, case, rng):
    found, host = given(kind, rng)
    if case == "pruned":
        found[rng.random(found.shape) < 0.4], found[3], host[5, :100], host[6] = 0, 0, 0, 0
    elif case == "broken":
        found[0, :5], found[1, 7], found[2] = np.nan, np.inf, np.nan
    elif case == "one filter repeated":
        found[:], host[:] = found[0], host[0]
    elif case == "out of range":
        found[2] *= np.array(2.0**100 if kind in ("f64", "f32", "bf16") else 2.0, found.dtype)
        found[3] *= np.array(2.0**-100 if kind in ("f64", "f32", "bf16") else 2.0**-3, found.dtype)
    elif case == "the host itself":
        found = host.copy()
    where, sign = rng.integers(0, bits, found.size), rng.choice(np.array([-1, 1], np.int8), found.size)
    wide = [np.float64 if kind == "f64" else np.float32] * 2  # as a suspect answers
    given_, known = (each.astype(to) for each, to in zip((found, host), wide, strict=True))
    room = Room()
    for against in (None, known):
        expected = one_pass_a_rule(where, sign, bits, given_, against)
        assert np.array_equal(block_sums(where, sign, bits, given_, against, room), expected)


def test_signs_are_added_as_digits_only_where_they_fit(rng, monkeypatch):
    """All weights of one bit, more than a digit holds, are added one rule at a time."""
    found, host = given("f32", rng, 8, 4000)
    where, sign = np.zeros(found.size, np.int64), np.ones(found.size, np.int8)
    counted = []
    monkeypatch.setattr(summing, "_one_by_one", lambda *a, f=summing._one_by_one: counted.append(1) or f(*a))
    expected = one_pass_a_rule(where, sign, 64, found, host)
    assert np.array_equal(block_sums(where, sign, 64, found, host, Room()), expected)
    assert counted
