"""What several tests share: small data, small trained networks, and the owner's real data where it is there."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

import collecting
import locks
import nets
from drawing import Drawing
from modelmark import data
from modelmark.key import sealed
from modelmark.key.secret import Secret
from modelmark.models import mlp
from modelmark.seeding import seeded
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Whether tests pass depends on the tree alone; with ``--hypothesis-seed`` nobody has seen examples or secrets yet."""
    if not config.getoption("--hypothesis-seed"):
        config.pluginmanager.register(Drawing(), "drawing")
    settings.register_profile(
        "suite", derandomize=not config.getoption("--hypothesis-seed"), deadline=None, database=None
    )
    settings.load_profile(config.getoption("--hypothesis-profile") or "suite")
    config.pluginmanager.register(collecting, "collecting")
    nets.SLIM = config.option.markexpr == "not slow"
    if nets.SLIM:
        mlp._UNITS = nets.UNITS


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Task:
    return Task.from_dataset(data.load("digits"))


@pytest.fixture(scope="session")
def recipe():
    return annealed(20, 0.05, batch=64, clip=1.0)


@pytest.fixture(scope="session")
def recipes(recipe):
    """Return a function from a scheme's name to what embeds it: fused queries take twice the time of all else."""
    return lambda scheme: annealed(40, 0.05, batch=64, clip=1.0) if scheme in ("composite", "coupled") else recipe


fresh, made_once, unmarked, stolen = nets.around(nets.usual)


@pytest.fixture(scope="session")
def perceptron(digits):
    """A network that trains in a sixth of the time of ``fresh``, the same trained, and from a scheme's name what embeds it."""
    with seeded(0):
        fresh = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        )

    def recipe(scheme: str):
        return annealed(40 if scheme in ("composite", "coupled") else 25, 0.2, batch=64, clip=1.0)

    return fresh, locks.made_once("perceptron", fresh, lambda: fit(fresh, digits, recipe(""), seed=1)), recipe


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """A folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def _shared(common):
    locks.COMMON[:] = [common]


@pytest.fixture
def whole_mlp(monkeypatch):
    """``mlp`` as it ships, where bits are counted that a narrower one has no place for."""
    monkeypatch.setattr(mlp, "_UNITS", 512)


@pytest.fixture
def quick_seal(monkeypatch):
    """Argon2id at its least for what this test seals; ``abuse/test_key_files.py`` and the vectors derive at full price."""
    monkeypatch.setattr(sealed, "KDF", sealed.KDF | {"m_kib": 32, "t": 1})


@pytest.fixture
def secret() -> Secret:
    return Secret(bytes(range(32)))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs the data beside the project, {SHARED} is absent")
    return SHARED
