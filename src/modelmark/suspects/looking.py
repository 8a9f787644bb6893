"""Whether a weight file can be read at all, seen before anything is opened for it.

Where a mark sits is not known then, only what kind of question it asks and how wide its layers are. A file that passes gives a
reading later, unless the mark sits where this one has nothing: that is an answer too.
"""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import nn

from modelmark import models
from modelmark.errors import MismatchError, SuspectError
from modelmark.feeds.base import Feed
from modelmark.networks import taps
from modelmark.suspects.base import Ask, Probe, Read, Sense, Weigh, access
from modelmark.suspects.feeding import fed
from modelmark.suspects.files import WeightFile
from modelmark.suspects.module import logits
from modelmark.suspects.places import Place
from modelmark.suspects.state import State

_INPUTS = 8
_NOWHERE = "\0"
"""A path that no layer has, so that all layers of a size are found."""


class Look:
    """A weight file that is looked through.

    Args:
        file: open.
        arch: how to build its network: a name in ``models``, or ``module:factory``; empty: the first known one that fits.
        trusted: whether a person typed ``arch`` just now.
    """

    def __init__(self, file: WeightFile, arch: str = "", *, trusted: bool = False) -> None:
        self._file = file
        self._state = State(file, arch, trusted=trusted, instead=() if arch else tuple(models.ARCHITECTURES))

    def places(self, probe: type[Probe], feed: Feed, widths: Sequence[int], *, aligning: bool) -> int:
        """Return in how many ways the file can be read as it is, at most.

        Args:
            probe: the kind of question.
            feed: how the network is fed.
            widths: M of each place, where the question has one.
            aligning: whether it is put into the order of a host as well, which needs its network and no width.

        Raises:
            MismatchError: no network that is known here has such weights, or no layer is so wide.
            SuspectError: what it answers is no number.
        """
        if not self._file.shapes:
            raise MismatchError(f"expected weights in {self._file.path.name}, found no tensor")
        if access(probe) == "black-box":
            shown = feed.example(_INPUTS)
            self._state.observe(Weigh(feed, shown, np.ones(_INPUTS, np.int64)) if probe is Weigh else Ask(feed, shown))
            return 1
        network = None
        with suppress(MismatchError):
            network = self._state.network(feed)
        count = 1
        for width in widths:
            try:
                count *= self._fitting(probe, feed, width, network)
            except (MismatchError, SuspectError):
                if not (aligning and network is not None and _works(network, feed)):
                    raise
        return count

    def _fitting(self, probe: type[Probe], feed: Feed, width: int, network: nn.Module | None) -> int:
        """Return how many places of a width there are; one where names lead to it."""
        inputs = Sense(Place(_NOWHERE, width), feed, feed.example(_INPUTS))
        if network is not None and probe is Sense and width in taps.widths(network, fed(inputs)):
            return 1
        found = len(self._state.observe(Read(inputs.place) if probe is Read else inputs))
        return found if network is None else 1


def _works(network: nn.Module, feed: Feed) -> bool:
    """Return whether a network gives numbers."""
    return bool(torch.isfinite(logits(network, fed(Ask(feed, feed.example(_INPUTS))))).any())
