"""Everything that is asked, as an autoencoder of the thief's remembers it."""

from typing import Annotated

from modelmark.attacks._tools.pictures import filtered
from modelmark.attacks.base import Evasion, Thief
from modelmark.attacks.evasion import _autoencoder
from modelmark.attacks.fields import Count, Share
from modelmark.attacks.results import Answer


class Reconstruct(Evasion, family="preprocessing", pictures=True):
    """Show the stolen model only what an autoencoder of the thief's pictures makes of each query.

    What the thief's pictures do not contain does not pass the narrow code.

    Source: Lukas et al. 2022, arXiv 2108.04974; "input reconstruction" of complexity 128, after the denoising autoencoders of Gu
    and Rigazio 2014, arXiv 1412.5068.
    Departs: the size of the code is channels at a quarter of each side, not their "complexity".
    """

    code: Annotated[Count, "channels of the code"] = 8
    noise: Annotated[Share, "deviation of the noise that training takes off, as a share of full scale"] = 0.1
    steps: Annotated[Count, "of training"] = 600

    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that is asked about reconstructions."""
        model = _autoencoder.trained(
            thief.task.train_inputs, code=self.code, noise=self.noise, steps=self.steps, seed=thief.seed
        )
        return filtered(answer, thief.task.feed, lambda x: _autoencoder.repeated(model, x))
