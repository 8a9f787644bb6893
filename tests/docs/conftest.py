"""The pages of the tree, and the code that makes a site of them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "site"


@pytest.fixture
def site(monkeypatch) -> Iterator[ModuleType]:
    """``docs/site/build.py``, which imports all the others."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(SITE))
    import build

    yield build
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").is_relative_to(SITE):
            sys.modules.pop(name)
