"""Grinding one trigger at a time against labels that are a function of the trigger alone."""

import hashlib
from typing import ClassVar

import torch
from torch import Tensor, nn

from modelmark.attacks.base import Attack, Kind
from modelmark.attacks.fields import Strengths
from modelmark.attacks.forgery import _claims
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.task import Task
from modelmark.training import Watch


class Grind(Attack):
    """Keep the pictures whose own label, a pseudo-random function of their pixels, is what the stolen model answers.

    Labels that nobody can choose stop nobody who can choose the pictures: of C candidates one fits. What stops it is a label
    that depends on the whole set, so that a change of one picture draws all labels again.

    Source: own construction, against labels of the form ``PRF(secret, trigger)`` that are proposed for Adi et al. 2018
    (protocol.md, section 0, item 2); see ``prf_labels``.

    Args:
        start: ``noise``, a new picture for each candidate, or the thief's ``pictures`` with their lowest bits drawn anew.
        triggers: how many are claimed.
        limit: most candidates.
    """

    name: ClassVar[str] = "grind"
    summary: ClassVar[str] = "try pictures until each one's hashed label is what the model answers"
    source: ClassVar[str] = "own construction"
    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]] = ("adi",)
    transfers: ClassVar[bool] = False
    family: ClassVar[str] = "forgery"
    strengths: ClassVar[Strengths] = ({},)

    start: _claims.Start = "noise"
    triggers: int = 100
    limit: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.triggers <= 16384 or self.limit < self.triggers:
            raise ValueError(
                f"expected 1 to 16384 triggers and a limit of at least as many, got {self.triggers} and {self.limit}"
            )

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return the claim; ``tries`` counts the candidates up to the last one that is kept.

        Raises:
            UsageError: too few pictures fit within the limit.
        """
        generator = torch.Generator().manual_seed(seed)
        base, _ = _claims.started(self.start, self.triggers, task, generator)
        kept: dict[int, tuple[Tensor, int]] = {}
        tried = 0
        while len(kept) < self.triggers and tried < self.limit:
            open_places = [place for place in range(self.triggers) if place not in kept]
            open_places = open_places[: self.limit - tried]
            candidates = self._candidates(base[open_places], task, generator)
            labels = prf_labels(prf_key(seed), candidates, task.interface.classes)
            fits = (labels == _claims.answers(model, candidates, task)).tolist()
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
            return _claims.noise(len(base), task, generator)
        low = torch.randint(0, 2, base.shape, dtype=torch.uint8, generator=generator)
        return (base & 254) | low


def prf_key(seed: int) -> bytes:
    """Return the forger's 32 bytes: any will do, since pictures are ground instead."""
    return hashlib.sha256(f"grind/{seed}".encode()).digest()


def prf_labels(prf: bytes, pictures: Tensor, classes: int) -> Tensor:
    """Return SHA-256 of ``prf`` and each picture's bytes, reduced to a class, int64 ``(N,)``."""
    found = [
        int.from_bytes(hashlib.sha256(prf + row.tobytes()).digest(), "big") % classes for row in pictures.cpu().numpy()
    ]
    return torch.tensor(found, dtype=torch.int64)
