"""Net is gross less charges, never below zero; a self-check key proves nothing; line and JSON say the same."""

import json
import math
from fractions import Fraction

import pytest

from modelmark.evidence.evidence import Charge, Evidence, Observation, charge_name, charge_tries

HALF = Fraction(1, 2)
CHARGES = (Charge("offline draw", 80.0), Charge("8 suspects tried", 3.0))


def test_net_is_gross_less_every_charge() -> None:
    evidence = Evidence("uchida", 200, 200, HALF, CHARGES)
    assert (evidence.gross_bits, evidence.net_bits) == (200, 117)


def test_net_is_never_below_zero() -> None:
    assert Evidence("uchida", 60, 100, HALF, CHARGES).net_bits == 0


@pytest.mark.parametrize(
    ("trials", "bar", "self_check", "established"),
    [(144, 64, False, True), (143, 64, False, False), (143, 63, False, True), (1000, 64, True, False)],
)
def test_evidence_is_established_from_its_bar_on_and_never_by_a_self_check(
    trials: int, bar: float, self_check: bool, established: bool
) -> None:
    evidence = Evidence("uchida", trials, trials, HALF, (Charge("draw", 80.0),), bar=bar, self_check=self_check)
    assert evidence.established is established
    assert evidence.verdict == ("established" if established else "not established")


@pytest.mark.parametrize("bar", [0, -1, float("nan"), float("inf"), float("-inf")])
def test_a_bar_that_everything_or_nothing_reaches_is_refused(bar: float) -> None:
    with pytest.raises(ValueError, match="expected a bar above 0"):
        Evidence("adi", 9, 100, Fraction(1, 10), bar=bar)


@pytest.mark.parametrize(
    ("evidence", "line"),
    [
        (
            Evidence("uchida", 256, 256, HALF, CHARGES),
            "uchida: 256/256 expected bits, 256.0 bits (net 173.0): established",
        ),
        (
            Evidence("adi", 9, 100, Fraction(1, 10), CHARGES, queries=100),
            "adi: 9/100 expected answers, 0.5 bits (net 0.0): not established",
        ),
        (
            Evidence("uchida", 256, 256, HALF, self_check=True),
            "uchida: 256/256 expected bits, 256.0 bits (net 256.0): not established (self-check key: never evidence)",
        ),
        (
            Observation("uchida", 250, 256, "chosen", reference=(0.1, 0.857)),
            "uchida: 250/256 as expected; no exact test: chosen; unmarked models: 10% to 86%: not established",
        ),
        (
            Evidence("adi", 100, 100, Fraction(1, 10), CHARGES, queries=100, bar=10),
            "adi: 100/100 expected answers, 332.1 bits (net 249.1): established at a bar of 10",
        ),
        (
            Observation("adi", 1, 2, "chosen"),
            "adi: 1/2 as expected; no exact test: chosen; unmarked models: not measured: not established",
        ),
    ],
)
def test_the_line_says_it(evidence: Evidence | Observation, line: str) -> None:
    assert str(evidence) == line


def test_the_line_never_rounds_up() -> None:
    evidence = Evidence("adi", 50, 50, Fraction(1, 10))
    assert evidence.gross_bits == pytest.approx(166.0964, abs=1e-4)
    assert "166.0 bits (net 166.0)" in str(evidence)


def test_every_number_can_be_recomputed_from_the_json() -> None:
    value = json.loads(json.dumps(Evidence("adi", 90, 100, Fraction(1, 10), CHARGES, queries=100).to_json()))
    again = Evidence(
        value["scheme"],
        value["matches"],
        value["trials"],
        Fraction(value["chance"]),
        tuple(Charge(**charge) for charge in value["charges"]),
        value["queries"],
        value["bar"],
        value["self_check"],
    )
    assert again.to_json() == value
    assert (value["net_bits"], value["verdict"]) == (again.net_bits, "established")


def test_an_observation_has_no_bits_and_is_never_established() -> None:
    observation = Observation("uchida", 256, 256, "chosen", reference=(0.5,))
    value = json.loads(json.dumps(observation.to_json()))
    assert not observation.established
    assert value["verdict"] == "not established"
    assert not any("bits" in name for name in value)


@pytest.mark.parametrize("tries", [2, 8, 1000])
def test_tries_are_charged_by_their_log2(tries: int) -> None:
    assert charge_tries("suspects tried", tries) == (Charge(f"{tries} suspects tried", math.log2(tries)),)


def test_a_single_try_is_free_and_none_is_refused() -> None:
    assert charge_tries("suspects tried", 1) == ()
    with pytest.raises(ValueError, match="at least one"):
        charge_tries("suspects tried", 0)


def test_all_names_there_are_cost_together_no_more_than_one_try() -> None:
    """A claimant who may choose the name may try every one; the chances of all names, at their charges, stay below 1."""
    (charge,) = charge_name("é")
    assert (charge.reason, charge.bits) == ("a name of 2 bytes", 26)
    assert charge_name("") == ()
    bits = {size: charge_name("x" * size)[0].bits for size in range(1, 801)}  # 200 characters of at most four bytes
    assert sum(Fraction(256**size, 2 ** int(paid)) for size, paid in bits.items()) < 1
