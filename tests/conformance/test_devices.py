"""Schemes and attacks on a GPU keep what they promise on the CPU; and what was marked there is read alike here."""

import copy
import os

import pytest
import torch

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # one seed, one result: cuBLAS asks for this

from attack_cases import CASES

from modelmark.errors import MissingPackageError
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Provenance, keygen
from modelmark.schemes import names_for, scheme_class
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.testing import check_attack, check_scheme

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)  # as one: there are hundreds of cases
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation")


@pytest.fixture(scope="module", autouse=True)
def _deterministic():
    """As the command line sets it. A pooling (resnet8, vgg16) and the median vary all the same."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def there(unmarked):
    return copy.deepcopy(unmarked).to("cuda")


@pytest.mark.parametrize("name", sorted({*names_for("pictures")} - {"field"}))
def test_battery(name, fresh, digits, recipe):
    check_scheme(scheme_class(name)(), copy.deepcopy(fresh).to("cuda"), digits, recipe, most_lost=0.02)


@pytest.mark.parametrize("name", sorted({*names_for("pictures")} - {"field"}))
def test_marks_are_read_alike_here_and_there(name, there, digits, recipe, secret):
    host = weights.digest(there.state_dict())
    key = keygen(scheme_class(name)(), there, digits.feed, task=digits, secret=secret, owner=Provenance(host=host))
    marked = embed(there, [key.mark()], digits, recipe, seed=1).model
    assert next(marked.parameters()).is_cuda
    found, again = (
        key.mark().evidence(
            WhiteBox(copy.deepcopy(marked).to(device)),
            align_to=copy.deepcopy(there).to(device) if key.access == "white-box" else None,
        )
        for device in ("cuda", "cpu")
    )
    assert found.established
    assert (found.matches, found.trials) == (again.matches, again.trials)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("data", ["cpu", "cuda"])
def test_attacks_keep_their_promises(case, data, stolen_in):
    """The thief's data may be on either device."""
    stolen, task = stolen_in(case)
    try:
        check_attack(case.attack(), copy.deepcopy(stolen).to("cuda"), task.to(data), floor=case.floor)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")
