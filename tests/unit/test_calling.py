"""Networks are called as they are: what returns an object is used as what returns a tensor, and padding is masked."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import modelmark
from modelmark.attacks import attack_class
from modelmark.errors import ModelmarkError, SuspectError
from modelmark.feeds.tokens import TokenFeed
from modelmark.marks.keys import keygen
from modelmark.networks import taps
from modelmark.networks.calling import call, mask, padding_of, scored
from modelmark.seeding import seeded
from modelmark.suspects.module import WhiteBox, logits
from modelmark.testing import check_scheme
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task, accuracy

PAD = 3
ROWS = torch.tensor([[5, 6, 7, 8], [5, 6, PAD, PAD], [PAD, 5, 6, PAD], [5, PAD, 6, PAD], [PAD, PAD, PAD, PAD]])


class Reader(nn.Module):
    """Attends from the first token to all that the mask leaves; classes from what it finds."""

    def __init__(self, padding: int | None = PAD) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8, padding_idx=padding)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, None]:
        hidden = self.table(tokens)
        left_out = None if attention_mask is None else attention_mask == 0
        found, _ = self.attention(hidden[:, :1], hidden, hidden, key_padding_mask=left_out, need_weights=False)
        return self.head(found[:, 0]), None


def _reader(**settings: Any) -> nn.Module:
    with seeded(0):
        return Reader(**settings)


def test_padding_before_and_behind_a_row_is_masked_and_none_within() -> None:
    assert mask(ROWS, PAD).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0]]


def test_a_row_is_answered_alike_however_much_padding_there_is() -> None:
    """Called without a mask, as before, a network attends to the padding: its answers depend on the longest row beside."""
    reader, short = _reader(), torch.tensor([[5, 6]])
    assert torch.allclose(scored(reader, short), scored(reader, ROWS[1:2]), atol=1e-6)
    assert not torch.allclose(reader(short)[0], reader(ROWS[1:2])[0], atol=1e-6)
    assert torch.equal(logits(reader, ROWS), scored(reader.eval(), ROWS))


def test_the_padding_is_the_configurations_before_an_embeddings() -> None:
    reader = _reader()
    assert padding_of(reader) == PAD
    assert padding_of(nn.DataParallel(reader)) == PAD
    reader.config = SimpleNamespace(pad_token_id=0)
    assert padding_of(reader) == 0
    reader.config = SimpleNamespace(pad_token_id=None)
    assert padding_of(reader) == PAD
    assert padding_of(_reader(padding=None)) is None
    assert padding_of(nn.Embedding(10, 2, padding_idx=1)) is None, "it takes no mask"


def test_floats_are_given_as_they_are() -> None:
    class Strict(nn.Linear):
        def forward(self, x: Tensor, attention_mask: None = None) -> Tensor:
            assert attention_mask is None
            return super().forward(x)

    network = Strict(4, 2)
    network.config = SimpleNamespace(pad_token_id=0)
    assert call(network, torch.zeros(3, 4)).shape == (3, 2)


class Plain(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 48), nn.ReLU(),
            nn.Linear(48, 10),
        )  # fmt: skip


class Objects(Plain):
    """The same with its scores in an object, as Hugging Face's networks return them."""

    def forward(self, x: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=super().forward(x), loss=None)


class Dictionaries(Plain):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        scores = super().forward(x)
        return {"out": scores, "aux": scores + 1}


class Tuples(Plain):
    """Only while it is trained, as torchvision's Inception does."""

    def forward(self, x: Tensor) -> Any:
        scores = super().forward(x)
        return (scores, scores + 1) if self.training else scores


KINDS = [Objects, Dictionaries, Tuples]


def _of(kind: type[nn.Module]) -> nn.Module:
    with seeded(0):
        return kind()


@pytest.fixture(scope="module")
def few(digits: Task) -> Task:
    return digits.subset(128, seed=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_and_all_readings_take_what_is_no_tensor(kind: type[nn.Module], few: Task) -> None:
    """Each of these raised a TypeError from torch where the command line said what was wrong."""
    recipe = annealed(1, 0.05, batch=64)
    plain, other = (fit(_of(each), few, recipe, seed=1) for each in (Plain, kind))
    assert all(map(torch.equal, plain.state_dict().values(), other.state_dict().values()))
    assert accuracy(other, few) == accuracy(plain, few)
    x = modelmark.Normalise(few.feed)(few.test_inputs[:4])
    assert torch.equal(taps.activations(other, "6", x), taps.activations(plain, "6", x))
    mark = keygen(modelmark.Adi(), other, few.feed).mark()
    assert mark.evidence(WhiteBox(other)).matches == mark.evidence(WhiteBox(plain)).matches


ATTACKS: Mapping[str, Mapping[str, Any]] = {
    "adversarial": {"epochs": 1},
    "anp": {"epochs": 1},
    "ft-sam": {"epochs": 1},
    "ibau": {"epochs": 1},
    "nad": {"epochs": 1},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_that_call_the_network_themselves_do_the_same_to_objects(name: str, few: Task) -> None:
    attack = attack_class(name)(**ATTACKS[name])
    plain, other = (attack(_of(kind), few.subset(64, seed=0), seed=2) for kind in (Plain, Objects))
    assert all(map(torch.equal, plain.state_dict().values(), other.state_dict().values()))


def test_without_a_head_python_says_what_the_command_line_says(few: Task) -> None:
    class Headless(Plain):
        def forward(self, x: Tensor) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=super().forward(x))

    network, said = _of(Headless), []
    for ask in (
        lambda: accuracy(network, few),
        lambda: fit(network, few, annealed(1, 0.05, batch=64), seed=0),
        lambda: keygen(modelmark.Adi(), network, few.feed).mark().evidence(WhiteBox(network)),
        lambda: modelmark.build(f"{__name__}:_headless", few.feed.input_shape, 10, seed=0, trusted=True),
    ):
        with pytest.raises(ModelmarkError) as refused:
            ask()
        said.append(str(refused.value))
    assert set(said) == {"expected scores from the network, got SimpleNamespace"}
    assert isinstance(refused.value, SuspectError)


def _headless() -> nn.Module:
    class Headless(Plain):
        def forward(self, x: Tensor) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=super().forward(x))

    return _of(Headless)


def _tokens() -> Task:
    """Return rows with padding whose class is the first token's remainder."""
    drawn = torch.Generator().manual_seed(0)
    rows = torch.randint(4, 10, (160, 6), generator=drawn).int()
    rows[torch.rand(160, generator=drawn) < 0.5, 3:] = PAD
    labels = rows[:, 0].long() % 3
    feed = TokenFeed((6,), ("a", "b", "c"), vocabulary=10)
    return Task(feed, rows[:128], labels[:128], rows[128:], labels[128:])


def test_the_loop_gives_the_mask_while_it_trains() -> None:
    task, seen = _tokens(), []

    class Watched(Reader):
        def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, None]:
            seen.append(None if attention_mask is None else torch.equal(attention_mask, mask(tokens, PAD)))
            return super().forward(tokens, attention_mask)

    with seeded(0):
        network = Watched()
    trained = fit(network, task, annealed(20, 0.1, batch=32, clip=1.0), seed=0)
    assert accuracy(trained, task) > 0.9
    assert all(seen)


def test_a_loop_of_ones_own_takes_the_scores_of_anything() -> None:
    x, y = ROWS, torch.zeros(5, dtype=torch.int64)
    cross_entropy(modelmark.scored(_reader(), x), y).backward()


@pytest.mark.slow  # every day, an attack, a reading and the loop, each against the same network that returns a tensor
def test_schemes_keep_their_promises_on_a_network_that_returns_objects(digits: Task) -> None:
    check_scheme(modelmark.Spread(), _of(Objects), digits, annealed(10, 0.1, batch=64, clip=1.0))
