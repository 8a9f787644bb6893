"""Deployment: what goes back into a network answers as the file does that the real tool wrote and the real runtime runs."""

import copy
import importlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.attacks._tools.packages import quiet
from modelmark.attacks.deployment._folding import folded, pairs
from modelmark.attacks.deployment._reading import put_back
from modelmark.attacks.deployment.fold import Fold
from modelmark.attacks.deployment.to_bnb import ToBnb
from modelmark.attacks.deployment.to_gguf import ToGguf
from modelmark.attacks.deployment.to_onnx import ToOnnx
from modelmark.attacks.deployment.to_openvino import ToOpenvino
from modelmark.attacks.deployment.to_torchao import ToTorchao
from modelmark.errors import MissingPackageError, UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.models import build
from modelmark.suspects.files import held, open_weights
from modelmark.suspects.torching import array
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed


@pytest.fixture(scope="module")
def normalised(digits):
    """A network with batch norm."""
    fresh = build("resnet8", digits.feed.input_shape, digits.feed.classes, seed=0)
    return fit(fresh, digits.subset(400, seed=0), annealed(6, 0.1, batch=64), seed=0)


@pytest.fixture(scope="module")
def pictures(digits):
    return Normalise(digits.feed)(digits.test_inputs)


def labels(model, pictures):
    with torch.no_grad():
        return model(pictures).argmax(dim=1)


def needed(*packages):
    for package in packages:
        pytest.importorskip(package, reason="needs the extra 'deployment'")


def test_folding_changes_every_filter_and_no_answer(normalised, digits, pictures):
    attacked = Fold()(normalised, digits, seed=0)
    with torch.no_grad():
        torch.testing.assert_close(attacked(pictures), normalised(pictures), rtol=1e-3, atol=1e-3)
    unit, flat = normalised.res2.unit2, attacked.res2.unit2
    factor = (unit.bn.weight / (unit.bn.running_var + unit.bn.eps).sqrt()).view(-1, 1, 1, 1)
    torch.testing.assert_close(flat.conv.weight, unit.conv.weight * factor)
    assert not torch.allclose(flat.conv.weight, unit.conv.weight, rtol=0.1)
    names = dict(attacked.named_modules())
    found = pairs(copy.deepcopy(normalised), pictures[:2])
    assert len(found) == sum(isinstance(module, nn.BatchNorm2d) for module in normalised.modules())
    for name, module in normalised.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            identity = names[name]
            assert torch.equal(identity.running_mean, torch.zeros_like(identity.running_mean))
            scale = identity.weight / (identity.running_var + identity.eps).sqrt()
            torch.testing.assert_close(scale, torch.ones_like(scale))


class Both(nn.Module):
    """What the convolution answers goes to batch norm and past it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)
        self.norm.weight.data.fill_(3)

    def forward(self, x):
        x = self.conv(x)
        return self.head((self.norm(x) + x).flatten(1))


def test_folding_is_refused_where_something_else_takes_what_the_layer_answers(digits):
    with pytest.raises(UsageError, match=r"^expected layers whose answers go to batch norm alone, got some that"):
        Fold()(Both(), digits, seed=0)


@pytest.mark.parametrize("is_changed", [False, True])
def test_what_is_changed_in_place_on_its_way_to_batch_norm_is_not_folded(is_changed):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True) if is_changed else nn.Identity(), nn.BatchNorm2d(4))
    assert len(pairs(model.eval(), torch.ones(1, 1, 8, 8))) == (not is_changed)


@pytest.mark.parametrize(
    ("layer", "norm", "inputs"),
    [
        (nn.Linear(5, 4), nn.BatchNorm1d(4), (3, 5)),
        (nn.ConvTranspose2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), (2, 3, 6, 6)),
        (nn.Conv1d(6, 4, 3, groups=2), nn.BatchNorm1d(4), (2, 6, 9)),
    ],
)
def test_layers_of_every_kind_are_folded(layer, norm, inputs):
    generator = torch.Generator().manual_seed(0)
    for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    model, shown = nn.Sequential(layer, norm).eval(), torch.rand(inputs, generator=generator)
    before = model(shown)
    assert folded(model, shown) == 1
    torch.testing.assert_close(model(shown), before)
    torch.testing.assert_close(layer(shown) + norm.bias.view(-1, *[1] * (len(inputs) - 2)), before)


def test_layers_of_one_size_are_told_apart_by_their_values():
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
    before = copy.deepcopy(network.state_dict())
    noisy = {f"n{number}": value + 0.002 * torch.randn_like(value) for number, value in enumerate(before.values())}
    turned = {name: value.t().contiguous() for name, value in reversed(noisy.items())}
    put_back(network, held({name: array(value) for name, value in turned.items()}))
    for name, value, near in zip(before, network.state_dict().values(), noisy.values(), strict=True):
        torch.testing.assert_close(value, near, msg=name)
        assert not torch.equal(value, before[name])


def test_a_file_of_another_network_is_refused():
    torch.manual_seed(0)
    network, other = nn.Sequential(nn.Linear(64, 32)), nn.Linear(64, 32)
    with pytest.raises(UsageError, match=r"^expected the weights of 0 in the state dict, found none like them"):
        put_back(network, held({"weight": array(other.weight)}))


@pytest.mark.parametrize("weights", ["float32", "filter", "tensor", "asymmetric"])
def test_onnx_answers_as_the_network_does(weights, normalised, digits, pictures, tmp_path):
    """Of integers a few answers differ: the runtime rounds activations too, which are no weights.

    It is asked without its optimiser, whose integer kernels saturate on processors without VNNI: int8 with a scale a filter then
    answered 93 % alike, and is no statement about the file.
    """
    needed("onnx", "onnxscript", "onnxruntime")
    attack = ToOnnx(weights)
    found = labels(attack(normalised, digits, seed=0), pictures)
    path = written(attack, normalised, digits, tmp_path)
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"x": pictures.numpy()})
    same = (torch.from_numpy(scores).argmax(dim=1) == found).float().mean()
    assert same == 1 if weights == "float32" else same >= 0.98


@pytest.mark.parametrize("weights", ["float32", "float16", "asymmetric", "symmetric"])
def test_openvino_answers_as_the_network_does(weights, normalised, digits, pictures, tmp_path):
    needed("openvino", *(["nncf"] if weights.endswith("symmetric") else []))
    attack = ToOpenvino(weights)
    found = labels(attack(normalised, digits, seed=0), pictures)
    path = written(attack, normalised, digits, tmp_path)
    runtime = importlib.import_module("openvino").Core()
    compiled = runtime.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    scores = np.concatenate([compiled([each[None].numpy()])[0] for each in pictures])
    assert (torch.from_numpy(scores).argmax(dim=1) == found).float().mean() >= 0.997


def written(attack, model, task, folder):
    with quiet():
        return attack.written(copy.deepcopy(model), Normalise(task.feed)(task.train_inputs[:64]), folder)


@pytest.mark.parametrize(("weights", "step"), [("Q8_0", 1 / 127), ("Q4_0", 1 / 7), ("F16", 2**-11)])
def test_gguf_holds_what_its_own_library_gives_back(weights, step, unmarked, digits):
    needed("gguf")
    library = importlib.import_module("gguf")
    attacked = ToGguf(weights)(unmarked, digits, seed=0)
    kind = library.GGMLQuantizationType[weights]
    values = unmarked.fc1.weight.detach().numpy()
    theirs = library.quants.dequantize(library.quants.quantize(values, kind), kind)
    np.testing.assert_array_equal(attacked.fc1.weight.detach().numpy(), theirs)
    assert 0 < np.abs(theirs - values).max() <= step * np.abs(values).max()
    half = unmarked.conv4.weight.detach().half().float()
    assert torch.equal(attacked.conv4.weight.detach(), half)  # kernels go as float16
    whole = ToGguf(weights, convolutions=True)(unmarked, digits, seed=0)
    assert torch.equal(whole.conv4.weight.detach(), half) is (weights == "F16")
    assert torch.equal(attacked.fc1.bias, unmarked.fc1.bias)


def test_gguf_has_filters_first_where_the_network_has_them_second(digits, tmp_path):
    needed("gguf")
    torch.manual_seed(0)
    model = nn.Sequential(nn.ConvTranspose2d(1, 4, 3), nn.Flatten(), nn.Linear(400, 10)).eval()
    path = written(ToGguf("F16"), model, digits, tmp_path)
    assert open_weights(path).shapes["0.weight"] == (4, 9)
    attacked = ToGguf("F16")(model, digits, seed=0)
    assert torch.equal(attacked[0].weight, model[0].weight.half().float())


@pytest.mark.parametrize("settings", ToTorchao.strengths)
def test_torchao_answers_as_the_network_does(settings, unmarked, digits, pictures):
    needed("torchao")
    attack = ToTorchao(**settings)
    attacked, stored = attack(unmarked, digits, seed=0), copy.deepcopy(unmarked)
    with quiet(), torch.no_grad():
        library = importlib.import_module("torchao.quantization")

        def takes(module, name):
            return isinstance(module, nn.Linear) and (
                attack.weights != "int4" or module.in_features % attack.group == 0
            )

        library.quantize_(stored, attack._config(library), filter_fn=takes)
        torch.testing.assert_close(stored(pictures), attacked(pictures), rtol=1e-3, atol=1e-3)
    assert not torch.equal(attacked.fc1.weight, unmarked.fc1.weight)
    assert torch.equal(attacked.conv1.weight, unmarked.conv1.weight)


@pytest.mark.parametrize("settings", ToBnb.strengths)
def test_bitsandbytes_answers_as_the_network_does(settings, unmarked, digits, pictures):
    """Of int8 a few answers differ: the library rounds what a layer is given, too."""
    needed("bitsandbytes")
    attacked, stored = ToBnb(**settings)(unmarked, digits, seed=0), copy.deepcopy(unmarked)
    with quiet(), torch.no_grad():
        modules = importlib.import_module("bitsandbytes").nn
        kind, state = settings["weights"], unmarked.fc1.state_dict()
        if kind == "int8":
            stored.fc1 = modules.Linear8bitLt(*unmarked.fc1.weight.T.shape, has_fp16_weights=False)
        else:
            double = settings.get("double", False)
            stored.fc1 = modules.Linear4bit(
                *unmarked.fc1.weight.T.shape, quant_type=kind, compress_statistics=double, compute_dtype=torch.float32
            )
        stored.fc1.load_state_dict(state)
        stored = stored.to("cpu").eval()
        scores = stored(pictures)
    if kind == "int8":
        assert (scores.argmax(dim=1) == labels(attacked, pictures)).float().mean() >= 0.99
    else:
        torch.testing.assert_close(scores, attacked(pictures).detach(), rtol=1e-3, atol=1e-3)
    assert torch.equal(attacked.head.weight, unmarked.head.weight)


@pytest.mark.parametrize("attack", [ToOnnx(), ToOpenvino(), ToTorchao(), ToGguf(), ToBnb()], ids=lambda one: one.name)
def test_a_tool_that_is_not_installed_is_named_with_the_way_on(attack, unmarked, digits, monkeypatch):
    def none(name):
        raise ImportError(name)

    monkeypatch.setattr("modelmark.naming.importlib", SimpleNamespace(import_module=none))
    with pytest.raises(MissingPackageError, match=r"^expected .* to be installed") as caught:
        attack(unmarked, digits, seed=0)
    assert caught.value.hint == "pip install 'modelmark[deployment]'"
