"""A second claim, made up after the fact: key after key for a model that is there already, of which the luckiest is claimed.

A file among the attacks that makes keys: the forger's own. No parameter lets the owner's in.
"""

import hashlib
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, cast

from torch import nn

from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count
from modelmark.attacks.results import Forged
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key, keygen
from modelmark.schemes import scheme_class
from modelmark.suspects.module import WhiteBox

_SIZE = {"adi": "triggers", "uchida": "bits"}


class Counterfeit(Forgery, family="forgery"):
    """Make many honest keys for the model, each committed and drawn by the rules, and claim the one that reads best.

    It is what a defendant can do who is accused over a model and files a claim of his own on it, and all that the rules leave
    him: to choose the message he would have to find a digest. Of ``tries`` keys the best has about as many bits as the logarithm
    of their number; a draw without a date is charged 80.

    Source: Adi et al. 2018, arXiv 1802.04633, "non-trivial ownership"; ambiguity attacks of Fan et al. 2019, arXiv 1909.07830.
    Departs: keys are drawn by our rules, where those papers let the forger choose what is read.
    """

    forges = ("adi", "uchida")
    schemes = ("adi", "uchida")
    strengths = ({"tries": 16}, {}, {"tries": 256})

    scheme: Annotated[Literal["adi", "uchida"], "whose mark is claimed"] = "adi"
    tries: Annotated[Count, "keys made"] = 64
    sizes: Annotated[bool, "every second key with a quarter fewer symbols: settings are tried too"] = True

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim of the key with most gross bits; nothing is trained.

        Raises:
            UsageError: the model has no place for such a mark.
        """
        resolved = keygen(scheme_class(self.scheme)(), claimed, forger.task.feed, secret=self._secret(forger, 0)).scheme
        suspect = WhiteBox(claimed)
        sizes = (resolved, _smaller(resolved) if self.sizes else resolved)
        keys = [Key(sizes[number % 2], self._secret(forger, number), forger.task.feed) for number in range(self.tries)]
        read = [float(made.mark().evidence(suspect).to_json().get("gross_bits", 0.0)) for made in keys]
        best = keys[read.index(max(read))]
        settings = asdict(cast(Any, best.scheme))
        return Forged(self.scheme, best.mark().message, settings, tries=self.tries, secret=best.secret.value)

    def _secret(self, forger: Thief, number: int) -> Secret:
        return Secret(hashlib.sha256(f"counterfeit/{self.scheme}/{forger.seed}/{number}".encode()).digest())


def _smaller(scheme: Any) -> Any:
    """Return the same settings for a quarter fewer symbols."""
    name = _SIZE[scheme.name]
    return replace(scheme, **{name: getattr(scheme, name) * 3 // 4})
