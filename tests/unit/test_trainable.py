"""What can be marked by training, in whatever way a network holds its weights; what cannot is refused before training starts."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import language
from modelmark.errors import UsageError
from modelmark.feeds.floats import FloatFeed
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import KeyPolicy, keygen
from modelmark.networks import layers
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.seeding import seeded
from modelmark.suspects import weights
from modelmark.suspects.files import open_weights
from modelmark.suspects.module import WhiteBox
from modelmark.suspects.state import State
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

FEED = FloatFeed((6, 40), ("a", "b", "c"))
_SELF = KeyPolicy(self_check=True)


class Recurrent(nn.Module):
    """What reads a sequence step by step; its layers are parameters of one module."""

    def __init__(self, kind: Callable[..., nn.Module] = nn.LSTM, **settings: Any) -> None:
        super().__init__()
        self.body = kind(40, 24, batch_first=True, **settings)
        self.head = nn.Linear(24 * (1 + bool(settings.get("bidirectional"))), 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


def _flat(*inner: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *inner)


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with seeded(0):
        return make()


def _wide(how: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> nn.Module:
    return _seeded(lambda: _flat(how(nn.Linear(240, 32)), nn.ReLU(), nn.Linear(32, 3)))


@pytest.fixture(scope="module")
def task() -> Task:
    drawn = torch.Generator().manual_seed(0)
    x, y = torch.randn(160, 6, 40, generator=drawn), torch.randint(0, 3, (160,), generator=drawn)
    return Task(FEED, x[:128], y[:128], x[128:], y[128:])


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lstm": (lambda: Recurrent(nn.LSTM), "body.weight_ih_l0"),
    "gru of two layers": (lambda: Recurrent(nn.GRU, num_layers=2), "body.weight_ih_l0"),
    "both ways": (lambda: Recurrent(nn.LSTM, bidirectional=True), "body.weight_ih_l0"),
    "old weight norm": (lambda: _wide(nn.utils.weight_norm), "1"),
    "weight norm": (lambda: _wide(nn.utils.parametrizations.weight_norm), "1"),
    "old spectral norm": (lambda: _wide(nn.utils.spectral_norm), "1"),
    "spectral norm": (lambda: _wide(nn.utils.parametrizations.spectral_norm), "1"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_mark_goes_into_whatever_holds_its_weights(name: str, task: Task, tmp_path: Any) -> None:
    """keygen found no layer in recurrent networks; of layers whose weights are computed embedding said that there was none."""
    make, layer = NETWORKS[name]
    network = _seeded(make)
    scheme = Uchida(bits=16, strength=1.0, margin=1e-4)
    key = keygen(scheme, network, FEED, policy=_SELF)
    assert key.scheme.layer == layer
    done = embed(network, [key.mark()], task, annealed(30, 0.1, batch=64, clip=1.0), seed=0)
    assert key.mark().evidence(WhiteBox(done.model)).matches == 16
    weights.save(done.model, tmp_path / "m.safetensors")
    assert key.mark().evidence(State(open_weights(tmp_path / "m.safetensors"))).matches == 16


def _frozen() -> nn.Module:
    network = _wide()
    network[1].requires_grad_(False)
    return network


def _tied() -> nn.Module:
    network = language.fresh()
    network.head.weight = network.tokens.weight
    return network


class Packed(nn.Linear):
    """A layer as quantisers leave it: whole numbers in a parameter."""

    def __init__(self) -> None:
        super().__init__(240, 32)
        self.weight = nn.Parameter((self.weight * 100).to(torch.int8), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight / 100, self.bias)


CASES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "frozen": (_frozen, "expected a layer that is trained, 1 is frozen"),
    "quantised": (
        lambda: _flat(Packed(), nn.Linear(32, 3)), "expected weights of real numbers in 1, got int8: they are quantised",
    ),
    "on the meta device": (lambda: _wide().to("meta"), "expected a model with weights, 1.weight is on the meta device"),
    "lazy": (
        lambda: _flat(nn.LazyLinear(32), nn.Linear(32, 3)),
        "expected layers of known sizes, 1.weight takes its own from the first input",
    ),
    "all frozen": (lambda: _wide().requires_grad_(False), "expected a model with weights that are trained, all are frozen"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_embedded_is_refused_before_training(name: str, task: Task) -> None:
    """Training such a network ended, after all its rounds, in symbols without their margin, or in an error of torch."""
    make, line = CASES[name]
    network, watched = make(), []
    key = keygen(Uchida(bits=16, layer="1"), _wide(), FEED, policy=_SELF)
    with pytest.raises(UsageError, match=line) as refused:
        embed(network, [key.mark()], task, annealed(1, 0.1, batch=64), seed=0, watch=lambda *now: watched.append(now))
    assert refused.value.hint
    assert not watched


def test_a_mark_that_chooses_no_layer_needs_weights_that_are_trained_too() -> None:
    network = language.fresh().requires_grad_(False)
    key = keygen(Spread(), language.fresh(), language.task(40).feed)
    with pytest.raises(UsageError, match="all are frozen"):
        embed(network, [key.mark()], language.task(40), annealed(1, 0.1), seed=0)


def test_keygen_refuses_a_lazy_network() -> None:
    with pytest.raises(UsageError, match="expected layers of known sizes"):
        keygen(Uchida(bits=16), _flat(nn.LazyLinear(32), nn.Linear(32, 3)), FEED, policy=_SELF)


def test_a_head_that_is_the_embeddings_table_is_refused_and_left_out_of_spread() -> None:
    """A push on the head would move the table: what is read of one is read of the other, and both change what tokens mean."""
    network, feed = _tied(), language.task(40).feed
    with pytest.raises(
        UsageError, match="expected a layer with weights of its own, those of head are the embedding's, tokens"
    ):
        keygen(Uchida(bits=16, layer="head"), network, feed, policy=_SELF)
    mark = keygen(Spread(), network, feed).mark()
    marked = imprint(network, mark)
    assert torch.equal(marked.head.weight, network.head.weight)
    assert marked.head.weight is marked.tokens.weight
    assert mark.evidence(WhiteBox(marked)).established


def test_tied_weights_are_written_once_and_tied_when_they_are_read(tmp_path: Any) -> None:
    network = _tied()
    weights.save(network, tmp_path / "m.safetensors")
    file = open_weights(tmp_path / "m.safetensors")
    assert "tokens.weight" in file.shapes
    assert "head.weight" not in file.shapes
    other = _tied()
    nn.init.zeros_(other.head.weight)
    weights.apply(other, file, what="weights")
    assert other.head.weight is other.tokens.weight
    assert torch.equal(other.head.weight, network.head.weight)


def test_a_network_after_weight_norm_can_be_copied_once_it_ran(task: Task) -> None:
    network = _wide(nn.utils.parametrizations.weight_norm)
    network(task.train_inputs[:2])
    assert torch.equal(layers.weight(copy.deepcopy(network), "1"), layers.weight(network, "1"))
