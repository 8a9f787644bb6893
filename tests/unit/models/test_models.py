"""Networks: sizes, seeds, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from modelmark.errors import MismatchError, SuspectError, UsageError
from modelmark.models import ARCHITECTURES, build

CIFAR, MNIST, DIGITS = (3, 32, 32), (1, 28, 28), (1, 8, 8)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module of the user's, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (tmp_path / "my_nets.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def good(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
        "def wide(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 11))\n"
        "def number(): return 3\n"
        "def needy(width): return nn.Linear(width, 10)\n"
        "class Pair(nn.Module):\n"
        "    def forward(self, x): return {'a': x, 'b': x}\n"
        "def mixed():\n"
        "    m = good()\n"
        "    m[1].eval()\n"
        "    return m\n"
        "not_callable = 3\n"
    )
    yield
    sys.modules.pop("my_nets", None)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("arch", "shape", "count"),
    [
        ("mlp", MNIST, 669_706),
        ("cnn", MNIST, 1_676_266),
        ("cnn", DIGITS, 201_706),
        ("lenet5", MNIST, 61_706),
        ("vgg16", CIFAR, 14_728_266),
        ("resnet18", CIFAR, 11_173_962),
        ("preact-resnet18", CIFAR, 11_171_274),
        ("wrn-10-4", CIFAR, 1_200_170),
    ],
)
def test_parameter_counts_are_those_of_the_papers(arch, shape, count, whole_mlp):
    assert parameters(build(arch, shape, 10, seed=0)) == count


def test_resnet8_is_small():
    assert parameters(build("resnet8", CIFAR, 10, seed=0)) == 155_738


@pytest.mark.parametrize(
    ("arch", "shape", "classes"),
    [(arch, CIFAR, 10) for arch in ARCHITECTURES]
    + [(arch, MNIST, 10) for arch in ARCHITECTURES]
    + [(arch, DIGITS, 10) for arch in ARCHITECTURES if arch not in ("lenet5", "vgg16")]
    + [("cnn", (1, 9, 14), 3), ("lenet5", (3, 28, 40), 7), ("resnet8", (3, 48, 40), 100)],
)
def test_maps_images_to_class_scores_and_ends_in_head(arch, shape, classes):
    model = build(arch, shape, classes, seed=0).eval()
    with torch.no_grad():
        assert model(torch.zeros(3, *shape)).shape == (3, classes)
    last = list(model.named_modules())[-1]
    assert last[0] == "head"
    assert isinstance(last[1], nn.Linear)


@pytest.mark.parametrize("arch", ["mlp", "cnn", "lenet5", "wrn-10-4", "resnet8"])
def test_gradients_reach_every_parameter(arch):
    model = build(arch, CIFAR, 10, seed=0)
    assert model.training
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model(torch.randn(4, *CIFAR, generator=generator)).logsumexp(1).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("arch", ["mlp", "cnn", "lenet5", "wrn-10-4", "resnet8", "preact-resnet18"])
def test_the_seed_decides_every_byte(arch):
    one, same, other = (build(arch, CIFAR, 10, seed=s).state_dict() for s in (5, 5, 6))
    assert all(one[k].numpy().tobytes() == same[k].numpy().tobytes() for k in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_global_generator_is_untouched():
    before = torch.get_rng_state()
    build("mlp", DIGITS, 10, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(MismatchError):
        build("lenet5", DIGITS, 10, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_marked_layers_are_where_the_papers_have_them():
    wrn = build("wrn-10-4", CIFAR, 10, seed=0)
    marked = wrn.state_dict()["conv2.0.conv2.weight"]
    assert marked.shape == (64, 64, 3, 3)
    limit = (6 / (64 * 9 + 64 * 9)) ** 0.5  # Glorot: sqrt(6 / (fan in + fan out))
    assert 0.99 * limit < marked.abs().max() <= limit
    assert not wrn.state_dict()["conv2.0.conv2.bias"].any()
    for shape in (MNIST, CIFAR):
        assert build("lenet5", shape, 10, seed=0).state_dict()["fc1.weight"].shape == (120, 400)


def test_preact_pooling_is_the_releases_4x4_at_32x32():
    model = build("preact-resnet18", CIFAR, 10, seed=0).eval()
    x = torch.rand(1, *CIFAR, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = torch.relu(model.bn1(model.conv1(x)))
        y = model.layer4(model.layer3(model.layer2(model.layer1(y))))
        assert y.min() < 0  # neither batch norm nor ReLU follows the last block
        expected = model.head(nn.functional.avg_pool2d(y, 4).flatten(1))
        torch.testing.assert_close(model(x), expected)


def test_importing_the_table_does_not_import_torch():
    code = "import sys, modelmark.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(UsageError, match="resnet81") as caught:
        build("resnet81", CIFAR, 10, seed=0)
    assert "resnet8" in caught.value.hint


@pytest.mark.parametrize(("shape", "classes"), [((0, 8, 8), 10), (DIGITS, 0), ((1, -8, 8), 10)])
def test_empty_shapes_are_refused(shape, classes):
    with pytest.raises(UsageError, match="at least 1"):
        build("mlp", shape, classes, seed=0)


@pytest.mark.parametrize(
    ("arch", "shape"), [("lenet5", DIGITS), ("vgg16", DIGITS), ("resnet8", (3, 7, 9)), ("cnn", (1, 3, 8))]
)
def test_images_too_small_are_refused_in_one_line(arch, shape):
    with pytest.raises(MismatchError, match=f"expected images of at least .* for {arch}, got") as caught:
        build(arch, shape, 10, seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("factories")
def test_untrusted_factory_is_refused_before_anything_is_imported():
    with pytest.raises(UsageError) as caught:
        build("my_nets:good", DIGITS, 10, seed=0)
    assert "--arch my_nets:good" in caught.value.hint
    assert "my_nets" not in sys.modules


@pytest.mark.usefixtures("factories")
def test_trusted_factory_is_seeded_and_keeps_its_modes():
    before = torch.get_rng_state()
    one, same = (build("my_nets:mixed", DIGITS, 10, seed=3, trusted=True) for _ in range(2))
    assert torch.equal(one.state_dict()["1.weight"], same.state_dict()["1.weight"])
    assert torch.equal(torch.get_rng_state(), before)
    assert one.training
    assert not one[1].training


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("arch", "shape", "error", "message"),
    [
        (
            "my_nets:wide",
            DIGITS,
            MismatchError,
            r"expected a network with 10 outputs, as the data has classes, got \(2, 11\)",
        ),
        ("my_nets:good", MNIST, MismatchError, r"expected a network for inputs \(1, 28, 28\), got an error"),
        (
            "my_nets:Pair",
            DIGITS,
            SuspectError,
            r"expected scores from the network, got a dictionary of a, b",
        ),
        ("my_nets:number", DIGITS, UsageError, "return a torch.nn.Module, got int"),
        ("my_nets:needy", DIGITS, UsageError, "callable without arguments.*width"),
        ("my_nets:not_callable", DIGITS, UsageError, "callable without arguments"),
        ("my_nets:absent", DIGITS, UsageError, "found no such name"),
        ("no_such_module_here:net", DIGITS, UsageError, "importable"),
    ],
)
def test_factories_that_do_not_fit_are_refused_in_one_line(arch, shape, error, message):
    with pytest.raises(error, match=message) as caught:
        build(arch, shape, 10, seed=0, trusted=True)
    assert "\n" not in str(caught.value)
