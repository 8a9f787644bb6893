"""What several tests share: small data, small trained networks, and the owner's real data where it is there."""

import copy
import os
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # also for commands that tests start: more threads than cores wait for one another

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from locks import alone
from modelmark import data
from modelmark.key.secret import Secret
from modelmark.marks.embedding import embed
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.schemes import scheme_class
from modelmark.seeding import seeded
from modelmark.suspects import weights
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Whether tests pass depends on the tree alone; with ``--hypothesis-seed`` examples are drawn that nobody has seen yet."""
    settings.register_profile(
        "suite", derandomize=not config.getoption("--hypothesis-seed"), deadline=None, database=None
    )
    settings.load_profile(config.getoption("--hypothesis-profile") or "suite")


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


@pytest.fixture(scope="session")
def fresh(digits):
    return build("cnn", digits.feed.input_shape, digits.feed.classes, seed=0)


@pytest.fixture(scope="session")
def perceptron(digits):
    """A network that trains in a sixth of the time of ``fresh``, the same trained, and from a scheme's name what embeds it."""
    with seeded(0):
        fresh = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        )

    def recipe(scheme: str):
        return annealed(40 if scheme in ("composite", "coupled") else 25, 0.2, batch=64, clip=1.0)

    return fresh, fit(fresh, digits, recipe(""), seed=1), recipe


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """A folder that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def made_once(fresh, common, tmp_path_factory):
    """Return a function that trains a network like ``fresh``, or takes what another process of this run has trained."""
    own = tmp_path_factory.getbasetemp()

    def get(name: str, train: Callable[[], nn.Module]) -> nn.Module:
        kept = common / f"{name}.safetensors"
        with alone(common / f"{name}.lock"):  # who comes second waits, rather than train the same network beside
            if not kept.exists():
                weights.save(train(), own / f"{name}.new")
                (own / f"{name}.new").replace(kept)
        model = copy.deepcopy(fresh)
        weights.apply(model, weights.load(kept), what=f"weights of {name}")
        return model.eval()

    return get


@pytest.fixture(scope="session")
def unmarked(fresh, digits, recipe, made_once):
    return made_once("unmarked", lambda: fit(fresh, digits, recipe, seed=0))


@pytest.fixture(scope="session")
def stolen(unmarked, digits, recipes, made_once):
    """Return a function from a scheme's name to its mark and a digits network that carries it, each made once."""
    made: dict[str, tuple[Mark, nn.Module]] = {}

    def get(name: str) -> tuple[Mark, nn.Module]:
        if name not in made:
            host = weights.digest(unmarked.state_dict())
            key = keygen(
                scheme_class(name)(),
                unmarked,
                digits.feed,
                task=digits,
                secret=Secret(bytes(range(32))),
                owner=Provenance(host=host),
            )
            mark = key.mark()
            made[name] = (
                mark,
                made_once(f"stolen-{name}", lambda: embed(unmarked, [mark], digits, recipes(name), seed=1).model),
            )
        return made[name]

    return get


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
