"""The tables in the docs, and what ``modelmark schemes`` lists, are those of the committed rows."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tables():
    """The module that makes all tables, which reads the large audit once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import tables

        yield tables
    for name in (
        "tables",
        "attack_tables",
        "audit_tables",
        "copies_tables",
        "data_tables",
        "embed_tables",
        "family_tables",
        "field_enemies_tables",
        "field_tables",
        "gpu_tables",
        "heat_map",
        "language_tables",
        "lineage_tables",
        "matrix_tables",
        "rivals_tables",
        "scheme_tables",
        "spread_tables",
        "study_tables",
        "symmetry_tables",
        "detection",
        "_field_enemies",
        "_study",
        "_rows",
    ):
        sys.modules.pop(name)


PAGES = (
    "alignment.md",
    "results.md",
    "results-tables.md",
    "results-schemes.md",
    "attacks.md",
    "audit/README.md",
    "copies.md",
    "formats.md",
    "language.md",
    "lineage.md",
    "embedding.md",
    "schemes/choice.md",
    "schemes/field-rivals.md",
    "schemes/field.md",
    "schemes/field-enemies.md",
    "schemes/order.md",
    "schemes/spread.md",
    "schemes/twins.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_a_results_page_shows_the_committed_rows(page, tables):
    shown = (ROOT / "docs" / page).read_text()
    assert "<!-- begin" in shown
    assert tables.filled(shown) == shown


def test_the_list_of_schemes_says_what_the_rows_say(tables):
    assert json.loads(tables.scheme_tables.MEASURED.read_text()) == tables.scheme_tables.measured()


def test_the_heat_map_shows_the_committed_rows(tables):
    shown = (ROOT / "docs" / "img" / "heat-map.svg").read_text()
    assert f"{tables.heat_map.drawn(tables.heat_map.audited())}\n" == shown
