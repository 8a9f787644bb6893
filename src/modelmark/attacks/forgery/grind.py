"""Grinding one trigger at a time against labels that are a function of the trigger alone."""

import hashlib
from typing import Annotated

import torch
from torch import Tensor, nn

from modelmark.attacks._tools.extent import Extent
from modelmark.attacks._tools.feeds import NUMBERS
from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.training.task import Task


class Grind(Forgery, feeds=NUMBERS):
    """Keep the pictures whose label, a hash of their pixels, is what the stolen model answers.

    Labels that nobody can choose stop nobody who can choose the pictures: of C candidates one fits. What stops it is a label
    that depends on the whole set, so that a change of one picture draws all labels again.

    Source: own construction; against labels of the form ``PRF(secret, trigger)``, see ``prf_labels``.
    """

    forges = ("adi",)

    start: Annotated[_claims.Start, "new for each candidate, or the thief's pictures with new lowest bits"] = "noise"
    triggers: _claims.Triggers = 100
    limit: Annotated[Count, "candidates at most"] = 100_000

    def check(self) -> None:
        """Raise ValueError if there are more triggers than candidates."""
        if self.limit < self.triggers:
            raise ValueError(f"expected limit from triggers, {self.triggers}, on, got {self.limit}")

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim; ``tries`` counts the candidates up to the last one that is kept.

        Raises:
            UsageError: too few pictures fit within the limit.
        """
        task, generator = forger.task, forger.generator()
        base, _ = _claims.started(self.start, self.triggers, task, generator)
        key = prf_key(forger.seed)
        kept: dict[int, tuple[Tensor, int]] = {}
        tried = 0
        while len(kept) < self.triggers and tried < self.limit:
            open_places = [place for place in range(self.triggers) if place not in kept]
            open_places = open_places[: self.limit - tried]
            candidates = self._candidates(base[open_places], task, generator)
            labels = prf_labels(key, candidates, task.feed.classes)
            fits = (labels == _claims.answers(claimed, candidates, task)).tolist()
            for place, picture, label, fit in zip(open_places, candidates, labels.tolist(), fits, strict=True):
                if fit:
                    kept[place] = picture, label
            tried += len(candidates)
        if len(kept) < self.triggers:
            raise UsageError(
                f"expected {self.triggers} fitting pictures in {self.limit} candidates, got {len(kept)}",
                hint="raise limit, or claim fewer",
            )
        pictures = torch.stack([kept[place][0] for place in range(self.triggers)])
        chosen = torch.tensor([kept[place][1] for place in range(self.triggers)])
        return _claims.pictures_claim(pictures, chosen, tries=tried)

    def _candidates(self, base: Tensor, task: Task, generator: torch.Generator) -> Tensor:
        if self.start == "noise":
            return Extent.of(task).drawn(len(base), generator)
        bits = base if base.dtype == torch.uint8 else base.view(torch.int32)
        low = torch.randint(0, 2, base.shape, dtype=torch.uint8, generator=generator).to(bits.dtype)
        return (bits - bits % 2 + low).view(base.dtype)


def prf_key(seed: int) -> bytes:
    """Return the forger's 32 bytes: any will do, since pictures are ground instead."""
    return hashlib.sha256(f"grind/{seed}".encode()).digest()


def prf_labels(prf: bytes, pictures: Tensor, classes: int) -> Tensor:
    """Return SHA-256 of ``prf`` and each picture's bytes, reduced to a class, int64 ``(N,)``."""
    found = [
        int.from_bytes(hashlib.sha256(prf + row.tobytes()).digest(), "big") % classes for row in pictures.cpu().numpy()
    ]
    return torch.tensor(found, dtype=torch.int64)
