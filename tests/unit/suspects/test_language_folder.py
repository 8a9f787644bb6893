"""Texts weighed by the language model in a folder of transformers, with the tokenizer of its own."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from modelmark.errors import MalformedError
from modelmark.feeds.records import TEXTS
from modelmark.suspects.base import ABSTAIN, Weigh
from modelmark.suspects.likelihoods import of_folder

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
WORDS = {"[UNK]": 0, "Why": 1, "is": 2, "it": 3, "so": 4, "because": 5, "of": 6, "air": 7, "light": 8, "?": 9}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=len(WORDS), n_positions=8, n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return path


def weighed(folder, *texts):
    inputs = np.array([[given + rest] for given, rest in texts], object)
    return of_folder(folder).observe(Weigh(TEXTS, inputs, np.array([len(given) for given, _ in texts])))[0]


def test_what_follows_the_prompt_is_weighed_by_the_models_own_tokens(folder):
    found = weighed(
        folder, ("Why is it so ?", " because of air"), ("Why is it so ?", " because of light"), ("", "Why is it")
    )
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    rows = [([1, 2, 3, 4, 9, 5, 6, 7], 5), ([1, 2, 3, 4, 9, 5, 6, 8], 5), ([1, 2, 3], 1)]
    with torch.no_grad():
        logs = [model(torch.tensor([row])).logits.double().log_softmax(-1)[0] for row, _ in rows]
    expected = [
        -sum(float(log[i - 1, row[i]]) for i in range(first, len(row)))
        for (row, first), log in zip(rows, logs, strict=True)
    ]
    assert found == pytest.approx(1e6 * np.array(expected), abs=20)
    assert found[0] != found[1]


def test_a_text_of_one_token_and_no_prompt_has_no_likelihood(folder):
    assert weighed(folder, ("", "Why"), ("", "Why is"))[0] == ABSTAIN


def test_a_text_beyond_the_context_abstains_and_others_are_weighed(folder):
    """A thief of a short context could not be read at all."""
    long, short = weighed(folder, ("Why ", "is it " * 5 + "so"), ("Why ", "is it"))
    assert long == ABSTAIN < short


def test_weights_that_are_missing_are_no_random_numbers(folder, tmp_path):
    """The library fills a head that a folder lacks with random numbers, and says so to the terminal alone."""
    shutil.copytree(folder, tmp_path / "headless")
    path = tmp_path / "headless" / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if "ln_f" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(MalformedError, match=r"expected all weights of a causal language model in .*, 2 are missing"):
        of_folder(tmp_path / "headless")


def test_a_folder_without_a_model_is_refused_in_a_line(tmp_path):
    with pytest.raises(MalformedError, match="expected a causal language model with its tokenizer") as refused:
        of_folder(tmp_path)
    assert "\n" not in str(refused.value)
