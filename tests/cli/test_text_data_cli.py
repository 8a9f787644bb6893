"""Text as data on the command line, with a hand-written language model: the fast sibling of the tests of transformers."""

import json
from pathlib import Path

import pytest

import hugging
import language
from modelmark.suspects import weights

pytest.importorskip("tokenizers", reason="reads tokenizer.json")
CODE = """
import sys
sys.path.insert(0, {tests!r})
import language

def make():
    return language.fresh()
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder with configuration, tokenizer and weights, a text, and the code of the network; what commands are given of it."""
    name = f"talking_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(CODE.format(tests=str(Path(__file__).parents[1])))
    monkeypatch.syspath_prepend(str(tmp_path))
    model = tmp_path / "model"
    model.mkdir()
    said = {"model_type": "tiny", "vocab_size": 96, "max_position_embeddings": language.LENGTH}
    (model / "config.json").write_text(json.dumps(said))
    hugging.tokenizer().save(str(model / "tokenizer.json"))
    weights.save(language.fresh(), model / "model.safetensors")
    (tmp_path / "text.txt").write_text(hugging.TEXT[:6000])
    return ["--arch", f"{name}:make", "--data", f"corpus:{tmp_path / 'text.txt'}"]


def test_a_text_is_read_by_the_tokenizer_beside_the_weights(run, words, tmp_path) -> None:
    model, key, marked = tmp_path / "model", tmp_path / "s.key", tmp_path / "marked"
    made = run("keygen", "spread", *words, "--host", model, "--unencrypted", "-o", key)
    assert made.status == 0, made.err
    assert "interface.kind causal" in run("inspect", key).out
    done = run("embed", key, "--weights", model, *words, "-o", marked)
    assert done.status == 0, done.err
    assert "perplexity" in done.err
    assert run("verify", key, marked).status == 0
    tuned = tmp_path / "tuned.safetensors"
    ran = run("attack", "finetune", "--weights", marked, *words, "--set", "epochs=1", "-o", tuned)
    assert (ran.status, "perplexity" in ran.err) == (0, True), ran.err
    assert run("verify", key, tuned).out.startswith("spread: ")


def test_a_text_without_a_tokenizer_is_refused_with_the_way_on(run, words, tmp_path) -> None:
    ran = run("keygen", "spread", *words, "--unencrypted", "-o", tmp_path / "s.key")
    assert (ran.status, ran.err.splitlines()) == (
        2,
        [
            "modelmark: error: expected the folder of a model, whose tokenizer reads corpus, got none",
            "modelmark: hint: name it: --arch hf:FOLDER, or --weights FOLDER",
        ],
    )


def test_data_by_another_tokenizer_than_the_keys_are_refused(run, words, tmp_path) -> None:
    import tokenizers

    model, key = tmp_path / "model", tmp_path / "s.key"
    assert run("keygen", "spread", *words, "--host", model, "--unencrypted", "-o", key).status == 0
    other = hugging.tokenizer()
    other.normalizer = tokenizers.normalizers.Lowercase()
    other.save(str(model / "tokenizer.json"))
    ran = run("embed", key, "--weights", model, *words, "-o", tmp_path / "marked")
    assert (ran.status, "expected data by the key's tokenizer" in ran.err) == (3, True), ran.err
    assert not (tmp_path / "marked").exists()


def test_constants_of_pictures_are_refused_beside_a_text(run, words, tmp_path) -> None:
    ran = run("keygen", "spread", *words, "--mean", "0.5", "--unencrypted", "-o", tmp_path / "s.key")
    assert (ran.status, "expected --mean and --std with pictures, got corpus" in ran.err) == (2, True)
