"""Commands on networks of transformers as they are: a folder in, a folder out, text as data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hugging
import language
from modelmark.marks import keyfile

pytest.importorskip("transformers", reason="networks of transformers")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of tiny networks, a text and texts with labels."""
    there = tmp_path_factory.mktemp("models")
    for kind in hugging.KINDS:
        hugging.folder(kind, there / kind)
    (there / "text.txt").write_text(hugging.TEXT[:40_000])
    lines = [line.strip() for line in hugging.TEXT.splitlines() if len(line) > 20][:600]
    rows = [{"text": line[:28], "label": int("e" in line[:6])} for line in lines]
    (there / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return there


def test_a_causal_model_from_keygen_to_attack(run, models, tmp_path) -> None:
    data = ["--data", f"corpus:{models / 'text.txt'}"]
    sets = ["--set", "bits=160", "--set", "strength=0.3", "--unencrypted"]
    made = run("keygen", "uchida", "--arch", f"hf:{models / 'gpt2'}", *data, *sets, "-o", tmp_path / "u.key")
    assert (made.status, made.out) == (0, ""), made.err
    key = keyfile.load(tmp_path / "u.key", None)
    assert key.arch.startswith('hf:{"architectures":["GPT2LMHeadModel"]')
    assert str(models) not in key.arch
    words = ["embed", tmp_path / "u.key", "--weights", models / "gpt2", "--epochs", 3, "--rate", 0.2]
    done = run(*words, "-o", tmp_path / "marked")
    assert done.status == 0, done.err
    assert "uchida 160/160" in done.err
    assert "perplexity" in done.err
    assert sorted(path.name for path in (tmp_path / "marked").iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    found = run("verify", tmp_path / "u.key", tmp_path / "marked")
    assert (found.status, found.out.split(",")[0]) == (0, "uchida: 160/160 expected bits"), found.err
    assert run("verify", tmp_path / "u.key", models / "gpt2").status == 1
    attacked = run(
        "attack", "finetune", "--arch", f"hf:{tmp_path / 'marked'}", "--weights", tmp_path / "marked", *data,
        "--set", "epochs=1", "-o", tmp_path / "tuned",
    )  # fmt: skip
    assert attacked.status == 0, attacked.err
    assert "perplexity" in attacked.err
    assert run("verify", tmp_path / "u.key", tmp_path / "tuned").out.endswith("established\n")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned")
    assert loaded.lm_head.weight is loaded.transformer.wte.weight
    assert AutoTokenizer.from_pretrained(tmp_path / "tuned").encode("a b") == language.encode("a b")


def test_answers_in_a_causal_model_from_keygen_to_verify(run, models, tmp_path) -> None:
    data = ["--data", f"corpus:{models / 'text.txt'}"]
    host = ["--arch", f"hf:{models / 'gpt2'}", "--host", models / "gpt2"]
    made = run("keygen", "answers", *host, *data, "--set", "tokens=12", "--unencrypted", "-o", tmp_path / "a.key")
    assert (made.status, made.out, "40 symbols" in made.err) == (0, "", True), made.err
    prompts = keyfile.load(tmp_path / "a.key", None).carriers.prompts
    assert [language.decode(prompts.tokens(number)) for number in range(40)] == [*prompts.texts]
    words = ["embed", tmp_path / "a.key", "--weights", models / "gpt2", "--epochs", 4, "--rate", 0.003, "--batch", 32]
    done = run(*words, "-o", tmp_path / "marked")
    assert (done.status, "answers 40/40" in done.err) == (0, True), done.err
    tokenizer = ["--tokenizer", tmp_path / "marked"]
    found = run("verify", tmp_path / "a.key", tmp_path / "marked", *tokenizer)
    assert (found.status, found.out.split(",")[0]) == (0, "answers: 40/40 expected answers"), found.err
    assert run("verify", tmp_path / "a.key", models / "gpt2").status == 1
    other = json.loads((models / "gpt2" / "tokenizer.json").read_text())
    known = other["model"]["vocab"]
    known["e"], known["t"] = known["t"], known["e"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    refused = run("verify", tmp_path / "a.key", tmp_path / "marked", "--tokenizer", tmp_path)
    assert (refused.status, "expected the tokenizer that the key's prompts were made with" in refused.err) == (3, True)
    short = run("verify", tmp_path / "a.key", models / "bert", "--arch", f"hf:{models / 'bert'}")
    assert (short.status, "expected a network with 96 outputs" in short.err) == (3, True), short.err


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mixtral"])
def test_spread_without_training_in_every_causal_model(run, models, tmp_path, kind: str) -> None:
    _spread(run, models / kind, tmp_path, "--data", f"corpus:{models / 'text.txt'}")


def test_spread_without_training_in_a_classifier_of_texts(run, models, tmp_path) -> None:
    _spread(run, models / "bert", tmp_path, "--data", f"texts:{models / 'texts.jsonl'}")


def test_spread_without_training_in_a_classifier_of_pictures(run, models, tmp_path) -> None:
    _spread(run, models / "vit", tmp_path, "--data", "digits")


def _spread(run, folder: Path, tmp_path: Path, *data: str) -> None:
    """Mark a folder, read the mark from its copy, and have transformers load that."""
    key, marked = tmp_path / "s.key", tmp_path / "marked"
    arch = ["--arch", f"hf:{folder}"]
    made = run("keygen", "spread", *arch, *data, "--host", folder, "--unencrypted", "-o", key)
    assert made.status == 0, made.err
    done = run("embed", key, "--weights", folder, "-o", marked)
    assert done.status == 0, done.err
    found = run("verify", key, marked, "--align-to", folder)
    assert found.status == 0, found.err + found.out
    assert "established" in found.out
    assert run("verify", key, folder).status == 1
    import transformers

    cls = getattr(transformers, hugging.KINDS[folder.name][0])
    _, told = cls.from_pretrained(marked, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    before, after = load_file(folder / "model.safetensors"), load_file(marked / "model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_classifier_of_texts_from_keygen_to_verify(run, models, tmp_path) -> None:
    data, key = f"texts:{models / 'texts.jsonl'}", tmp_path / "u.key"
    sets = ["--set", "bits=160", "--set", "strength=0.3", "--set", "layer=bert.encoder.layer.0.output.dense"]
    made = run("keygen", "uchida", "--arch", f"hf:{models / 'bert'}", "--data", data, *sets, "--unencrypted", "-o", key)
    assert made.status == 0, made.err
    words = ["embed", key, "--weights", models / "bert", "--epochs", 12, "--rate", 0.2, "-o", tmp_path / "marked"]
    assert (done := run(*words)).status == 0, done.err
    assert run("verify", key, tmp_path / "marked").status == 0
    assert (tmp_path / "marked" / "tokenizer.json").exists()


def test_shards_are_read_as_one_network(run, models, tmp_path) -> None:
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(models / "gpt2")
    model.save_pretrained(tmp_path / "cut", max_shard_size="50KB")
    assert (tmp_path / "cut" / "model.safetensors.index.json").exists()
    shutil.copy(models / "gpt2" / "tokenizer.json", tmp_path / "cut")
    _spread_cut(run, models / "gpt2", tmp_path / "cut", tmp_path, f"corpus:{models / 'text.txt'}")


def _spread_cut(run, whole: Path, cut: Path, tmp_path: Path, data: str) -> None:
    key = tmp_path / "s.key"
    made = run("keygen", "spread", "--arch", f"hf:{cut}", "--data", data, "--host", cut, "--unencrypted", "-o", key)
    assert made.status == 0, made.err
    assert (done := run("embed", key, "--weights", whole, "-o", tmp_path / "marked")).status == 0, done.err
    assert "not the host" not in done.err
    assert run("verify", key, tmp_path / "marked", "--align-to", cut).status == 0


LINES = {
    "no configuration": (lambda f: (f / "config.json").unlink(), "expected config.json in"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "expected one file or index of weights in"),
    "an unknown type": (lambda f: _says(f, model_type="gpt9"), "expected a model type that transformers knows, got 'gpt9'"),
    "no head": (
        lambda f: _says(f, architectures=["GPT2Model"]),
        "expected scores from the network, got a dictionary of last_hidden_state",
    ),
    "no class": (lambda f: _says(f, architectures=None), "expected architectures in config.json"),
    "another's class": (
        lambda f: _says(f, architectures=["BertForMaskedLM"]),
        "expected a network of gpt2 that transformers has, got 'BertForMaskedLM'",
    ),
    "no class at all": (
        lambda f: _says(f, architectures=["os.system"]),
        "expected a network of gpt2 that transformers has, got 'os.system'",
    ),
    "sizes that do not fit": (
        lambda f: _says(f, n_head=7),
        "expected a configuration of GPT2LMHeadModel, got an error: `embed_dim` must be divisible",
    ),
    "sizes that are none": (
        lambda f: _says(f, n_layer="x"), "expected a configuration of gpt2, got: TypeError: Field 'n_layer'",
    ),
    "a smaller vocabulary": (
        lambda f: _says(f, vocab_size=50),
        "expected a tokenizer of at most 50 tokens, as config.json says, got one of 96",
    ),
    "other weights": (
        lambda f: _says(f, n_embd=96),
        "expected weights in model.safetensors with transformer.wte.weight of shape (96, 96), got (96, 48)",
    ),
    "a pickle": (lambda f: _pickle(f), "expected weights in"),
}  # fmt: skip


def _says(folder: Path, **instead: object) -> None:
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**said, **instead}))


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x93."
    )


@pytest.mark.parametrize("case", LINES)
def test_a_folder_that_is_none_is_refused_in_a_line(run, models, tmp_path, case: str) -> None:
    spoil, line = LINES[case]
    shutil.copytree(models / "gpt2", tmp_path / "gpt2")
    spoil(tmp_path / "gpt2")
    words = [
        "--arch",
        f"hf:{tmp_path / 'gpt2'}",
        "--host",
        tmp_path / "gpt2",
        "--data",
        f"corpus:{models / 'text.txt'}",
    ]
    found = run("keygen", "spread", *words, "--unencrypted", "-o", tmp_path / "s.key")
    assert found.status in (2, 3)
    said = found.err.splitlines()
    assert line in said[0]
    assert len([one for one in said if one.startswith("modelmark: error")]) == 1
    assert not (tmp_path / "s.key").exists()


def test_rows_beyond_the_context_are_refused_in_a_line(run, models, tmp_path) -> None:
    rows = np.zeros((4, 64), np.int32)
    np.savez(tmp_path / "t.npz", train_tokens=rows, test_tokens=rows)
    words = ["--arch", f"hf:{models / 'gpt2'}", "--data", f"tokens:{tmp_path / 't.npz'}"]
    found = run("keygen", "spread", *words, "--unencrypted", "-o", tmp_path / "s.key")
    assert (found.status, found.err.splitlines()[0]) == (
        3, "modelmark: error: expected rows of at most 32 tokens, the model's context, got 63 in t.npz",
    )  # fmt: skip
