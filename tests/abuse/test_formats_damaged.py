"""Files of every format that were cut or changed at random: one clear line, and nothing of a size that they claim."""

import math

import numpy as np
import pytest

from formats import MAKERS, Small, made
from modelmark.errors import MalformedError
from modelmark.suspects.files import LIMIT, open_weights

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    return made(request.param, Small(), tmp_path_factory.mktemp("whole"))


def outcome(path):
    """Return the refusal in one line, or read everything; tensors together are no larger than they may be."""
    said = ""
    try:
        file = open_weights(path)
        assert sum(math.prod(shape) for shape in file.shapes.values()) <= LIMIT
        for name in file.names:
            file.tensor(name)
    except MalformedError as error:
        said = str(error)
    assert not said or said.startswith("expected ")
    assert len(said) < 500
    return said


@pytest.mark.parametrize("whole", MAKERS, indirect=True)
def test_a_file_that_was_cut_off(whole, tmp_path):
    raw = whole.read_bytes()
    parts = (0.1, 0.5, 0.9) if "weights.h5" in whole.name or "keras" in whole.name else np.linspace(0.02, 0.99, 30)
    for part in parts:  # a process looks at each HDF5 file, which takes most of a second
        cut = tmp_path / whole.name
        cut.write_bytes(raw[: int(len(raw) * part)])
        for beside in whole.parent.glob("*.[db][ai][tn]*"):  # .data, .bin
            (tmp_path / beside.name).write_bytes(beside.read_bytes())
        assert outcome(cut), part


@pytest.mark.parametrize("whole", MAKERS, indirect=True)
def test_a_file_of_which_a_quarter_was_changed(whole, tmp_path):
    raw = np.frombuffer(whole.read_bytes(), np.uint8)
    for seed in range(3 if "weights.h5" in whole.name or "keras" in whole.name else 60):
        rng = np.random.default_rng(seed)
        changed = raw.copy()
        places = rng.choice(len(raw), len(raw) // 4, replace=False)
        changed[places] = rng.integers(0, 256, len(places))
        if seed % 2:
            changed[:16] = raw[:16]  # else most are of no kind that is known
        (tmp_path / "w").write_bytes(changed.tobytes())
        assert outcome(tmp_path / "w"), seed


@pytest.mark.parametrize("name", [name for name in MAKERS if "keras" not in name])
def test_a_file_of_which_some_bytes_were_changed(name, tmp_path):
    path = made(name, Small(), tmp_path)
    raw = np.frombuffer(path.read_bytes(), np.uint8)
    for seed in range(60):  # many of these are still read; whatever comes is a number or a refusal
        rng = np.random.default_rng(seed)
        changed = raw.copy()
        changed[rng.choice(len(raw), 3, replace=False)] = rng.integers(0, 256, 3)
        path.write_bytes(changed.tobytes())
        outcome(path)


@pytest.mark.parametrize("whole", MAKERS, indirect=True)
def test_a_file_under_another_first_byte(whole, tmp_path):
    (tmp_path / "w").write_bytes(b"\x7f" + whole.read_bytes()[1:])
    assert "expected weights in" in outcome(tmp_path / "w")
