"""Distributed checkpoints are read without a process group; the folders are torch's own, see ``from_processes/make.py``."""

import json
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modelmark.errors import MalformedError
from modelmark.suspects.files import mapped, open_weights
from modelmark.suspects.files.pieces import pieced

HERE = Path(__file__).with_name("from_processes")
TRUTH = dict(np.load(HERE / "truth.npz"))


@pytest.mark.parametrize(("kind", "before"), [("distcp", "model."), ("safetensors", "")])
def test_pieces_of_two_processes_are_put_together(kind, before):
    file = open_weights(HERE / kind)
    assert file.names == sorted(before + name for name in TRUTH)
    for name, expected in TRUTH.items():
        found = file.tensor(before + name)
        assert found.shape == file.shapes[before + name] == expected.shape
        assert np.array_equal(found.astype(np.float32), expected)
    assert file.types[before + "halves"] in ("bfloat16", "BF16")


def test_what_is_left_aside_is_said():
    assert open_weights(HERE / "distcp").notes == ("left aside: optim",)
    assert open_weights(HERE / "distcp" / ".metadata").names == open_weights(HERE / "distcp").names


def test_the_file_of_one_process_is_told_to_be_one():
    file = open_weights(HERE / "safetensors" / "shard-00001-model-00001-of-00001.safetensors")
    assert file.shapes["rows"][0] < len(TRUTH["rows"])
    assert any("a shard of one process" in note for note in file.notes)


def test_of_a_checkpoint_one_tensor_is_mapped(monkeypatch):
    counted, numbers = [], mapped.numbers
    monkeypatch.setattr(mapped, "numbers", lambda *given: counted.append(given[2]) or numbers(*given))
    file = open_weights(HERE / "distcp")
    assert not counted
    file.tensor("model.rows")
    assert sorted(counted) == [2 * 8, 3 * 8]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_types_that_have_no_storage_of_their_own(tmp_path):
    state = {
        name: torch.arange(6.0).to(getattr(torch, name))
        for name in ("float8_e4m3fn", "uint16", "float64", "int8", "bool")
    }
    from torch.distributed import checkpoint  # as long to import as torch itself

    checkpoint.save(state, checkpoint_id=tmp_path, no_dist=True)
    file = open_weights(tmp_path)
    assert file.unreadable == {}
    for name, tensor in state.items():
        assert np.array_equal(file.tensor(name).astype(float), tensor.double().numpy())


def changed(folder, change):
    """Write the checkpoint with another ``.metadata``."""
    shutil.copytree(HERE / "distcp", folder)
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    change(metadata)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    return folder


def chunk(**words):
    def change(metadata):
        from torch.distributed.checkpoint.metadata import ChunkStorageMetadata

        entry = metadata.state_dict_metadata["model.rows"]
        first = entry.chunks[0]
        entry.chunks[0] = ChunkStorageMetadata(**({"offsets": first.offsets, "sizes": first.sizes} | words))

    return change


def stored(**words):
    def change(metadata):
        from torch.distributed.checkpoint.filesystem import _StorageInfo

        index = next(one for one in metadata.storage_data if one.fqn == "model.rows")
        info = metadata.storage_data[index]
        known = {"relative_path": info.relative_path, "offset": info.offset, "length": info.length}
        metadata.storage_data[index] = _StorageInfo(**(known | words))

    return change


def sized(shape):
    return lambda metadata: setattr(metadata.state_dict_metadata["model.rows"], "size", shape)


LIES = {
    "a piece over another": (chunk(offsets=torch.Size([2, 0])), "found none|make up"),
    "a piece over the edge": (chunk(sizes=torch.Size([9, 8])), "make up"),
    "a piece of nothing": (chunk(sizes=torch.Size([0, 8])), "make up"),
    "a tensor of more rows": (sized(torch.Size([6, 8])), "make up"),
    "a tensor of another number of axes": (sized(torch.Size([40])), "make up"),
    "a tensor larger than any": (sized(torch.Size([2**40, 2**40])), "make up"),
    "a size below nothing": (sized((-5, 8)), "expected the shape"),
    "a size that is a word": (sized(("5", 8)), "got something else"),
    "a file above the folder": (stored(relative_path="../distcp/__0_0.distcp"), "beside it"),
    "a file from the root": (stored(relative_path="/etc/passwd"), "beside it"),
    "a file that is not there": (stored(relative_path="__7_0.distcp"), "found none"),
    "a length beyond the file": (stored(length=2**40), "or more, found one of"),
    "an offset that is no number": (stored(offset=1.5), "got something else"),
    "no pieces": (lambda metadata: metadata.state_dict_metadata["model.rows"].chunks.clear(), "make up"),
    "no places": (lambda metadata: metadata.storage_data.clear(), "found none"),
    "no tensors": (lambda metadata: metadata.state_dict_metadata.clear(), "got none"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_description_that_does_not_go_with_the_files(lie, tmp_path):
    change, says = LIES[lie]
    with pytest.raises(MalformedError, match=says) as caught:
        open_weights(changed(tmp_path / "c", change))
    assert len(str(caught.value)) < 400


def test_a_place_of_another_piece_is_refused_when_it_is_read(tmp_path):
    other = next(info for index, info in pickle.loads((HERE / "distcp" / ".metadata").read_bytes()).storage_data.items()
                 if index.fqn == "model.bias")  # fmt: skip
    words = {"relative_path": other.relative_path, "offset": other.offset, "length": other.length}
    file = open_weights(changed(tmp_path / "c", stored(**words)))
    with pytest.raises(MalformedError, match="expected a piece of shape"):
        file.tensor("model.rows")


def test_a_packed_piece_is_named(tmp_path):
    file = open_weights(changed(tmp_path / "c", stored(transform_descriptors=["zstd"])))
    assert file.unreadable == {"model.rows": "packed by a stream transform"}


@dataclass
class Bomb:
    path: str

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w').close()",)


def test_nothing_in_a_pickle_runs(tmp_path):
    for place in ("state_dict_metadata", "planner_data"):
        folder = changed(
            tmp_path / place, lambda metadata, place=place: setattr(metadata, place, {"a": Bomb(str(tmp_path / "ran"))})
        )
        if place == "planner_data":
            assert np.array_equal(open_weights(folder).tensor("model.rows"), TRUTH["rows"])
        else:
            with pytest.raises(MalformedError):
                open_weights(folder)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_was_cut_or_changed(tmp_path):
    for name in (".metadata", "__0_0.distcp", "__1_0.distcp"):
        whole = np.frombuffer((HERE / "distcp" / name).read_bytes(), np.uint8)
        for seed in range(40):
            rng, raw = np.random.default_rng(seed), whole.copy()
            if seed < 15:
                raw = raw[: int(len(raw) * seed / 15)]
            else:
                raw[rng.choice(len(raw), len(raw) // 4 if seed % 2 else 3, replace=False)] = rng.integers(0, 256)
            folder = tmp_path / f"{name}-{seed}"
            shutil.copytree(HERE / "distcp", folder)
            (folder / name).write_bytes(raw.tobytes())
            said = ""
            try:
                file = open_weights(folder)
                found = {one: file.tensor(one) for one in file.names}
                if seed < 15:  # what is cut off was the optimiser's
                    assert all(np.array_equal(found[f"model.{one}"].astype("f4"), TRUTH[one]) for one in TRUTH)
            except MalformedError as error:
                said = str(error)
            assert not said or said.startswith("expected ")
            assert len(said) < 500


def moved(folder, info):
    """Write the files cut by process with another description of where blocks begin."""
    shutil.copytree(HERE / "safetensors", folder)
    path = folder / "shard-00002-model-00001-of-00001.safetensors"
    save_file(load_file(path), path, {"DCP_SHARDING_INFO": info, "format": "pt"})
    return folder


@pytest.mark.parametrize(
    "info",
    [
        "", "[]", "[" * 10**5, json.dumps({"rows": {}}), json.dumps({"rows": {"saved_offsets": [-1, 0]}}),
        json.dumps({"rows": {"saved_offsets": [2**60, 0]}}), json.dumps({"rows": {"saved_offsets": [0, 0, 0]}}),
        json.dumps({"rows": {"saved_offsets": [4, 0]}}), json.dumps({"rows": {"saved_offsets": [2, 0]}}), "{}",
    ],
)  # fmt: skip
def test_blocks_that_make_up_nothing(info, tmp_path):
    with pytest.raises(MalformedError, match="expected ") as caught:
        open_weights(moved(tmp_path / "c", info))
    assert len(str(caught.value)) < 400


def test_a_block_of_another_type(tmp_path):
    shutil.copytree(HERE / "safetensors", tmp_path / "c")
    path = tmp_path / "c" / "shard-00001-model-00001-of-00001.safetensors"
    save_file(
        {"rows": load_file(path)["rows"].double()}, path, {"DCP_SHARDING_INFO": '{"rows": {"saved_offsets": [0, 0]}}'}
    )
    with pytest.raises(MalformedError, match="one type"):
        open_weights(tmp_path / "c")


def block(begin, shape):
    return SimpleNamespace(begin=begin, shape=shape, read=None)


def test_many_pieces_are_compared_along_their_axis_alone():
    rows = [block((number, 0), (1, 4)) for number in range(2000)]
    assert pieced(HERE, "w", (2000, 4), np.dtype("f4"), rows).shape == (2000, 4)
    rows[7] = block((8, 0), (1, 4))
    with pytest.raises(MalformedError, match="make up"):
        pieced(HERE, "w", (2000, 4), np.dtype("f4"), rows)
    with pytest.raises(MalformedError, match="make up"):
        pieced(HERE, "w", (2000, 4), np.dtype("f4"), [block((number, 0), (1, 4)) for number in range(2**14 + 1)])


@pytest.mark.parametrize("name", ["latest_checkpointed_iteration.txt", "mp_rank_00", "zero_to_fp32.py"])
def test_folders_of_megatron_and_deepspeed_are_named_with_a_way_on(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MalformedError, match=r"Megatron|DeepSpeed") as caught:
        open_weights(tmp_path)
    assert caught.value.hint
