"""Texts: what is shown of untrusted ones, and how numbers are rounded."""

import pytest

from modelmark.report import labels
from modelmark.report.svg import Scale, element, ticks


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\nb\t c\u2028d", "a b c d"),
        ("safe\u202egpj.exe\u202c", "safegpj.exe"),
        ("\u2066x\u2069\u200b\u0000\x1b[31m", "x[31m"),
        ("\ud800y", "y"),
        ("naïve 网络", "naïve 网络"),
        ({"a": 1}, '{"a": 1}'),
        ("x" * 400, "x" * 299 + "…"),
    ],
)
def test_invisible_characters_are_left_out(given, shown):
    assert labels.clean(given) == shown


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (labels.bits(63.99), "63.9"),
        (labels.bits(None), "–"),
        (labels.points(0.0419), "4.2"),
        (labels.points(-0.003), "−0.3"),
        (labels.points(-0.0001), "0.0"),
        (labels.percent(0.8), "80 %"),
        (labels.percent(0.00123), "0.12 %"),
        (labels.percent(0), "0 %"),
        (labels.settings({"amount": 0.5, "layer": "fc"}), "amount=0.5, layer=fc"),
        (labels.several(["a", "b", "c"]), "a, b and c"),
        (labels.several("abcde", 2), "a, b and 3 more"),
        (labels.several([]), ""),
    ],
)
def test_how_values_are_written(made, shown):
    assert made == shown


def test_texts_in_figures_are_escaped_and_figures_in_figures_are_not():
    inner = element("title", '<script>"&')
    assert element("a", inner, href='#"x') == '<a href="#&#34;x"><title>&lt;script&gt;&#34;&amp;</title></a>'


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 67.2), (0, 471), (-3, 12), (0, 100000)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 3 <= len(found) <= 6
    assert low <= found[0] <= found[-1] <= high


def test_a_root_scale_keeps_its_ends_and_shows_gains_on_the_other_side_of_zero():
    scale = Scale(-4, 100, 0, 120, root=True)
    assert [scale(value) for value in (-4, 0, 25, 100, 1000)] == [0, 20, 70, 120, 120]
