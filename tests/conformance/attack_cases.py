"""What we ship, one line a case: an attack, the settings it is tried with, and what must be left of the network."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from modelmark.attacks import attack_class


class Case(NamedTuple):
    """One attack on the digits network.

    Args:
        name: of the attack.
        settings: beside the defaults.
        floor: share of right answers that the attacked network, or the filtered API, keeps.
        net: architecture of the stolen network; ``resnet8`` has batch norm, which takes signs back.
        slow: tried only where slow tests are.
    """

    name: str
    settings: Mapping[str, Any] = MappingProxyType({})
    floor: float = 0.0
    net: str = "cnn"
    slow: bool = False

    def attack(self):
        return attack_class(self.name)(**self.settings)

    def __str__(self):
        return "-".join([self.name, *(f"{name}={value}" for name, value in self.settings.items())])


CASES = [
    Case("activation-statistics"),
    Case("adversarial", floor=0.85),
    Case("adversarial-extraction", floor=0.9, slow=True),
    Case("adversarial-triggers"),
    Case("agree", floor=0.9),
    Case("anp", floor=0.85),
    Case("average", floor=0.9),
    Case("blockdoor-adversarial", floor=0.9, slow=True),
    Case("blockdoor-labels", floor=0.9),
    Case("blockdoor-ood", floor=0.9),
    Case("chain", floor=0.9),
    Case("cleanse-prune", floor=0.9),
    Case("cleanse-unlearn", floor=0.9),
    Case("clp", floor=0.8),
    Case("collude", floor=0.9),
    Case("cross-architecture", floor=0.9),
    Case("distil", floor=0.9),
    Case("dummy", floor=0.9),
    Case("ensemble", floor=0.9, slow=True),
    Case("false-claim"),
    Case("fine-prune", floor=0.9),
    Case("finetune", floor=0.9),
    Case("fit-key", {"queries": 1}),
    Case("fit-key", {"scheme": "null"}),
    Case("fit-projection", {"bits": 16}),
    Case("fit-projection", {"scheme": "deepsigns", "how": "least-squares", "bits": 20}),
    Case("flip", floor=0.9, net="resnet8"),
    Case("ft-sam", floor=0.9),
    Case("gaussian-filter", floor=0.9),
    Case("grind"),
    Case("ibau", floor=0.9, slow=True),
    Case("input-noise", floor=0.9),
    Case("int8", floor=0.9),
    Case("jacobian", floor=0.85, slow=True),
    Case("jpeg", floor=0.9),
    Case("knockoff", floor=0.6, slow=True),
    Case("label-noise", floor=0.85),
    Case("label-smoothing", floor=0.9),
    Case("launder", floor=0.85),
    Case("lora", floor=0.9),
    Case("low-rank", floor=0.9),
    Case("mean-filter", floor=0.6),
    Case("median-filter", floor=0.6),
    Case("mirror", floor=0.2),
    Case("nad", floor=0.9),
    Case("noise", floor=0.9),
    Case("occlude", floor=0.9),
    Case("overwrite", floor=0.9),
    Case("permute", floor=0.9),
    Case("prune", floor=0.9),
    Case("prune-channels", floor=0.85),
    Case("quantise", floor=0.9),
    Case("quantise-input", floor=0.9),
    Case("query-statistics"),
    Case("query-statistics", {"inputs": "extreme", "queries": 40}),
    Case("randomise", floor=0.9),
    Case("reconstruct", floor=0.9, slow=True),
    Case("refit", floor=0.9),
    Case("refuse", floor=0.9),
    Case("regularise", floor=0.9),
    Case("rescale", floor=0.9),
    Case("retrain", floor=0.9),
    Case("retrain-noisy", floor=0.9),
    Case("retrain-soft", floor=0.9),
    Case("rnp", floor=0.8),
    Case("rotate", floor=0.8),
    Case("shift", floor=0.9),
    Case("shrink", floor=0.8),
    Case("squeeze", floor=0.9),
    Case("subset"),
    Case("transfer", floor=0.9),
    Case("weight-statistics"),
]
