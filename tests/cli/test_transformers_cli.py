"""Commands on networks of transformers as they are: a folder in, a folder out, text as data."""

import csv
import json
import re
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hugging
import language
from modelmark.audit.result import read
from modelmark.errors import MalformedError, MismatchError, UsageError
from modelmark.feeds.causal import CausalFeed
from modelmark.marks import keyfile
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import KeyPolicy, Provenance, keygen
from modelmark.models import build, recorded, shown
from modelmark.models import hugging as hugging_face
from modelmark.schemes.spread import Spread
from modelmark.schemes.uchida import Uchida
from modelmark.suspects.state import State
from modelmark.testing import check_scheme
from modelmark.training.recipe import annealed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("transformers") is None, reason="networks of transformers"),  # not imported each day
]
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "claim"))
PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
CONSOLE = re.compile(r"```console\n(.*?)^```", re.M | re.S)


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


def test_the_page_is_typed_and_what_it_writes_is_loaded_again(run, models, tmp_path, monkeypatch) -> None:
    for name in ("gpt2", "bert"):
        shutil.copytree(models / name, tmp_path / name)
    shutil.copy(models / "text.txt", tmp_path)
    rows = list(map(json.loads, (models / "texts.jsonl").read_text().splitlines()))
    with (tmp_path / "reviews.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["text", "label"])
        table.writeheader()
        table.writerows(rows)
    monkeypatch.chdir(tmp_path)
    typed = [line.removeprefix("$ ") for block in CONSOLE.findall(PAGE.read_text()) for line in block.splitlines()]
    written = ""
    for line in typed:
        if line.startswith("modelmark "):
            ran = run(*line.split()[1:])
            assert ran.status == 0, line + ran.err
            written = ran.out + ran.err
            assert "Traceback" not in written
            if line.split()[1] == "attack" or "uchida.key --weights" in line:
                assert "perplexity" in written
        else:
            assert line in written
    key = keyfile.load(tmp_path / "uchida.key", None)
    assert key.arch.startswith('hf:{"architectures":["GPT2LMHeadModel"]')
    assert "FOLDER" not in key.arch
    assert str(tmp_path) not in key.arch
    assert sorted(path.name for path in (tmp_path / "marked").iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert run("verify", "uchida.key", "gpt2").status == 1
    assert run("verify", "uchida.key", "tuned").out.startswith("uchida: ")
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


GRID = """
epochs = 2
thief = 0.3
schemes = { spread = {} }
attacks = ["noise", "finetune"]
"""


@pytest.mark.parametrize(("kind", "data"), [("gpt2", "corpus:{}/text.txt"), ("vit", "digits")])
def test_an_audit_of_a_folder_measures_independence_and_two_attacks(
    run, models, tmp_path, kind: str, data: str
) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    words = ["--arch", f"hf:{models / kind}", "--data", data.format(models), "--jobs", 1]
    ran = run("audit", tmp_path / "grid.toml", "-o", tmp_path / "rows.jsonl", *words)
    assert ran.status == 0, ran.err
    rows = read(tmp_path / "rows.jsonl")[0]
    assert [row.attack for row in rows] == ["independent", "noise", "finetune"]
    assert [row.status for row in rows] == ["done"] * 3, [row.reason for row in rows]
    assert all(row.marked["verdict"] == "established" for row in rows)
    assert all((row.perplexity is not None) == (kind == "gpt2") for row in rows)
    page = run("report", tmp_path / "rows.jsonl", "--format", "text").out
    assert ("perplexity" in page) == (kind == "gpt2")


@pytest.mark.parametrize("kind", ["gpt2", "vit"])
def test_a_scheme_keeps_its_promises_on_a_network_of_transformers(models, digits, kind: str) -> None:
    task = digits if kind == "vit" else language.task(600)
    check_scheme(Spread(), hugging.made(kind), task, annealed(2, 0.1, batch=64, clip=1.0))


def test_a_mark_goes_into_fused_experts_and_is_read_from_files_that_have_them_apart(models, tmp_path) -> None:
    from modelmark.cli.saving import save
    from modelmark.suspects.files import open_weights

    model, task = hugging.made("mixtral"), language.task(600)
    scheme = Uchida(layer="model.layers.0.mlp.experts.down_proj", bits=24, strength=1.0)
    key = keygen(scheme, model, task.feed, policy=KeyPolicy(self_check=True))
    done = embed(model, [key.mark()], task, annealed(2, 0.01, batch=32, clip=1.0), seed=0)
    save(done.model, tmp_path / "marked")
    file = open_weights(tmp_path / "marked")
    assert "model.layers.0.block_sparse_moe.experts.0.w2.weight" in file.shapes
    arch = recorded(f"hf:{tmp_path / 'marked'}")
    assert key.mark().evidence(State(file, arch)).matches == 24
    spread = keygen(Spread(), model, task.feed)
    assert any("experts.gate_up_proj" in run.layer for run in spread.carriers.runs)


def test_a_judge_builds_the_network_by_the_word_of_the_opening(models, digits, tmp_path) -> None:
    """A folder's name would mean nothing on his machine; the files' names are not the network's."""
    import claim_cases as cases

    from modelmark.cli.saving import save
    from modelmark.suspects.files import open_weights

    model = hugging.made("vit")
    arch = recorded(f"hf:{models / 'vit'}")
    key = keygen(Spread(), model, digits.feed, task=digits, owner=Provenance(arch=arch))
    for name, network in (("marked", imprint(model, key.mark())), ("plain", model)):
        save(network, tmp_path / name)
        found = cases.tried(key, State(open_weights(tmp_path / name))).verdict.document
        assert found.decision == {"marked": "dependence-shown", "plain": "no-evidence"}[name]
        (word,) = [check.detail for check in found.checks if check.name == "answers"]
        assert 'answered as hf:{"architectures":["ViTForImageClassification"]' in word


def test_python_says_of_sizes_what_the_command_line_says(models) -> None:
    model = hugging.made("gpt2")
    with pytest.raises(MismatchError, match="expected a model of 97 tokens, as the data or the key has, got one of 96"):
        keygen(Spread(), model, CausalFeed((16,), vocabulary=97))
    with pytest.raises(MismatchError, match="expected a model for rows of 33 tokens, got one whose context is 32"):
        keygen(Spread(), model, CausalFeed((33,), vocabulary=96))


def test_a_key_keeps_a_configuration_and_where_that_is_too_long_the_folder(models, monkeypatch) -> None:
    arch = f"hf:{models / 'bert'}"
    kept = recorded(arch)
    assert recorded(kept) == kept
    assert shown(kept) == "hf:BertForSequenceClassification"
    one, other = (build(name, (16,), 2, seed=3, trusted=name == arch, vocabulary=96) for name in (arch, kept))
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    monkeypatch.setattr(hugging_face, "LONGEST", 100)
    assert recorded(arch) == arch


def _described(**said: object) -> str:
    return "hf:" + json.dumps(
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 48, "n_head": 4, **said}
    )


HOSTILE = {
    "a folder": ("hf:/", UsageError, "a folder of this machine"),
    "more layers than there are": (_described(n_layer=10**6), MismatchError, "expected a network of at most 300 modules"),
    "numbers beyond all sizes": (_described(vocab_size=2**40), MismatchError, "expected sizes of at most 16777216"),
    "classes beyond all sizes": (_described(num_labels=2**22), MismatchError, "expected sizes of at most 1048576"),
    "no JSON": ("hf:{", MalformedError, "expected a configuration in JSON"),
    "nested": ("hf:" + '{"a":' * 5000, MalformedError, "expected a configuration in JSON"),
    "no class": (_described(architectures=[{}]), MalformedError, "expected architectures"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_claimants_word_builds_nothing_beyond_all_sizes(case: str, monkeypatch) -> None:
    monkeypatch.setattr(hugging_face, "MOST_MODULES", 300)
    arch, kind, line = HOSTILE[case]
    with pytest.raises(kind, match=line) as refused:
        build(arch, (16,), 96, seed=0, vocabulary=96)
    assert "\n" not in str(refused.value)


def test_nothing_is_fetched(models, tmp_path, monkeypatch) -> None:
    """Building, reading and writing a folder open no connection, whatever the library would do with a name of its hub."""
    from modelmark.cli.saving import save
    from modelmark.suspects import weights
    from modelmark.suspects.files import open_weights

    asked: list[object] = []

    def refuse(*words: object, **_: object) -> None:
        asked.append(words)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model = build(f"hf:{models / 'vit'}", (1, 8, 8), 10, seed=0, trusted=True)
    weights.apply(model, open_weights(models / "vit"), what="weights")
    save(model, tmp_path / "again")
    assert not asked


def test_what_a_configuration_says_of_code_from_elsewhere_is_left_out(models, tmp_path) -> None:
    folder = shutil.copytree(models / "gpt2", tmp_path / "gpt2")
    _says(
        folder,
        auto_map={"AutoModelForCausalLM": "evil--evil"},
        _attn_implementation="evil/kernels",
        attn_implementation="evil/k",
    )
    kept = recorded(f"hf:{folder}")
    assert "evil" not in kept
    assert type(build(f"hf:{folder}", (16,), 96, seed=0, trusted=True, vocabulary=96)).__module__.startswith(
        "transformers."
    )


def test_a_key_beside_the_tokenizer_does_not_go_along(run, models, tmp_path) -> None:
    folder = shutil.copytree(models / "gpt2", tmp_path / "gpt2")
    words = ["--arch", f"hf:{folder}", "--data", f"corpus:{models / 'text.txt'}", "--unencrypted"]
    assert run("keygen", "spread", *words, "-o", folder / "vocab.json").status == 0
    ran = run("embed", folder / "vocab.json", "--weights", folder, "--epochs", 1, "-o", tmp_path / "marked")
    assert (ran.status, "is its owner's alone" in ran.err) == (2, True), ran.err
    assert not (tmp_path / "marked").exists()
