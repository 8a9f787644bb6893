"""Everything that is asked, said in other tokens."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from modelmark.attacks._tools.tokens import kept, lengths
from modelmark.attacks.base import Thief, TokenFilter
from modelmark.attacks.evasion import _content
from modelmark.attacks.fields import Share
from modelmark.feeds.causal import END

_KNOWN = 4096
"""Tokens, the most frequent, among which others of like context are looked for."""


class Paraphrase(TokenFilter):
    """Ask with some tokens replaced by others that stand in like contexts, some dropped, and some exchanged with the next.

    Contexts are counted in the thief's own rows. The change follows from the seed and the row: asking twice gives one answer. The
    last token stays, since the answer follows it.

    Source: Krishna et al. 2023, arXiv 2303.13408; a paraphrase before a detector.
    Departs: no language model writes the paraphrase; tokens are replaced one by one.
    """

    strengths = (
        {"replace": 0.05, "drop": 0.0, "swap": 0.0},
        {"replace": 0.1, "drop": 0.05, "swap": 0.0},
        {"replace": 0.2, "drop": 0.1, "swap": 0.05},
        {"replace": 0.3, "drop": 0.2, "swap": 0.1},
        {"replace": 0.5, "drop": 0.3, "swap": 0.1},
    )

    replace: Annotated[Share, "of the tokens that are replaced"] = 0.2
    drop: Annotated[Share, "of the tokens that are left out"] = 0.1
    swap: Annotated[Share, "of the tokens that change places with the next"] = 0.05

    def change(self, thief: Thief) -> Callable[[Tensor], Tensor]:
        """Return what says rows otherwise."""
        feed = thief.task.feed
        others, context = alike(thief.task.train_inputs, feed.vocabulary), feed.input_shape[0]  # type: ignore[attr-defined]

        def said(rows: Tensor) -> Tensor:
            wide = torch.cat([rows, rows.new_full((len(rows), max(context - rows.shape[1], 0)), END)], dim=1)
            prints = _content.fingerprints(wide.double(), thief.seed)
            chances = _content.uniform(prints, 3 * wide.shape[1]).view(len(rows), 3, -1)
            left = lengths(rows)[:, None] - 1 - torch.arange(wide.shape[1], device=rows.device)  # 0 at the last token
            inner = left > 0
            swapped = _exchanged(wide, (chances[:, 2] < self.swap) & (left > 1))
            known = others.to(rows.device)[swapped.clamp(min=0).long()].to(rows.dtype)
            made = torch.where((chances[:, 0] < self.replace) & inner, known, swapped)
            made = kept(made, (chances[:, 1] >= self.drop) | ~inner)[:, : rows.shape[1]]
            return made if feed.kind == "causal" else made.clamp(min=0)

        return said


def alike(rows: Tensor, vocabulary: int) -> Tensor:
    """Return for each token the one that stands most often between the same neighbours, int64 ``(vocabulary,)``.

    Contexts are compared by the cosine of positive pointwise mutual information with the token before and the one after; a token
    that the rows do not have, or that is not among the most frequent, has itself.
    """
    before, after = rows[:, :-1].long(), rows[:, 1:].long()
    pairs = (before >= 0) & (after >= 0)
    before, after = before[pairs], after[pairs]
    counts = torch.bincount(torch.cat([before, after]), minlength=vocabulary)
    known = counts.argsort(descending=True, stable=True)[:_KNOWN]
    known = known[counts[known] > 0]
    place = torch.full((vocabulary,), -1, device=rows.device)
    place[known] = torch.arange(len(known), device=rows.device)
    a, b = place[before], place[after]
    both = (a >= 0) & (b >= 0)
    table = torch.bincount(a[both] * len(known) + b[both], minlength=len(known) ** 2).view(len(known), -1).double()
    contexts = torch.cat([_informed(table), _informed(table.t())], dim=1)
    likeness = contexts @ contexts.t()
    likeness.fill_diagonal_(-1)
    found = torch.arange(vocabulary, device=rows.device)
    found[known] = known[likeness.argmax(dim=1)] if len(known) > 1 else known
    return found


def _informed(table: Tensor) -> Tensor:
    """Return positive pointwise mutual information of a table of pairs, each row of length 1."""
    total = table.sum().clamp(min=1)
    expected = table.sum(dim=1, keepdim=True) * table.sum(dim=0, keepdim=True) / total
    found = (table / expected.clamp(min=1e-12)).clamp(min=1).log()
    return torch.nn.functional.normalize(found, dim=1)


def _exchanged(rows: Tensor, chosen: Tensor) -> Tensor:
    """Return rows with each ``chosen`` token and the next one in each other's place; of two neighbours chosen, the first."""
    first = chosen & ~torch.nn.functional.pad(chosen[:, :-1], (1, 0))
    second = torch.nn.functional.pad(first[:, :-1], (1, 0))
    return torch.where(first, rows.roll(-1, 1), torch.where(second, rows.roll(1, 1), rows))
