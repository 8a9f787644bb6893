"""What two verifiers make of a forged claim: one that takes the forger's word for it, and ours."""

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark import hashing
from modelmark.attacks.results import Forged
from modelmark.carriers.base import Carriers
from modelmark.carriers.filtered import Filtered, Filters
from modelmark.carriers.means import Means
from modelmark.errors import UsageError
from modelmark.evidence.evidence import Evidence, Observation
from modelmark.feeds.base import Feed
from modelmark.key.secret import Secret
from modelmark.marks.keys import Key
from modelmark.marks.reading import read
from modelmark.schemes import scheme_class
from modelmark.suspects.module import WhiteBox


def naive_rate(forged: Forged, model: nn.Module, feed: Feed) -> float:
    """Return the share of the forger's message that ``model`` answers, or shows, at the forger's carriers.

    Carriers and message are taken as they come, which is what a verifier does who asks for no commitment, or for one to
    both together.

    Raises:
        UsageError: a claim of a scheme that no forger here makes claims of.
    """
    scores = read(_carriers(forged, feed), WhiteBox(model)).scores[0]
    return scores.total(forged.message) / len(forged.message)


def drawn_evidence(forged: Forged, model: nn.Module, feed: Feed) -> Evidence | Observation:
    """Return what our verifier makes of the same claim.

    The forger makes a key of what a key of the scheme takes: his pictures, fused pictures or inputs; projections and patterns
    come from a secret (that of the key he made, or one that anybody can repeat), and the message from the draw. A projection of
    his own goes in as an imported one: an Observation, whatever it reads.
    """
    settings = dict(forged.settings)
    taken = dict(forged.attachments)
    if forged.scheme == "adi":
        settings["message"] = "drawn"
        taken.pop("labels", None)
    return _key(forged, settings, taken, feed).mark().evidence(WhiteBox(model))


def _key(forged: Forged, settings: dict[str, object], attached: dict[str, npt.NDArray[np.generic]], feed: Feed) -> Key:
    scheme = scheme_class(forged.scheme)(**settings)
    secret = forged.secret or hashing.digest("forger", forged.message.tobytes())
    return Key(scheme, Secret(secret), feed, attached)


def _carriers(forged: Forged, feed: Feed) -> Carriers:
    """Return the forger's carriers as those of a key, made by nobody's secret."""
    attached, settings = forged.attachments, forged.settings
    if forged.scheme == "deepsigns":
        inputs = attached["inputs"]
        return Means(feed, np.arange(len(inputs)), inputs, (attached["matrix"],), (settings["layer"],))
    if forged.scheme == "null":
        true = Filters.of(attached["true"])
        none = Filters(true.bits[:1], true.places[:1])  # not looked at
        return Filtered(
            feed, none, true, attached["pictures"], attached["labels"], settings["amplitude"], settings["queries"]
        )
    if forged.scheme in ("adi", "uchida", "coupled"):
        return _key(forged, dict(settings), dict(attached), feed).carriers
    raise UsageError(f"expected a claim of a scheme that can be forged here, got {forged.scheme!r}")
