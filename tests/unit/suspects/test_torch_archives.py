"""Archives of torch.export and TorchScript, by where their numbers lie: nothing is unpickled, no code of theirs runs."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from modelmark.errors import MalformedError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import open_weights
from modelmark.suspects.files.pickled import described, tensors

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
PICTURE = torch.zeros(1, 2, 4, 4)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)).eval()
    made[0].to(memory_format=torch.channels_last)
    return made


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "w"
    torch.export.save(torch.export.export(network, (PICTURE,)), f"{path}.pt2")
    path.write_bytes((path.parent / "w.pt2").read_bytes())  # told by no ending
    return path


def scripted(network, path):
    torch.jit.save(torch.jit.script(network), path)


def traced(network, path):
    torch.jit.save(torch.jit.trace(network, PICTURE), path)


def test_an_exported_network_is_read_by_its_strides(network, exported):
    file = open_weights(exported)
    state = network.state_dict()
    assert file.what == "torch.export archive"
    assert file.types["0.weight"] == "float32"
    assert not state["0.weight"].is_contiguous()
    assert file.shapes.keys() == state.keys()
    assert all(torch.equal(torching.tensor(file.tensor(name)), state[name]) for name in state)
    assert file.digest == weights.digest(state)


@pytest.mark.parametrize("write", [scripted, traced])
def test_the_tensors_of_torchscript_have_their_names(write, network, tmp_path):
    write(network, tmp_path / "w")
    file, state = open_weights(tmp_path / "w"), network.state_dict()
    assert file.what == "TorchScript"
    assert sorted(file.shapes) == sorted(state)
    assert all(torch.equal(torching.tensor(file.tensor(name)), state[name]) for name in state)


def test_a_frozen_network_has_constants_that_only_the_code_names(network, tmp_path):
    torch.jit.save(torch.jit.freeze(torch.jit.script(network)), tmp_path / "w")
    file = open_weights(tmp_path / "w")
    factor = network[1].weight / torch.sqrt(network[1].running_var + network[1].eps)
    assert list(file.shapes) == ["CONSTANTS.c0", "CONSTANTS.c1", "CONSTANTS.c2", "CONSTANTS.c3"]
    torch.testing.assert_close(
        torching.tensor(file.tensor("CONSTANTS.c0")), network[0].weight.detach() * factor.detach()[:, None, None, None]
    )
    assert torch.equal(torching.tensor(file.tensor("CONSTANTS.c2")), network[3].weight)


def rewritten(source, target, change):
    """Copy an archive with each member through ``change(name, bytes)``."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def with_entry(exported, tmp_path, change):
    def changed(name, data):
        if not name.endswith("model_weights_config.json"):
            return data
        config = json.loads(data)
        change(config["config"]["3.weight"])
        return json.dumps(config).encode()

    return rewritten(exported, tmp_path / "w", changed)


def sized(*sizes):
    return [{"as_int": size} for size in sizes]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda entry: entry["tensor_meta"].update(sizes=sized(2**20, 16)), "expected .* bytes in"),
        (
            lambda entry: entry["tensor_meta"].update(sizes=sized(3, 16), strides=sized(2**40, 1)),
            "expected .* bytes in",
        ),
        (lambda entry: entry["tensor_meta"].update(strides=sized(-16, 1)), "expected where 3.weight lies"),
        (lambda entry: entry["tensor_meta"].update(storage_offset={"as_int": 2**30}), "expected .* bytes in"),
        (
            lambda entry: entry["tensor_meta"].update(sizes=[{"as_expr": "s0"}, {"as_int": 1}]),
            "expected where 3.weight lies",
        ),
        (lambda entry: entry["tensor_meta"].update(sizes=sized(3)), "expected where 3.weight lies"),
        (lambda entry: entry.update(path_name="../../etc/passwd"), "expected where 3.weight lies"),
        (lambda entry: entry.clear(), "expected where 3.weight lies"),
    ],
)
def test_a_configuration_that_lies(change, says, exported, tmp_path):
    with pytest.raises(MalformedError, match=says):
        open_weights(with_entry(exported, tmp_path, change))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda entry: entry.update(use_pickle=True), "pickled"),
        (lambda entry: entry["tensor_meta"].update(dtype=99), "of type 99"),
        (lambda entry: entry["tensor_meta"].update(sizes=sized(2**20, 2**20), strides=sized(0, 0)), "expanded"),
    ],
)
def test_a_tensor_that_is_not_read_is_named_with_the_reason(change, why, exported, tmp_path):
    file = open_weights(with_entry(exported, tmp_path, change))
    assert "3.weight" not in file.shapes
    assert why in file.unreadable["3.weight"]


def test_numbers_that_are_packed_are_not_unpacked(exported, tmp_path):
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(MalformedError, match="as it is, got it compressed"):
        open_weights(tmp_path / "w")


def test_numbers_of_the_other_order_of_bytes(network, tmp_path):
    scripted(network, tmp_path / "s")
    path = rewritten(tmp_path / "s", tmp_path / "w", lambda name, data: b"big" if name.endswith("byteorder") else data)
    with pytest.raises(MalformedError, match="lowest byte first"):
        open_weights(path)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_code_is_words(protocol, network, tmp_path):
    scripted(network, tmp_path / "s")
    evil = pickle.dumps({"a": Evil()}, protocol=protocol)
    path = rewritten(tmp_path / "s", tmp_path / "w", lambda name, data: evil if name.endswith("data.pkl") else data)
    with pytest.raises(MalformedError, match=r"expected tensors in|a pickle as torch"):
        open_weights(path)


def test_what_holds_itself_is_walked_once(tmp_path):
    loop = []
    loop += [loop, [loop] * 3]
    assert list(tensors(described(pickle.dumps(loop, protocol=2), tmp_path))) == []


@pytest.mark.parametrize(
    "raw", [b"", b"\x80\x02", b"\x80\x02)", b"\x80\x02t.", b"\x80\x02h\x05.", b"garbage", b"\x80\x02K\x01Q."]
)
def test_what_is_no_pickle(raw, tmp_path):
    with pytest.raises(MalformedError, match="expected a pickle as torch writes it"):
        described(raw, tmp_path)


def test_one_tensor_of_many_is_mapped_alone(network, exported):
    tensor = open_weights(exported).tensor("3.bias")
    assert np.array_equal(tensor, network[3].bias.detach().numpy())
