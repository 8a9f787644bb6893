"""A small causal language model and its text: the topics of Python's own help, a token a character."""

import functools
import pydoc_data.topics

import numpy as np
import torch
from torch import Tensor, nn

import locks
from modelmark.training.loop import fit
from modelmark.training.recipe import annealed
from modelmark.training.task import Task

LENGTH = 32
"""Tokens of a row, less the last, which is only told."""
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
_KNOWN = {character: number for number, character in enumerate(CHARACTERS)}


def encode(text: str) -> list[int]:
    """Return the numbers of the characters that are known."""
    return [_KNOWN[character] for character in text if character in _KNOWN]


def decode(tokens: "list[int] | np.ndarray") -> str:
    """Return the text of some tokens."""
    return "".join(CHARACTERS[number] for number in tokens)


@functools.cache
def rows() -> Tensor:
    """Return pieces of the text, int32 ``(N, LENGTH + 1)``; no two overlap."""
    tokens = encode("\n".join(topic for _, topic in sorted(pydoc_data.topics.topics.items())))
    whole = len(tokens) // (LENGTH + 1)
    return torch.tensor(tokens[: whole * (LENGTH + 1)], dtype=torch.int32).reshape(whole, LENGTH + 1)


def task(count: int = 4000) -> Task:
    """Return a task of ``count`` pieces to learn from and 200 to be tested with, always the same."""
    order = torch.randperm(len(rows()), generator=torch.Generator().manual_seed(0))
    picked = rows()[order[: count + 200]]
    return Task.from_tokens(picked[200:], picked[:200], len(CHARACTERS))


class Tiny(nn.Module):
    """A transformer that tells the next token; returns scores in an object's place, ``{"logits": (N, L, vocabulary)}``."""

    def __init__(self, width: int = 48, depth: int = 2, heads: int = 4, vocabulary: int = len(CHARACTERS)) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(LENGTH, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        length = tokens.shape[1]
        x = self.tokens(tokens) + self.places.weight[:length]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=tokens.device)
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return {"logits": self.head(self.norm(x))}


def fresh(seed: int = 0, **sizes: int) -> Tiny:
    """Return an untrained one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tiny(**sizes)


@functools.cache
def trained(seed: int = 0, epochs: int = 2) -> nn.Module:
    """Return one that has read the text; not to be changed."""
    recipe = annealed(epochs, 0.1, batch=32, weight_decay=0.0, clip=1.0)
    model = fresh(seed)
    return locks.made_once(f"language-{seed}-{epochs}", model, lambda: fit(model, task(), recipe, seed=seed))
