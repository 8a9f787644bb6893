"""Small tokenizers trained on the topics of Python's own help: one as GPT-2 has it, one as Llama has it."""

import functools
import pydoc_data.topics

import pytest

from modelmark.feeds.tokenizer import Tokenizer

VOCABULARY = 512


def texts() -> list[str]:
    return [topic for _, topic in sorted(pydoc_data.topics.topics.items())]


@functools.cache
def byte_level() -> Tokenizer:
    """Byte-level BPE; a space belongs to the word behind it; nothing stands before a text."""
    tokenizers = pytest.importorskip("tokenizers", reason="asks for the library that runs tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<|endoftext|>"], initial_alphabet=sorted(alphabet), show_progress=False
    )
    made.train_from_iterator(texts(), trainer)
    return Tokenizer(made.to_str().encode())


@functools.cache
def llama_like() -> Tokenizer:
    """BPE over pieces that begin with a visible space, one put before every text and taken off again; <s> before all."""
    tokenizers = pytest.importorskip("tokenizers", reason="asks for the library that runs tokenizers")
    normalizers, decoders = tokenizers.normalizers, tokenizers.decoders
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    named = ["<unk>", "<s>", "</s>", *(f"<0x{number:02X}>" for number in range(256))]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=named[:3], show_progress=False)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
    made.train_from_iterator(texts(), trainer)
    made.pre_tokenizer = None
    made.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return Tokenizer(made.to_str().encode())


BOTH = pytest.mark.parametrize("made", [byte_level, llama_like], ids=["byte-level", "llama-like"])
