"""``spread`` and folders of shards: all is copied but what is hidden or would give the unmarked weights away."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from spreading import refused, state

from modelmark.suspects.files import gathering


@pytest.fixture
def folder(tmp_path):
    """Two shards and an index, with what a downloaded model has beside them."""
    source, held = tmp_path / "source", state()
    (source / "extra" / "deep").mkdir(parents=True)
    where = {name: f"model-0000{number % 2 + 1}-of-00002.safetensors" for number, name in enumerate(sorted(held))}
    for part in set(where.values()):
        save_file({name: held[name] for name in held if where[name] == part}, source / part)
    (source / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (source / "config.json").write_text("{}")
    (source / "tokenizer.model").write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    (source / "extra" / "deep" / "README.md").write_text("text")
    return source


@pytest.fixture
def folders_key(folder, run, tmp_path):
    assert run("keygen", "spread", "--weights", folder, "--unencrypted", "-o", tmp_path / "s.key").status == 0
    return tmp_path / "s.key"


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_of_a_folder_all_that_is_not_hidden_is_copied(folders_key, folder, run, tmp_path):
    (folder / ".cache").mkdir()
    (folder / ".cache" / "left.bin").write_bytes(b"GGUF")
    (folder / ".gitattributes").write_text("")
    (folder / "LICENSE").symlink_to("extra/deep/README.md")
    for number, source in enumerate((folder, folder / "model.safetensors.index.json")):
        out = tmp_path / f"out{number}"
        ran = run("embed", folders_key, "--weights", source, "-o", out)
        assert ran.status == 0, ran
        assert below(out) == [name for name in below(folder) if not name.startswith(".")]
        assert not (out / "LICENSE").is_symlink()
        assert (out / "LICENSE").read_text() == "text"


def torch_file(path):
    torch.save({"a.weight": torch.zeros(3, 3)}, path)


UNMARKED = {
    "pytorch_model.bin": torch_file,
    "consolidated.safetensors": lambda path: save_file({"a": torch.zeros(3)}, path),
    "extra/deep/consolidated.00.pth": lambda path: torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False),
    "model.gguf": lambda path: path.write_bytes(b"GGUF\x03\0\0\0"),
    "tf_model.h5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"),
    "flax_model.msgpack": lambda path: path.write_bytes(b"\x82\xa5layer\x00"),
    "extra/model.onnx": lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch"),
    "weights.npz": lambda path: np.savez(path, a=np.zeros(3)),
    "weights.npy": lambda path: np.save(path, np.zeros(3)),
    "notes.txt": torch_file,  # first bytes tell, no ending
}  # fmt: skip


@pytest.mark.parametrize("name", UNMARKED)
def test_an_unmarked_copy_beside_the_shards_is_refused(name, folders_key, folder, run, tmp_path):
    """All of a folder was copied once: who bought the marked shards got the unmarked weights with them."""
    UNMARKED[name](folder / name)
    before = sorted(tmp_path.iterdir())
    words = ("--weights", folder, "-o", tmp_path / "out")
    for command in (("embed", folders_key), ("issue", folders_key, "--to", "Ada")):
        refused(run(*command, *words), 2, f"beside the marked ones, got {name}: an unmarked copy would go along")
        assert sorted(tmp_path.iterdir()) == before


def test_a_link_within_the_folder_to_a_marked_shard_is_an_unmarked_copy(folders_key, folder, run, tmp_path):
    (folder / "again").symlink_to("model-00001-of-00002.safetensors")
    refused(run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out"), 2, "got again: an unmarked copy")


def test_three_are_named_and_one_file_can_be_named_itself(run, tmp_path):
    source, key = tmp_path / "source", tmp_path / "one.key"
    source.mkdir()
    file = source / "model.safetensors"
    save_file(state(), file)
    assert run("keygen", "spread", "--weights", file, "--unencrypted", "-o", key).status == 0
    for number in range(5):
        torch_file(source / f"{number}.pt")
    ran = run("embed", key, "--weights", source, "-o", tmp_path / "out")
    refused(ran, 2, "got 0.pt, 1.pt, 2.pt, ...: an", "hint: move it out of the folder, or name the file itself")
    assert run("embed", key, "--weights", file, "-o", tmp_path / "out").status == 0


@pytest.mark.parametrize("name", ["owner.key", "extra/s.copies", "extra/renamed.db", "me.identity", "s.copies-journal"])
def test_the_owners_key_and_registry_are_not_copied(name, folders_key, folder, run, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    assert run("identity", "--unencrypted", "-o", made / "me.identity").status == 0
    assert run("issue", folders_key, "--to", "Bob", "--weights", folder, "-o", made / "bob").status == 0
    held = {".key": folders_key, ".identity": made / "me.identity"}
    shutil.copy(next((path for end, path in held.items() if name.endswith(end)), tmp_path / "s.copies"), folder / name)
    before, rows = sorted(tmp_path.iterdir()), run("copies", folders_key).out
    words = ("--weights", folder, "-o", tmp_path / "out")
    for command in (("embed", folders_key), ("issue", folders_key, "--to", "Ada")):
        refused(run(*command, *words), 2, f"expected no key and no registry of copies beside the weights, got {name}")
        assert sorted(tmp_path.iterdir()) == before
    assert run("copies", folders_key).out == rows


def test_links_that_leave_the_folder_or_loop_are_refused(folders_key, folder, run, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "diary").write_text("")
    link = folder / "link"
    for target, says in (
        ("../private/diary", "out of it"),
        ("../private", "out of it"),
        ("extra", "a link to a folder"),
        (".", "a link to a folder"),
        ("link", "link"),
        ("nowhere", "a link that leads to none"),
    ):
        link.symlink_to(target)
        refused(run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out"), 2, says)
        link.unlink()
    os.mkfifo(link)  # opening it would wait for ever
    refused(run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out"), 2, "got something else")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_many_files_is_refused_before_they_are_read(folders_key, folder, run, tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "MOST", 9)
    (folder / "more").write_text("")
    (folder / ".hidden").write_text("")
    refused(run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out"), 2, "at most 9 files")
    (folder / ".hidden").unlink()
    assert run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out").status == 0


def test_an_output_inside_the_folder_that_is_copied_is_refused(folders_key, folder, run, tmp_path, monkeypatch):
    before = below(folder)
    index = folder / "model.safetensors.index.json"
    for where, source, out in (
        (tmp_path, folder, folder / "marked"),
        (tmp_path, "source", "source/extra/marked"),
        (folder, ".", "marked"),
        (folder, index.name, "marked"),
        (folder / "extra", "..", "marked"),
    ):
        monkeypatch.chdir(where)
        for command in (("embed", folders_key), ("issue", folders_key, "--to", "Ada")):
            ran = run(*command, "--weights", source, "-o", out)
            refused(ran, 2, "expected an output outside the folder that is copied")
            assert below(folder) == before
    assert not (tmp_path / "s.copies").exists()


def test_a_copy_is_as_private_as_its_source(folders_key, folder, run, tmp_path):
    (tmp_path / "alone").mkdir()
    plain, key = tmp_path / "alone" / "plain", tmp_path / "alone" / "s.key"
    save_file(state(), plain)
    assert run("keygen", "spread", "--weights", plain, "--unencrypted", "-o", key).status == 0
    plain.chmod(0o600)
    assert run("embed", key, "--weights", plain, "-o", tmp_path / "out").status == 0
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600
    folder.chmod(0o750)
    (folder / "config.json").chmod(0o440)
    for shard in folder.glob("*.safetensors"):
        shard.chmod(0o400)  # marked all the same
    mask = os.umask(0o027)
    try:
        assert run("embed", folders_key, "--weights", folder, "-o", tmp_path / "outs").status == 0
    finally:
        os.umask(mask)
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 & ~0o027 for path in folder.rglob("*")}
    assert {str(path.relative_to(tmp_path / "outs")): path.stat().st_mode & 0o777
            for path in (tmp_path / "outs").rglob("*")} == modes  # fmt: skip
    assert (tmp_path / "outs").stat().st_mode & 0o777 == 0o750


def test_shards_of_two_kinds_are_refused_by_their_kinds(folders_key, folder, run, tmp_path):
    shard = folder / "model-00002-of-00002.safetensors"
    torch.save(load_file(shard), tmp_path / "shard")
    (tmp_path / "shard").replace(shard)
    refused(
        run("embed", folders_key, "--weights", folder, "-o", tmp_path / "out"), 2, "safetensors and torch checkpoint"
    )
