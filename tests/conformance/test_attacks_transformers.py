"""Attacks on the models of transformers, from configuration: they keep their promises and reach the layers they say.

The attacks are tried on plain networks elsewhere; here, on what Hugging Face's classes do otherwise.
"""

import warnings
from dataclasses import replace

import pytest
import torch

import language
from modelmark import data
from modelmark.attacks import attack_class
from modelmark.attacks._tools import blocks
from modelmark.errors import MissingPackageError
from modelmark.networks import layers
from modelmark.seeding import seeded
from modelmark.testing import check_attack
from modelmark.training.task import Task

hf = pytest.importorskip("transformers", reason="needs the extra 'hf'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

VOCABULARY = len(language.CHARACTERS)
COMMON = {"num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
WITHOUT = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, "use_cache": False}


def gpt2():
    return hf.GPT2LMHeadModel(
        hf.GPT2Config(vocab_size=VOCABULARY, n_positions=64, n_embd=32, n_layer=3, n_head=4, **WITHOUT)
    )


def llama():
    return hf.LlamaForCausalLM(hf.LlamaConfig(vocab_size=VOCABULARY, num_key_value_heads=2, **COMMON, **WITHOUT))


def vit():
    return hf.ViTForImageClassification(
        hf.ViTConfig(image_size=8, patch_size=4, num_channels=1, num_labels=10, **COMMON)
    )


MODELS = {"gpt2": gpt2, "llama": llama, "vit": vit}
CHEAP = {"epochs": 1, "batch": 32}
ATTACKS = {
    "distil-text": {"rows": 20, "epochs": 1},
    "finetune": CHEAP,
    "instruct": CHEAP,
    "int8": {},
    "lora": CHEAP,
    "meraser": CHEAP | {"recovery": 1},
    "merge": CHEAP | {"how": "ties"},
    "prune": {},
    "prune-depth": CHEAP,
    "prune-heads": CHEAP,
    "qlora": CHEAP,
    "quantise": {},
    "retrain": {"epochs": 1},
    "system-prompt": {},
    "to-torchao": {},
    "vote": {"others": 1, "epochs": 1},
}
LANGUAGE = ("distil-text", "instruct", "system-prompt", "vote")


def built(name):
    with seeded(0):
        return MODELS[name]().eval()


def task_of(name):
    if name == "vit":
        return Task.from_dataset(data.load("digits")).subset(64, seed=0)
    task = language.task(64)
    return replace(task, test_inputs=task.test_inputs[:40], test_labels=task.test_labels[:40])


@pytest.mark.parametrize(
    ("model", "attack"), [(m, a) for m in MODELS for a in ATTACKS if m != "vit" or a not in LANGUAGE]
)
def test_promises(model, attack):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_attack(attack_class(attack)(**ATTACKS[attack]), built(model), task_of(model))
        except MissingPackageError as error:
            pytest.skip(f"{error}: {error.hint}")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("attack", ["int8", "to-torchao", "quantise", "lora", "prune"])
def test_every_block_is_reached(model, attack):
    """torchao knows torch's own linear layers alone: of GPT-2 the head was rounded, and nothing else."""
    own = built(model)
    try:
        attacked = attack_class(attack)(**ATTACKS[attack])(own, task_of(model), seed=3)
    except MissingPackageError as error:
        pytest.skip(f"{error}: {error.hint}")
    inside = [layer.path for layer in layers.markable(own) if any(part.isdigit() for part in layer.path.split("."))]
    assert len(inside) >= 12
    still = [path for path in inside if torch.equal(layers.weight(own, path), layers.weight(attacked, path))]
    assert not still


def test_a_tied_head_stays_tied_and_low_rank_tuning_leaves_it():
    own = built("gpt2")
    attacked = attack_class("lora")(**CHEAP)(own, task_of("gpt2"), seed=3)
    assert attacked.lm_head.weight is attacked.transformer.wte.weight
    assert torch.equal(attacked.lm_head.weight, own.lm_head.weight)


@pytest.mark.parametrize("model", MODELS)
def test_blocks_and_heads_are_found(model):
    own = built(model)
    assert len(blocks.stack(own)) == 3
    found = blocks.attentions(own)
    assert [attention.heads for attention in found] == [4, 4, 4]
    assert all(attention.columns(own).shape == (32, 4, 8) for attention in found)


@pytest.mark.parametrize("model", ["gpt2", "llama"])
def test_a_model_that_lost_a_block_is_saved_and_loaded(model, tmp_path):
    shallow = attack_class("prune-depth")(**CHEAP)(built(model), task_of(model), seed=3)
    shallow.save_pretrained(tmp_path)
    again = type(shallow).from_pretrained(tmp_path).eval()
    assert again.config.num_hidden_layers == 2
    tokens = task_of(model).test_inputs[:2].long()
    torch.testing.assert_close(again(tokens).logits, shallow(tokens).logits)
