"""Every attack, in one literal table."""

import importlib
from typing import TYPE_CHECKING

from modelmark.errors import UsageError
from modelmark.naming import suggest

if TYPE_CHECKING:
    from modelmark.attacks.base import Attack

ATTACKS = {
    "dummy": "modelmark.attacks.symmetries.dummy:Dummy",
    "finetune": "modelmark.attacks.tuning.finetune:FineTune",
    "flip": "modelmark.attacks.symmetries.flip:Flip",
    "permute": "modelmark.attacks.symmetries.permute:Permute",
    "prune": "modelmark.attacks.pruning.prune:Prune",
    "rescale": "modelmark.attacks.symmetries.rescale:Rescale",
}


def attack_class(name: str) -> "type[Attack]":
    """Return the class of the attack called ``name``.

    Raises:
        UsageError: an unknown name; near ones are suggested.
    """
    if name not in ATTACKS:
        raise UsageError(f"expected an attack, got {name!r}", hint=suggest(name, ATTACKS))
    module, _, attribute = ATTACKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
