"""Transformers of Hugging Face with about a million weights, drawn from their configuration, and how they are trained."""

from collections.abc import Callable

import torch
from torch import nn

import texts
from modelmark import data
from modelmark.seeding import seeded
from modelmark.training.recipe import Recipe, annealed
from modelmark.training.task import Task

WIDTH, DEPTH, HEADS = 128, 4, 4
CONTEXT = 2 * texts.LENGTH
"""Of the networks; tasks have rows of ``texts.LENGTH``."""


def gpt2() -> nn.Module:
    import transformers as hf

    return hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=texts.VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, use_cache=False,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    ))  # fmt: skip


def llama() -> nn.Module:
    import transformers as hf

    return hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=texts.VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=WIDTH, intermediate_size=320,
        num_hidden_layers=DEPTH, num_attention_heads=HEADS, num_key_value_heads=2, use_cache=False,
        bos_token_id=0, eos_token_id=0, pad_token_id=None,
    ))  # fmt: skip


def bert() -> nn.Module:
    import transformers as hf

    return hf.BertForSequenceClassification(hf.BertConfig(
        vocab_size=texts.VOCABULARY, max_position_embeddings=CONTEXT, hidden_size=WIDTH, intermediate_size=4 * WIDTH,
        num_hidden_layers=DEPTH, num_attention_heads=HEADS, num_labels=len(texts.SOURCES),
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0, pad_token_id=None,
    ))  # fmt: skip


def vit() -> nn.Module:
    import transformers as hf

    return hf.ViTForImageClassification(hf.ViTConfig(
        image_size=8, patch_size=2, num_channels=1, hidden_size=WIDTH, intermediate_size=4 * WIDTH,
        num_hidden_layers=DEPTH, num_attention_heads=HEADS, num_labels=10,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    ))  # fmt: skip


def _digits() -> tuple[Task, Task]:
    parts = Task.from_dataset(data.load("digits")).split({"owner": 0.7, "thief": 0.3}, seed=0)
    return parts["owner"], parts["thief"]


NETS: dict[str, tuple[Callable[[], nn.Module], Callable[..., tuple[Task, Task]], int]] = {
    "gpt2": (gpt2, texts.language, 5),
    "llama": (llama, texts.language, 5),
    "bert": (bert, texts.sources, 5),
    "vit": (vit, _digits, 20),
}
"""How one is made, the tasks of its owner and of a thief, and epochs from scratch."""


def drawn(net: str, *, seed: int) -> nn.Module:
    """Return one with random weights."""
    with seeded(seed):
        return NETS[net][0]().eval()


def trained_by(net: str, *, epochs: int = 0, peak: float = 2e-3) -> Recipe:
    """Return how one is trained from scratch, or from a trained one at a smaller ``peak``."""
    return annealed(epochs or NETS[net][2], peak, batch=16, weight_decay=0.01, clip=1.0, optimizer="adamw")


def weights(model: nn.Module) -> int:
    """Return how many weights it has; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    torch.set_num_threads(1)
    print({net: weights(drawn(net, seed=0)) for net in NETS})
