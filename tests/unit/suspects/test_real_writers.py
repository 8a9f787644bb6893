"""What torch's own wrappers, trainers and writers leave is read as the network inside."""

import copy
import sys
import types

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from modelmark.errors import MalformedError
from modelmark.suspects import torching, weights
from modelmark.suspects.files import fitted, held, open_weights


def checkpointing(model):
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    return checkpoint_wrapper(model)


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "compile": lambda model: torch.compile(model, backend="eager"),
    "compile of DataParallel": lambda model: torch.compile(nn.DataParallel(model), backend="eager"),
    "DataParallel of compile": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
    "average": AveragedModel,
    "average of DataParallel": lambda model: AveragedModel(nn.DataParallel(model)),
    "checkpointing": checkpointing,
    "part of more": lambda model: nn.ModuleDict({"features": model, "projector": nn.Linear(9, 9)}),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers(wrapper, network, state, shapes, tmp_path):
    torch.save(WRAPPERS[wrapper](copy.deepcopy(network)).state_dict(), tmp_path / "w")
    fit = fitted(open_weights(tmp_path / "w"), shapes)
    assert (fit.missing, fit.unfit) == ((), {})
    assert all(torch.equal(torching.tensor(fit.state[name]), state[name]) for name in state)


def test_wrappers_inside_and_factors_together(network, shapes, tmp_path):
    network[3] = nn.utils.parametrizations.weight_norm(network[3])
    network[0] = checkpointing(network[0])
    network[3] = torch.compile(network[3], backend="eager")
    torch.save({"state_dict": nn.DataParallel(network).state_dict(), "epoch": 1}, tmp_path / "w")
    fit = fitted(open_weights(tmp_path / "w"), shapes)
    assert (fit.missing, fit.left_aside, fit.unfit) == ((), (), {})
    torch.testing.assert_close(torching.tensor(fit.state["3.weight"]), network[3].weight.detach())


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_distributed_checkpoints_are_read_as_they_are_joined(state, shapes, tmp_path):
    from torch.distributed import checkpoint  # as long to import as torch itself
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    checkpoint.save({"model": state}, checkpoint_id=str(tmp_path / "folder"), no_dist=True)
    fit = fitted(open_weights(tmp_path / "folder"), shapes)
    assert (fit.missing, fit.unfit) == ((), {})
    dcp_to_torch_save(tmp_path / "folder", tmp_path / "joined")
    assert open_weights(tmp_path / "joined").digest == weights.digest(state)
    assert held(fit.state).digest == weights.digest(state)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_shards_as_torch_writes_them_for_others(state, tmp_path):
    places = {name: 1 + number % 2 for number, name in enumerate(state)}
    from torch.distributed import checkpoint

    writer = checkpoint.HuggingFaceStorageWriter(str(tmp_path), fqn_to_index_mapping=places)
    checkpoint.save(dict(state), storage_writer=writer, no_dist=True)
    file = open_weights(tmp_path)
    assert file.digest == weights.digest(state)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_networks_prepared_for_quantisation(network, state, shapes, tmp_path):
    network.train()
    network.qconfig = torch.ao.quantization.get_default_qat_qconfig("x86")
    prepared = torch.ao.quantization.prepare_qat(network)
    torch.save(prepared.state_dict(), tmp_path / "w")
    fit = fitted(open_weights(tmp_path / "w"), shapes)
    assert (fit.missing, fit.unfit) == ((), {})
    assert torch.equal(torching.tensor(fit.state["3.weight"]), state["3.weight"])


@pytest.mark.parametrize(
    ("module", "says", "way_on"),
    [
        ("torchao.quantization.made_up", "weights quantised by torchao", "dequantize()"),
        ("torch.distributed.tensor.made_up", "the distributed tensors of one process", "gather them first"),
        ("mytrainer", "mytrainer.Thing beside them", "save the tensors alone"),
    ],
)
def test_objects_of_other_packages_are_named_by_their_package(module, says, way_on, state, tmp_path, monkeypatch):
    made = types.ModuleType(module)
    made.Thing = type("Thing", (), {"__module__": module})
    monkeypatch.setitem(sys.modules, module, made)
    for new in (True, False)[module.startswith("torchao") :]:  # in the new form its tensors are read
        torch.save({"model": state, "more": made.Thing()}, tmp_path / "w", _use_new_zipfile_serialization=new)
        with pytest.raises(MalformedError, match=says) as caught:
            open_weights(tmp_path / "w")
        assert way_on in caught.value.hint
