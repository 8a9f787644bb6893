"""Weight files by an adversary: limits on work and place, and no name twice."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from modelmark.errors import MalformedError
from modelmark.suspects.files import fitted, held, open_weights


def raw(path, header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (f'{{"a":{ENTRY},"a":{ENTRY}}}'.encode(), "'a' twice"),
        (b'{"a": 3}', "damaged header"),
        (b'{"a": {"data_offsets": [0, "x"]}}', "damaged header"),
        (b"{" + b'"a":{' * 5000, "damaged header"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**60]}}, "cut off|got the first"),
        ({"a": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 4]}}, "damaged file"),
        ({"a": {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]}}, "damaged file"),
        ({"__metadata__": [1], "a": json.loads(ENTRY)}, "damaged"),
    ],
)
def test_headers_that_are_none(header, says, tmp_path):
    with pytest.raises(MalformedError, match=says):
        open_weights(raw(tmp_path / "w", header, bytes(4)))


def test_a_length_above_the_limit_is_no_header(tmp_path):
    (tmp_path / "w").write_bytes((10**9).to_bytes(8, "little") + b"{" + bytes(100))
    with pytest.raises(MalformedError, match="a file that begins with"):
        open_weights(tmp_path / "w")


def test_more_tensors_than_any_network_has(tmp_path, monkeypatch):
    monkeypatch.setattr("modelmark.suspects.files.base.NAMES", 3)
    state = {str(number): torch.zeros(1) for number in range(4)}
    save_file(state, tmp_path / "s")
    torch.save(state, tmp_path / "t")
    for path in (tmp_path / "s", tmp_path / "t"):
        with pytest.raises(MalformedError, match="expected at most 3 tensors"):
            open_weights(path)


def test_archives_that_torch_does_not_write(tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "t")
    with (
        zipfile.ZipFile(tmp_path / "t") as source,
        zipfile.ZipFile(tmp_path / "c", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(MalformedError, match="got compressed members"):
        open_weights(tmp_path / "c")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "t", "a") as target:
        target.writestr("t/data.pkl", b"")
    with pytest.raises(MalformedError, match="every member once"):
        open_weights(tmp_path / "t")


def test_a_listing_is_read_up_to_a_limit(tmp_path, monkeypatch):
    torch.save({"a": torch.zeros(4)}, tmp_path / "t")
    monkeypatch.setattr("modelmark.suspects.files.zips.HEADER", 100)
    with pytest.raises(MalformedError, match="the listing is too long"):
        open_weights(tmp_path / "t")


def test_values_that_are_repeated_without_end_take_no_memory(tmp_path):
    torch.save({"w": torch.zeros(1), "huge": torch.zeros(1).expand(2**40)}, tmp_path / "t")
    file = open_weights(tmp_path / "t")
    assert file.names == ["w"]
    assert "expanded" in file.unreadable["huge"]
    assert file.digest


def test_one_storage_under_many_names_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("modelmark.suspects.files.nested.LIMIT", 4000)
    shared = torch.zeros(100)
    torch.save({str(number): shared for number in range(11)}, tmp_path / "t")
    with pytest.raises(MalformedError, match="at most 4000 bytes together"):
        open_weights(tmp_path / "t")


def test_mappings_that_hold_one_another_are_walked_once(tmp_path):
    inner = {"w": torch.zeros(2)}
    for _ in range(3):
        inner = {str(number): inner for number in range(200)}
    inner["self"] = inner
    torch.save(inner, tmp_path / "t")
    assert open_weights(tmp_path / "t").names == ["w"]


@pytest.mark.parametrize("shard", ["../w", "/etc/passwd", "a/../../w", "..\\w", "a\0b"])
def test_an_index_names_no_file_outside_its_folder(shard, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "w")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    for path in (folder, folder / "model.safetensors.index.json"):
        with pytest.raises(MalformedError, match="expected shards beside"):
            open_weights(path)


def test_links_are_followed_as_download_caches_need(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "blobs" / "0")
    (tmp_path / "snapshot" / "s.safetensors").symlink_to(tmp_path / "blobs" / "0")
    index = {"weight_map": {"a": "s.safetensors"}}
    (tmp_path / "snapshot" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert open_weights(tmp_path / "snapshot").names == ["a"]


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ({"weight_map": {"a": "s", "b": "s"}}, "expected b in s"),
        ({"weight_map": {"a": "s", "c": "t"}}, "found none"),
        ({"weight_map": {"a": 3}}, "an index of shards"),
        ({"weight_map": {}}, "an index of shards"),
        ({"weight_map": [1]}, "an index of shards"),
        ({"weight_map": {"a": "s", "x": "u"}}, "expected a in one shard"),
        ({"weight_map": {"a": "i"}}, "expected weights in"),
    ],
)
def test_an_index_that_does_not_hold(index, says, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "s")
    save_file({"a": torch.zeros(1), "x": torch.zeros(1)}, tmp_path / "u")
    (tmp_path / "i").write_text(json.dumps(index))
    with pytest.raises(MalformedError, match=says):
        open_weights(tmp_path / "i")


def test_an_index_with_a_name_twice(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "s")
    (tmp_path / "i").write_text('{"weight_map": {"a": "s", "a": "s"}}')
    with pytest.raises(MalformedError, match="'a' twice"):
        open_weights(tmp_path / "i")


def test_names_that_are_no_text(tmp_path):
    torch.save({"a\ud800": torch.zeros(2)}, tmp_path / "t")
    with pytest.raises(MalformedError, match="expected names in Unicode"):
        open_weights(tmp_path / "t")


def test_long_paths_are_split_a_bounded_number_of_times():
    name = "a." * 50_000 + "weight"
    fit = fitted(held({name: torch.zeros(2, 2)}), {"weight": (2, 2)})
    assert fit.missing == ("weight",)


def test_a_file_that_is_exchanged_while_it_is_read_is_noticed(tmp_path):
    save_file({"a": torch.zeros(8), "b": torch.zeros(8)}, tmp_path / "w")
    file = open_weights(tmp_path / "w")
    save_file({"a": torch.ones(8), "c": torch.zeros(80)}, tmp_path / "other")
    (tmp_path / "other").replace(tmp_path / "w")
    with pytest.raises(MalformedError, match="changed while it was read"):
        _ = file.digest
