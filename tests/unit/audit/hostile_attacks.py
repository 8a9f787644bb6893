"""Attacks, and a scheme, that die or break, for audits that must outlive them."""

import math
import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from modelmark.attacks.base import Finding, Kind, Strengths
from modelmark.audit.grid import Entry, Grid
from modelmark.schemes.uchida import Uchida


@dataclass(frozen=True)
class Dies:
    """Kills the process it runs in."""

    name: ClassVar[str] = "dies"
    summary: ClassVar[str] = "kills its process"
    source: ClassVar[str] = "this test"
    kind: ClassVar[Kind] = "modification"
    family: ClassVar[str] = "test"
    floor: ClassVar[float] = 0.0
    strengths: ClassVar[Strengths] = ({},)

    def __call__(self, model, task, *, seed, watch=None):
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Breaks(Dies):
    """Raises what no attack should."""

    def __call__(self, model, task, *, seed, watch=None):
        raise ZeroDivisionError("by mistake")


@dataclass(frozen=True)
class Mumbles(Dies):
    """Finds a score that is no number."""

    kind: ClassVar[Kind] = "detection"

    def __call__(self, model, task, *, seed, watch=None):
        return Finding(math.nan, False)


@dataclass(frozen=True)
class Fatal(Uchida):
    """A scheme whose embedding kills its process."""

    def hooks(self, *parts, **options):
        os.kill(os.getpid(), signal.SIGKILL)


GRID = Grid(
    arch="mlp",
    epochs=2,
    schemes=(Entry("uchida", ({"layer": "fc2", "bits": 160},)),),
    attacks=(
        Entry("prune"),
        Entry("hostile_attacks:Dies"),
        Entry("hostile_attacks:Breaks"),
        Entry("noise"),
        Entry("permute"),
    ),
)
