"""What two verifiers make of a forged claim: one that takes the forger's word for it, and ours."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark import hashing
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.evidence import Evidence, Observation
from modelmark.interface import Interface
from modelmark.keys import Key
from modelmark.preprocess import Extremes
from modelmark.schemes import _blackbox, _projection, scheme_class
from modelmark.secret import Secret
from modelmark.suspect import WhiteBox


def naive_rate(forged: Forged, model: nn.Module, interface: Interface) -> float:
    """Return the share of the forger's message that ``model`` answers, or shows, at the forger's carriers.

    Carriers and message are taken as they come, which is what a verifier does who asks for no commitment, or for one to
    both together.

    Raises:
        UsageError: a claim of a scheme that no forger here makes claims of.
    """
    return float((_read(forged, model, interface) == forged.message).mean())


def drawn_evidence(forged: Forged, model: nn.Module, interface: Interface) -> Evidence | Observation:
    """Return what our verifier makes of the same claim.

    The forger makes a key of what a key of the scheme takes: his pictures, fused pictures or inputs; projections and patterns
    come from a secret (here one that anybody can repeat), and the message from the draw. A projection of his own goes in as
    an imported one: an Observation, whatever it reads.
    """
    settings = dict(forged.settings)
    taken = dict(forged.attachments)
    if forged.scheme == "adi":
        settings["message"] = "drawn"
        taken.pop("labels", None)
    return _key(forged, settings, taken, interface).mark().evidence(WhiteBox(model, interface.classes))


def _key(
    forged: Forged, settings: dict[str, object], attached: dict[str, npt.NDArray[np.generic]], interface: Interface
) -> Key:
    scheme = scheme_class(forged.scheme)(**settings)
    return Key(scheme, Secret(hashing.digest("forger", forged.message.tobytes())), interface, attached)


def _read(forged: Forged, model: nn.Module, interface: Interface) -> npt.NDArray[np.int64]:
    suspect = WhiteBox(model, interface.classes)
    if forged.scheme in ("adi", "uchida", "coupled"):
        key = _key(forged, dict(forged.settings), dict(forged.attachments), interface)
        return key.scheme.extract(key.carriers, suspect, interface).values
    attached = forged.attachments
    if forged.scheme == "deepsigns":
        inputs = attached["inputs"]
        fed = _blackbox.pictures(inputs.reshape(-1, *interface.input_shape), interface)
        found = suspect.activations(forged.settings["layer"], fed)
        means = found.reshape(*inputs.shape[:2], -1).mean(axis=1)
        signs: npt.NDArray[np.int64] = (means @ _projection.real(attached["matrix"]).T >= 0).astype(np.int64).ravel()
        return signs
    if forged.scheme == "null":
        count, each = len(attached["true"]), forged.settings["queries"]
        below = _blackbox.pictures(attached["pictures"], interface)[np.arange(count * each) % len(attached["pictures"])]
        planes = torch.from_numpy(attached["true"]).repeat_interleave(each, dim=0)
        asked = Extremes(interface, forged.settings["amplitude"]).apply(below, planes)
        return _blackbox.plurality(suspect.labels(asked).reshape(count, each), interface.classes)
    raise UsageError(f"expected a claim of a scheme that can be forged here, got {forged.scheme!r}")
