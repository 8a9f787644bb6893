"""Tiny networks of transformers from configuration, in folders as their users have them: weights, tokenizer, no download."""

import pydoc_data.topics
from pathlib import Path
from typing import Any

import language
from modelmark.seeding import seeded

_LLAMA = {
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}  # fmt: skip
_BERT = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
KINDS = {
    "gpt2": (
        "GPT2LMHeadModel",
        {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 32, "bos_token_id": 0, "eos_token_id": 0},
    ),
    "llama": ("LlamaForCausalLM", {"hidden_size": 48, **_LLAMA}),
    "mixtral": ("MixtralForCausalLM", {"hidden_size": 64, "num_local_experts": 4, **_LLAMA}),
    "bert": ("BertForSequenceClassification", {**_BERT, "max_position_embeddings": 32, "num_labels": 2}),
    "vit": (
        "ViTForImageClassification",
        {**_BERT, "image_size": 8, "patch_size": 2, "num_channels": 1, "num_labels": 10},
    ),
}
"""Class of the network and its configuration, beside the vocabulary."""
TEXT = "\n".join(topic for _, topic in sorted(pydoc_data.topics.topics.items()))


def made(kind: str, **instead: Any) -> Any:
    """Return a network with new weights, always the same."""
    import transformers

    name, sizes = KINDS[kind]
    cls = getattr(transformers, name)
    words = {} if kind == "vit" else {"vocab_size": len(language.CHARACTERS)}
    with seeded(0):
        return cls(cls.config_class(**{**words, **sizes, **instead}))


def folder(kind: str, path: Path, **instead: Any) -> Path:
    """Write a network, with a tokenizer of one token a character where it reads tokens, and return where."""
    made(kind, **instead).save_pretrained(path)
    if kind != "vit":
        tokenizer().save(str(path / "tokenizer.json"))
        (path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return path


def tokenizer() -> Any:
    """Return a tokenizer of characters; those that are not known become the first."""
    import tokenizers

    known = {character: number for number, character in enumerate(language.CHARACTERS)}
    found = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, unk_token="\n"))
    found.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("[\\s\\S]"), "isolated")
    found.decoder = tokenizers.decoders.Fuse()
    return found
