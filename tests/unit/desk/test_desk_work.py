"""What is done with what was dropped, in this process: no pickle is opened, papers are told apart by what is in them."""

import io
import json
import os
import pickle
import zipfile

import pytest

from modelmark.claim.judging import bundle
from modelmark.desk import worker
from modelmark.desk.given import Given
from modelmark.desk.work import Result, suspect, verdict, weights
from modelmark.errors import MalformedError, MismatchError, UsageError

pytestmark = pytest.mark.usefixtures("cheap")


class Marker:
    """A pickle of it makes a file when it is opened."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def zipped(member, content):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(member, content)
    return made.getvalue()


def saved(value, **options):
    import torch

    made = io.BytesIO()
    torch.save(value, made, **options)
    return made.getvalue()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "model.safetensors", "w"])
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "archive", "export", "script"])
def test_no_pickle_is_opened_whatever_the_file_is_called(kind, name, tmp_path):
    bad = Marker(tmp_path / "ran")
    content = {
        "zip": lambda: saved({"w": bad}),
        "legacy": lambda: saved({"w": bad}, _use_new_zipfile_serialization=False),
        "pickle": lambda: pickle.dumps(bad),
        "archive": lambda: zipped("w/data.pkl", pickle.dumps(bad)),
        "export": lambda: zipped("w/data/weights/model_weights_config.json", b"{}"),
        "script": lambda: zipped("w/constants.pkl", pickle.dumps(bad)),
    }[kind]()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedError, match="expected weights without a pickle") as error:
        weights.opened([tmp_path / name])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_among_the_parts_of_a_model_is_found(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(2)}, tmp_path / "model-00001-of-00002.safetensors")
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(saved({"w": torch.zeros(2)}))
    with pytest.raises(MalformedError, match=r"expected weights without a pickle.*model-00002"):
        weights.opened(sorted(tmp_path.iterdir()))


def test_parts_of_a_model_are_one_suspect(tmp_path):
    import torch
    from safetensors.torch import save_file

    for number in (1, 2):
        save_file({f"w{number}": torch.zeros(2)}, tmp_path / f"model-0000{number}-of-00002.safetensors")
    assert weights.opened(sorted(tmp_path.iterdir())).names == ["w1", "w2"]


def adapter_of(marked, plain, folder, *, over):
    """Write an adapter of full rank that makes a marked network of a plain one, as peft writes it; return its files."""
    from safetensors.torch import save_file

    folder.mkdir()
    found = {}
    for name in plain:
        left, values, right = (marked[name] - plain[name]).double().svd()
        path = f"base_model.model.{name.removesuffix('.weight')}"
        found[f"{path}.lora_A.weight"] = right.mT.float().contiguous()
        found[f"{path}.lora_B.weight"] = (left * values).float().contiguous()
    said = {
        "peft_type": "LORA",
        "r": 160,
        "lora_alpha": 160,
        "base_model_name_or_path": str(over),
        "fan_in_fan_out": False,
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))
    save_file(found, folder / "adapter_model.safetensors")
    return tuple(sorted(folder.iterdir()))


def test_an_adapter_is_read_over_the_model_that_was_dropped_and_no_other(issued, tmp_path):
    from safetensors.torch import load

    (tmp_path / "local").mkdir()
    for name in ("plain", "marked"):
        (tmp_path / f"{name}.safetensors").write_bytes(getattr(issued, name)[1])
    (tmp_path / "local" / "model.safetensors").write_bytes(issued.plain[1])
    (tmp_path / "s.key").write_bytes(issued.key[1])
    plain, marked = load(issued.plain[1]), load(issued.marked[1])
    parts = adapter_of(marked, plain, tmp_path / "adapter", over=tmp_path / "local")
    dropped = {"key": (tmp_path / "s.key",), "suspect": parts}

    def said(**base):
        return suspect.run(Given(dropped | base, "pass"), lambda _: None)

    with pytest.raises(MalformedError, match="got the adapter alone"):  # though it names a folder that is here
        said()
    assert weights.open_weights(tmp_path / "adapter").names  # which the command line would follow
    assert "is in this model" in said(base=(tmp_path / "plain.safetensors",)).part
    assert "is in this model" not in said(base=(tmp_path / "marked.safetensors",)).part  # marked by whoever dropped it
    dropped["suspect"] = (tmp_path / "marked.safetensors",)
    with pytest.raises(UsageError, match="expected a network that modelmark builds by name, got 'os:system'"):
        suspect.run(Given(dropped, "pass", words={"arch": "os:system"}), lambda _: None)
    with pytest.raises(MalformedError, match="expected an adapter with the model that one stands on"):
        said(base=(tmp_path / "plain.safetensors",))


def test_an_array_with_pickled_objects_is_no_tensor(tmp_path):
    import numpy as np

    (tmp_path / "w.npz").write_bytes(b"")
    np.savez(tmp_path / "w.npz", w=np.array([Marker(tmp_path / "ran")], dtype=object))
    file = weights.opened([tmp_path / "w.npz"])
    assert (file.names, list(file.unreadable)) == ([], ["w"])
    assert not (tmp_path / "ran").exists()


def test_papers_are_told_apart_by_what_is_in_them(papers, tmp_path):
    paths = []
    for number, (_, content) in enumerate(papers["papers"]):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(content)
    found = bundle.sort(paths)
    assert {kind: len(every) for kind, every in found.signed.items() if every} == {
        "claim": 1,
        "challenge": 1,
        "opening": 1,
    }
    assert (len(found.records), [path.name for path in found.others]) == (1, ["3"])


def test_a_changed_paper_is_refused_by_its_signature(papers, tmp_path):
    (tmp_path / "claim").write_bytes(papers["papers"][0][1].replace(b'"sig":"', b'"sig":"A', 1))
    with pytest.raises(MalformedError):
        bundle.sort([tmp_path / "claim"])


@pytest.mark.parametrize("field", ["verdict", "papers"])
def test_a_key_among_the_papers_is_refused_and_not_opened(papers, issued, field, tmp_path):
    names = {"verdict": papers["verdict"][0], "papers": papers["papers"][0]} | {field: issued.key}
    given = {}
    for name, (_, content) in names.items():
        (tmp_path / name).write_bytes(content)
        given[name] = (tmp_path / name,)
    with pytest.raises(MalformedError, match="expected papers, got a key"):
        verdict.run(Given(given), lambda _: None)


def test_another_paper_in_the_place_of_the_verdict_is_named(papers, tmp_path):
    (tmp_path / "a").write_bytes(papers["papers"][0][1])
    with pytest.raises(MalformedError, match="expected a verdict, got a claim: a"):
        verdict.run(Given({"verdict": (tmp_path / "a",)}), lambda _: None)


def test_carriers_of_another_size_are_said_to_be_lacking(papers, tmp_path):
    given = {"verdict": [papers["verdict"][0]], "papers": [*papers["papers"][:3], ("x", b"short"), papers["papers"][4]]}
    paths = {}
    for field, sent in given.items():
        (tmp_path / field).mkdir()
        for name, content in sent:
            (tmp_path / field / name).write_bytes(content)
        paths[field] = tuple(sorted((tmp_path / field).iterdir()))
    result = verdict.run(Given(paths), lambda _: None)
    assert "Not at hand: the carriers beside the opening, a file of " in result.part


def test_what_is_told_to_a_process_comes_back_whole_and_errors_name_no_folder(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_bytes(b"no rows\n")
    given = Given({"rows": (tmp_path / "rows" / "a.jsonl",)}, "secret\u00e9", {"suspects": 3})
    assert worker.decoded(worker.encoded("audit", given)) == ("audit", given)
    steps = []
    said = worker.work("audit", given, steps.append)
    assert steps == [{"step": "reading the results"}]
    assert said["error"].startswith("a.jsonl, line 1: expected a result")
    assert str(tmp_path) not in said["error"] + said["hint"]


def test_hints_that_speak_of_the_command_line_are_left_out(monkeypatch, tmp_path):
    from modelmark.desk.work import audit
    from modelmark.errors import UsageError

    def refuse(*_):
        raise UsageError("expected this", hint="--registry FILE names another")

    monkeypatch.setattr(audit, "run", refuse)
    assert worker.work("audit", Given(), lambda _: None) == {"error": "expected this", "hint": ""}
    monkeypatch.setattr(audit, "run", lambda *_: Result("t", "<p>"))
    assert worker.work("audit", Given(), lambda _: None)["result"]["title"] == "t"


def test_a_model_of_another_kind_is_refused_with_a_way_on(issued, tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(3, 4)}, tmp_path / "other.safetensors")
    (tmp_path / "s.key").write_bytes(issued.key[1])
    (tmp_path / "s.copies").write_bytes(issued.copies[1])
    paths = {"key": "s.key", "suspect": "other.safetensors", "registry": "s.copies"}
    given = Given({field: (tmp_path / name,) for field, name in paths.items()}, "pass")
    for form in ("suspect", "trace"):
        said = worker.work(form, given, lambda _: None)
        assert said["error"] == "expected the layers that the key marks, this model has none of them"
        assert "may be built otherwise" in said["hint"]


def test_a_key_that_waits_for_a_timestamp_says_what_to_drop(issued, tmp_path):
    from modelmark.marks import keyfile
    from modelmark.marks.keys import KeyPolicy
    from modelmark.marks.onfiles import keygen_for_file
    from modelmark.schemes.spread import Spread
    from modelmark.suspects.files import open_weights

    (tmp_path / "plain.safetensors").write_bytes(issued.plain[1])
    file = open_weights(tmp_path / "plain.safetensors")
    keyfile.save(keygen_for_file(Spread(), file, policy=KeyPolicy(draw="timestamp")), tmp_path / "t.key", None)
    given = Given({"key": (tmp_path / "t.key",), "suspect": (tmp_path / "plain.safetensors",)})
    said = worker.work("suspect", given, lambda _: None)
    assert said["error"].startswith("expected the claim and the deposit of a key that waits for a timestamp")
    assert "drop both" in said["hint"]


def test_a_copy_of_another_make_is_read_where_its_make_is_named(tmp_path):
    from modelmark import data, models
    from modelmark.marks import keyfile
    from modelmark.marks.keys import Provenance, keygen
    from modelmark.schemes.adi import Adi
    from modelmark.suspects import weights as weight_files
    from modelmark.training.task import Task

    feed = Task.from_dataset(data.load("digits")).feed
    host = models.build("mlp", feed.input_shape, feed.classes, seed=0)
    keyfile.save(keygen(Adi(), host, feed, owner=Provenance(arch="mlp")), tmp_path / "a.key", None)
    weight_files.save(models.build("cnn", feed.input_shape, feed.classes, seed=0), tmp_path / "copy.safetensors")
    dropped = {"key": (tmp_path / "a.key",), "suspect": (tmp_path / "copy.safetensors",)}
    with pytest.raises(MismatchError):
        suspect.run(Given(dropped), lambda _: None)
    read = suspect.run(Given(dropped, words={"arch": "cnn"}), lambda _: None)
    assert "of 100" in read.part, read.part
