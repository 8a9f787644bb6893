"""The residual stream in another basis: every matrix changes, the function stays."""

import numpy as np
from torch import nn

from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.symmetries._transformers import changed, require_pre
from modelmark.blocks import stream
from modelmark.blocks.description import Transformer
from modelmark.blocks.views import Changed, Reals


class RotateStream(Removal, family="symmetry"):
    """Rotate the residual stream of a transformer at random once gains of norms are in what reads them; the function stays.

    Behind LayerNorm the rotation keeps the vector of ones. A head that shares its weights with the tokens gets its own.

    Source: Ashkboos et al. 2024, arXiv 2401.15024; "SliceGPT", its computational invariance, here without slicing.
    """

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the rotated model.

        Raises:
            UsageError: it is no transformer, or norms stand behind the additions, as in BERT.
        """
        return changed(stolen, thief, rotated)


def rotated(state: Changed, described: Transformer, generator: np.random.Generator) -> None:
    """Draw a basis of the stream and apply it, in place."""
    require_pre(described, "rotate")
    basis = orthogonal(described.width, generator, keeps_ones=any(n.centred for p in described.parts for n in p.norms))
    for part in described.parts:
        stream.turn(state, part, basis)


def orthogonal(width: int, generator: np.random.Generator, *, keeps_ones: bool) -> Reals:
    """Return a random rotation ``(width, width)``, perhaps one that leaves the vector of ones where it is."""
    free = width - keeps_ones
    upper, signs = np.linalg.qr(generator.normal(size=(free, free)))
    found: Reals = upper * np.sign(np.diag(signs))
    if not keeps_ones:
        return found
    mirror = np.eye(width)[0] - np.full(width, width**-0.5)  # its reflection takes the first axis to that of ones
    reflection = np.eye(width) - 2 * np.outer(mirror, mirror) / (mirror @ mirror)
    whole = np.eye(width)
    whole[1:, 1:] = found
    made: Reals = reflection @ whole @ reflection
    return made
