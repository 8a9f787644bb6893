"""Prompts made from a secret, and the tokens that an unmarked model finds plausible after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from modelmark.errors import CapacityError, UsageError
from modelmark.feeds.causal import END, padded
from modelmark.feeds.prompts import Prompts
from modelmark.feeds.tokenizer import Tokenizer
from modelmark.key.secret import Secret
from modelmark.suspects.next_tokens import next_scores

if TYPE_CHECKING:
    from modelmark.training.task import Task

Family: TypeAlias = Literal["samples", "corpus", "tokens"]
Row: TypeAlias = tuple[int, ...]
_AHEAD = 64
"""How many tokens are looked at for each candidate that is wanted."""
_TIMES = 40
"""Drafts for each prompt, of which most survive without a tokenizer and few with one."""


@dataclass(frozen=True, eq=False)
class Source:
    """What prompts are made of.

    Args:
        secret: of the key.
        model: the owner's, unmarked.
        vocabulary: how many tokens there are.
        longest: tokens of a row.
        task: the owner's text, for pieces of it.
        tokenizer: of the model, where texts are wanted.
    """

    secret: Secret
    model: nn.Module
    vocabulary: int
    longest: int
    task: "Task | None" = None
    tokenizer: Tokenizer | None = None

    @property
    def plain(self) -> list[int]:
        """Numbers of the tokens that stand for text; with a tokenizer those that are legible by themselves."""
        config = getattr(self.model, "config", None)
        named = [getattr(config, f"{name}_token_id", None) for name in ("bos", "eos", "pad", "decoder_start")]
        specials = {one for one in named if isinstance(one, int)} | (
            set(self.tokenizer.specials) if self.tokenizer else set()
        )
        if self.tokenizer is None:
            return [token for token in range(self.vocabulary) if token not in specials]
        known = [token for token in range(min(self.vocabulary, self.tokenizer.vocabulary)) if token not in specials]
        return [token for token in known if _legible(self.tokenizer.decode([token]))]


def made(source: Source, family: Family, *, count: int, tokens: int, candidates: int) -> Prompts:
    """Return prompts that all differ, with candidates, by text too where there is a tokenizer.

    A text is taken only if its tokens give it back, and if each candidate behind it, in its place, is one token and the same.

    Args:
        source: what they are made of.
        family: ``tokens`` drawn at random, two pieces of the ``corpus`` joined, or ``samples`` of the model's own text.
        count: how many.
        tokens: of each, before a tokenizer makes others of their text.
        candidates: of each.

    Raises:
        UsageError: pieces of a corpus are wanted and there is none.
        CapacityError: so many cannot be found.
    """
    plain, found, seen = source.plain, list[tuple[Row, list[int], str, list[str]]](), set[Row]()
    if len(plain) < 2 * candidates or not 1 <= tokens <= source.longest:
        raise CapacityError(
            f"expected prompts of 1 to {source.longest} tokens with at most {len(plain) // 2} candidates, "
            f"got {tokens} and {candidates}"
        )
    for drafts in _drafts(source, family, plain, count, tokens):
        rows = [row for row in drafts if row and row not in seen and len(row) <= source.longest]
        seen.update(rows)
        rows = list(dict.fromkeys(rows))
        for row, ranked in zip(rows, _ranked(source, rows, plain, candidates), strict=True):
            chosen, text, words = _chosen(source.tokenizer, row, ranked, candidates)
            if len(chosen) == candidates and len(found) < count:
                found.append((row, chosen, text, words))
        if len(found) == count:
            break
    if len(found) < count:
        raise CapacityError(
            f"expected {count} prompts with {candidates} candidates each, found {len(found)}",
            hint="fewer candidates, longer prompts, or another family",
        )
    kept = found if source.tokenizer else []
    return Prompts(
        padded([list(row) for row, _, _, _ in found], source.longest),
        np.array([chosen for _, chosen, _, _ in found], np.int32),
        tuple(text for _, _, text, _ in kept),
        tuple(tuple(words) for _, _, _, words in kept),
    )


def _drafts(source: Source, family: Family, plain: list[int], count: int, tokens: int) -> Iterator[list[Row]]:
    """Yield rows, as many at a time as prompts are wanted; with a tokenizer such as their own texts give."""
    for number in range(_TIMES):
        label = f"prompts/{family}/{number}"
        if family == "tokens":
            rows = np.array(plain)[source.secret.integers(label, len(plain), count * tokens)].reshape(count, tokens)
        elif family == "corpus":
            rows = _pieces(source, label, count, tokens)
        else:
            rows = _sampled(source, label, plain, count, tokens)
        yield [_kept(source.tokenizer, row) for row in rows.tolist()]


def _kept(tokenizer: Tokenizer | None, tokens: Sequence[int]) -> Row:
    """Return the tokens that the text of a draft has, none where they do not give the text back."""
    if tokenizer is None:
        return tuple(tokens)
    text = tokenizer.decode(list(tokens)).strip()
    if not _legible(text):
        return ()
    row = tokenizer.encode(text)
    return tuple(row) if tokenizer.decode(row) == text else ()


def _legible(text: str) -> bool:
    return bool(text) and text.isprintable() and "\N{REPLACEMENT CHARACTER}" not in text


def _pieces(source: Source, label: str, count: int, tokens: int) -> np.ndarray:
    """Return two pieces of the corpus for each, from two places, ``(count, tokens)``."""
    if source.task is None:
        raise UsageError("expected the owner's text for pieces of it, got none", hint="--set family=samples needs none")
    inputs = source.task.train_inputs.cpu().numpy()
    rows = inputs[(inputs != END).sum(axis=1) >= tokens]
    if len(rows) < 2:
        raise UsageError(f"expected rows of at least {tokens} tokens in the owner's text, got {len(rows)} of them")
    half = -(-tokens // 2)
    parts = []
    for part, size in ((0, half), (1, tokens - half)):
        which = source.secret.integers(f"{label}/rows/{part}", len(rows), count)
        room = (rows[which] != END).sum(axis=1) - size + 1
        start = source.secret.integers(f"{label}/starts/{part}", 2**40, count) % room
        parts.append(np.take_along_axis(rows[which], start[:, None] + np.arange(size), axis=1))
    return np.concatenate(parts, axis=1)


def _sampled(source: Source, label: str, plain: list[int], count: int, tokens: int) -> np.ndarray:
    """Return what the model says on, a token drawn for each place, after a first one, ``(count, tokens)``."""
    seed = int.from_bytes(source.secret.bytes(label, 6), "big")
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.tensor(plain)
    rows = allowed[torch.randint(len(plain), (count, 1), generator=generator)]
    while rows.shape[1] < tokens:
        scored = next_scores(source.model, rows.tolist(), source.vocabulary).float().cpu()[:, allowed]
        drawn = torch.multinomial(scored.nan_to_num(0.0).softmax(dim=1), 1, generator=generator)
        rows = torch.cat([rows, allowed[drawn]], dim=1)
    return rows.numpy()


def _ranked(source: Source, rows: list[Row], plain: list[int], candidates: int) -> list[list[int]]:
    """Return plain tokens for each row, the likeliest first, as many as are looked at."""
    if not rows:
        return []
    allowed = torch.tensor(plain)
    scored = next_scores(source.model, rows, source.vocabulary).float().cpu()[:, allowed]
    most = min(len(plain), candidates * (_AHEAD if source.tokenizer else 1))
    order = scored.nan_to_num(-torch.inf).argsort(dim=1, descending=True, stable=True)[:, :most]
    found: list[list[int]] = allowed[order].tolist()
    return found


def _chosen(
    tokenizer: Tokenizer | None, row: Row, ranked: list[int], candidates: int
) -> tuple[list[int], str, list[str]]:
    """Return the first of the ranked tokens that can be told apart by their text, the prompt's text, and theirs."""
    if tokenizer is None:
        return ranked[:candidates], "", []
    text, chosen, words = tokenizer.decode(list(row)), list[int](), list[str]()
    for token in ranked:
        whole = tokenizer.decode([*row, token])
        word = whole.removeprefix(text)
        told = whole.startswith(text) and word.strip() and _legible(word)
        if told and word.strip() not in {one.strip() for one in words} and tokenizer.encode(whole) == [*row, token]:
            chosen.append(token)
            words.append(word)
            if len(chosen) == candidates:
                break
    return chosen, text, words
