"""Attacks, and a scheme, that die or break, for audits that must outlive them."""

import math
import os
import signal
from dataclasses import dataclass

from torch import nn

from modelmark.attacks.base import Detection, Removal
from modelmark.attacks.results import Finding
from modelmark.audit.grid import Entry, Grid
from modelmark.models.mlp import Mlp
from modelmark.schemes.uchida import Uchida


class Dies(Removal, family="test"):
    """Kill the process it runs in.

    Source: this test.
    """

    def change(self, stolen, thief):
        os.kill(os.getpid(), signal.SIGKILL)


class Breaks(Removal, family="test"):
    """Raise what no attack should.

    Source: this test.
    """

    def change(self, stolen, thief):
        raise ZeroDivisionError("by mistake")


class Mumbles(Detection, family="test"):
    """Find a score that is no number.

    Source: this test.
    """

    def detect(self, suspect, thief):
        return Finding(math.nan, False)


@dataclass(frozen=True)
class Fatal(Uchida):
    """A scheme whose embedding kills its process."""

    def hooks(self, *parts, **options):
        os.kill(os.getpid(), signal.SIGKILL)


def narrow() -> nn.Module:
    """``mlp`` of digits with a quarter of the second layer, whose units are aligned in less time."""
    made = Mlp(64, 10)
    made.fc1, made.fc2, made.head = nn.Linear(64, 512), nn.Linear(512, 128), nn.Linear(128, 10)
    return made


GRID = Grid(
    arch="hostile_attacks:narrow",
    owner=300,
    epochs=6,
    schemes=(Entry("uchida", ({"layer": "fc2", "bits": 160, "strength": 0.3},)),),  # every bit with room to spare
    attacks=(
        Entry("prune"),
        Entry("hostile_attacks:Dies"),
        Entry("hostile_attacks:Breaks"),
        Entry("noise"),
        Entry("permute"),
    ),
)
