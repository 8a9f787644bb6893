"""Cells: the honest summary of strengths and seeds, and what sections say of them."""

import pytest
from report_rows import REMOVALS, audit, forgery, observed, reading, row, sweep

from modelmark.audit.result import Accuracy, Cost
from modelmark.report import facts
from modelmark.report.cells import cell
from modelmark.report.parts import parts
from modelmark.report.rows import Row


def numbered(rows):
    return [Row(result, line) for line, result in enumerate(rows, start=1)]


def summed(rows):
    return cell("adi", "prune", numbered(rows))


def part(rows):
    (only,) = parts(numbered(rows))
    return only


def test_shown_is_the_strength_that_leaves_least_for_at_most_five_points():
    found = summed(sweep("adi", "prune", [(1, 0), (0.9, 0.02), (0.85, 0.049), (0.3, 0.051)]))
    assert (found.state, found.shown.order, found.shown.bits.line, found.shown.lost.line) == ("holds", 2, 3, 3)
    assert [strength.order for strength in found.sweep] == [0, 1, 2, 3]


def test_a_success_in_more_seeds_goes_before_fewer_bits():
    sure = [row("adi", "prune", 0.65, 0.01, settings={"amount": 1}, strength=1, seed=seed) for seed in range(3)]
    lucky = [
        row("adi", "prune", left, 0.01, settings={"amount": 2}, strength=2, seed=seed)
        for seed, left in enumerate([0.1, 0.2, 1.0])
    ]
    found = summed([*lucky, *sure])
    assert (found.state, found.shown.order, found.shown.succeeded, found.shown.seeds) == ("removed", 1, 3, 3)


def test_seeds_that_cost_too_much_are_left_aside_but_counted():
    rows = [
        row(left=left, lost=lost, seed=seed) for seed, (left, lost) in enumerate([(0.1, 0.3), (0.2, 0.2), (0.6, 0.03)])
    ]
    found = summed(rows)
    assert (found.state, found.shown.succeeded, found.shown.seeds) == ("removed", 1, 3)
    assert (found.shown.bits.line, found.shown.loss) == (3, pytest.approx(0.03))


@pytest.mark.parametrize(("lefts", "line"), [([0.9, 0.8, 0.7], 2), ([0.9, 0.8, 0.95, 0.85], 4)])
def test_medians_are_rows_that_were_measured(lefts, line):
    found = summed([row(left=left, seed=seed) for seed, left in enumerate(lefts)])
    assert found.shown.bits.line == line


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([row(left=0.1, lost=0.2), row(left=0.05, lost=0.4, settings={"amount": 1})], "costly"),
        ([row(marked=observed("adi", 100), after=observed("adi", 2))], "unmarked"),
        ([row(marked=reading("adi", 30))], "unmarked"),
        ([row(status="refused", after=None)], "refused"),
        ([row(status="refused", after=None), row(status="failed", after=None, seed=1)], "failed"),
        ([row(status="failed", after=None), row(seed=1)], "holds"),
        ([forgery("adi", 9, 1.0)], "other"),
        ([row(after=reading("adi", 10), accuracy=None)], "unmarked"),
    ],
)
def test_the_states_of_cells(rows, state):
    assert summed(rows).state == state


def test_the_cheapest_removal_stands_for_a_costly_cell():
    found = summed(sweep("adi", "prune", [(0.9, 0.06), (0.6, 0.1), (0.1, 0.5)]))
    assert (found.state, found.shown.order) == ("costly", 1)


def test_attacks_stand_by_kind_and_family():
    kinds = [attack.kind for attack in part(audit()).attacks]
    assert kinds == sorted(
        kinds, key=["modification", "extraction", "collusion", "evasion", "forgery", "detection"].index
    )
    assert {attack.name for attack in part(audit()).attacks} == {*REMOVALS, "fit-key", "weight-statistics"}


def test_rows_of_two_setups_never_share_a_part():
    found = parts(numbered([row(), row(setup="other"), row(data="idx:mnist"), row(arch="mlp"), row(attack="jpeg")]))
    assert [len(one.rows) for one in found] == [2, 1, 1, 1]


def test_one_scheme_with_two_settings_is_two_schemes():
    rows = [row(), row(scheme_settings={"triggers": 64}), row("uchida")]
    assert part(rows).schemes == ("adi (defaults)", "adi (triggers=64)", "uchida")


def test_verdicts_say_where_an_attack_succeeded_or_that_it_removed_nothing():
    found = {one.attack.name: one for one in facts.verdicts(part(audit()))}
    assert [cell.scheme for cell in found["prune"].fell] == ["adi"]
    assert len(found["prune"].judged) == 3
    assert (found["collude"].fell, found["collude"].least.scheme) == ((), "adi")
    assert [cell.scheme for cell in found["jpeg"].costly] == ["adi"]
    assert set(found) == set(REMOVALS)


def test_differences_are_exactly_the_rows_where_the_two_rules_disagree():
    rows = audit()
    listed = {one.line for found in facts.differences(part(rows)) for one in found.rows}
    expected = {
        line
        for line, result in enumerate(rows, start=1)
        if result.succeeded is not None and result.succeeded != (result.field_removed and result.lost <= 0.05)
    }
    assert listed == expected
    assert len(expected) == 9


def test_prices_go_from_the_cheapest_row_to_the_dearest_with_the_cheapest_success():
    shares = [(0.2, 1.0), (0.1, 0.5), (0.5, 0.5), (0.0, 1.0)]
    rows = [row(left=left, seed=seed, cost=Cost(10 * share, 1.0, 10.0)) for seed, (share, left) in enumerate(shares)]
    (price,) = facts.prices(part([*rows, row(seed=9, cost=Cost(1.0, 1.0, 0.0))]))
    assert [one.line for one in (price.lowest, price.middle, price.highest, price.success)] == [4, 2, 3, 2]


def test_a_finding_or_forgery_that_is_nonsense_is_shown_as_unknown():
    odd = row(
        kind="detection", finding={"marked": "yes", "host": {"score": "9", "marked": 1}}, accuracy=Accuracy(0.9, 0.9)
    )
    (seen,) = facts.detections(part([odd]))
    assert (seen.marked, seen.host) == ((None, False), (None, False))
    (claim,) = facts.forgeries(part([forgery("adi", 9, "all")]))
    assert claim.naive is None
