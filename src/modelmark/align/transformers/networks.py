"""A suspect at hand in the coordinates of a host at hand."""

import copy

import numpy as np
from torch import nn

from modelmark.align.transformers.whole import of_states
from modelmark.blocks import networks
from modelmark.blocks.description import Transformer
from modelmark.errors import SuspectError
from modelmark.networks.layers import unwrapped


def align(suspect: nn.Module, host: nn.Module, described: Transformer, *, restored: bool = True) -> nn.Module:
    """Return a copy of ``host``, on the CPU, with the suspect's weights in the host's coordinates.

    Args:
        suspect: of the host's architecture; units more or fewer.
        host: the committed one, unmarked: see ``align.alignment.align``.
        described: the host's parts.
        restored: see ``whole.Aligned``.

    Raises:
        MismatchError: the suspect has another architecture.
        SuspectError: the suspect's weights are not finite.
    """
    ours, theirs = (networks.arrays(unwrapped(model)) for model in (host, suspect))
    if not all(np.isfinite(array).all() for array in theirs.values()):
        raise SuspectError("expected finite weights from the suspect, got NaN or infinity")
    found = of_states(ours, theirs, described, restored=restored)
    one = described.tied  # what shares a tensor in the host does so again
    fitting = {name: array for name, array in found.items() if array.shape == ours[name].shape and name not in one}
    return networks.loaded(copy.deepcopy(unwrapped(host)).cpu().float(), fitting)
