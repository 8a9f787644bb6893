"""Several keys count together by Fisher's method, never by a sum, and never twice."""

from dataclasses import replace
from fractions import Fraction

import pytest

from modelmark.errors import UsageError
from modelmark.evidence.combined import combine
from modelmark.evidence.evidence import Evidence
from modelmark.evidence.stats import fisher_bits

A = Evidence("adi", 60, 100, Fraction(1, 10), root="aa")
B = Evidence("uchida", 250, 256, Fraction(1, 2), root="bb")


@pytest.mark.parametrize(("bits", "expected"), [([64, 64], 121.5), ([20, 20], 35.1), ([64], 64.0), ([0, 0, 0], 0.0)])
def test_the_anchors(bits, expected):
    assert fisher_bits(bits) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("bits", [[3, 5], [10, 0, 7], [1, 1, 1, 1]])
def test_it_is_the_tail_of_a_chi_squared_variable(bits):
    from math import log, log2

    from scipy.stats import chi2

    assert fisher_bits(bits) == pytest.approx(-log2(chi2.sf(2 * log(2) * sum(bits), 2 * len(bits))), rel=1e-9)


@pytest.mark.parametrize("bits", [[], [3, -1]])
def test_no_test_and_negative_bits_are_refused(bits):
    with pytest.raises(ValueError, match="at least one test"):
        fisher_bits(bits)


def test_the_net_bits_are_combined():
    both = combine([A, B])
    assert both.net_bits == fisher_bits([A.net_bits, B.net_bits])
    assert both.established
    assert both.to_json()["parts"] == [A.to_json(), B.to_json()]
    assert str(both).endswith("established")


def test_a_weak_key_beside_a_strong_one_costs_little_and_two_weak_ones_stay_weak():
    weak = replace(A, matches=10, root="cc")
    assert combine([B, weak]).net_bits > B.net_bits - 8
    assert not combine([weak, replace(weak, root="dd")]).established


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([A], "two keys"),
        ([A, A], "same root"),
        ([A, replace(B, root="aa")], "same root"),
        ([A, replace(B, bar=10)], "bar"),
    ],
)
def test_what_cannot_be_combined_is_refused(parts, problem):
    with pytest.raises(UsageError, match=problem):
        combine(parts)


def test_a_self_check_key_among_them_is_never_evidence():
    assert not combine([A, replace(B, self_check=True)]).established
