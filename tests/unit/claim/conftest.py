"""A small claim, its parties, and throwaway timestamp authorities."""

import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import claim_nets
import pytest

import nets
from modelmark.claim.dates.timestamp import Authority
from modelmark.testing.authority import LocalAuthority

fresh, made_once, unmarked, stolen = claim_nets.around(nets.cnn)

MAKE = Path(__file__).resolve().parents[2] / "vectors" / "make_claims.py"


@pytest.fixture(scope="session")
def case() -> SimpleNamespace:
    """Everything that ``tests/vectors/make_claims.py`` defines: keys, parties, builders."""
    return SimpleNamespace(**{name: value for name, value in runpy.run_path(str(MAKE)).items() if name[0] != "_"})


@pytest.fixture(scope="session")
def authorities(tmp_path_factory):
    """Return a function from options to a running authority and what a reader pins of it, each made once."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no timestamp authority to ask")
    pytest.importorskip("rfc3161_client", reason="pip install 'modelmark[evidence]'")
    made: dict[str, tuple[LocalAuthority, Authority]] = {}

    def get(name: str = "first", **options: object) -> tuple[LocalAuthority, Authority]:
        if name not in made:
            local = LocalAuthority.make(tmp_path_factory.mktemp("authority"), name=name, **options)
            made[name] = (local, Authority.load(local.root))
        return made[name]

    return get
