"""Several attacks in turn, said as one text."""

import re
from typing import Annotated

from torch import nn

from modelmark import options
from modelmark.attacks import attack_class
from modelmark.attacks.base import Removal, Thief
from modelmark.errors import UsageError

PRESETS = {
    "piracy-ftal": "overwrite(scheme=adi, epochs=20)+finetune(form=ftal, rate=0.01)",
    "piracy-rtal": "overwrite(scheme=adi, epochs=20)+finetune(form=rtal, rate=0.01)",
    "prune-tune": "prune(amount=0.8)+finetune(rate=0.01)",
    "shift-fine-prune": "shift(strength=1.5)+fine-prune(amount=0.7)",
    "adversarial-rtal": "adversarial+finetune(form=rtal, rate=0.01)",
}
"""Combinations by name: whose mark survives fine-tuning (Adi et al. 2018, ownership piracy), pruning before tuning, and those
of Lukas et al. 2022 that give a model, without the filters that they put before it (attacks of kind evasion)."""

_STEP = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(?:\(([^()]*)\))?\s*")
_SETTING = re.compile(r"\s*([a-z_][a-z0-9_]*)\s*=\s*([^=]*?)\s*")


class Chain(Removal, family="combination"):
    """Several attacks in turn: prune(amount=0.5)+finetune(rate=0.01).

    Each is run on what the one before left; step i, counted from 0, gets ``seed + i``.

    Source: Lukas et al. 2022, arXiv 2108.04974; the combined attacks of "SoK: how robust is image classification deep neural
    network watermarking?", which remove every mark there.
    """

    strengths = (
        {"steps": "prune(amount=0.5)+finetune(rate=0.01)"},
        {"steps": "prune-tune"},
        {"steps": "prune(amount=0.9)+finetune(rate=0.05, epochs=10)"},
        {"steps": "piracy-ftal"},
        {"steps": "piracy-rtal"},
        {"steps": "prune(amount=0.95)+finetune(rate=0.05, epochs=30)"},
        {"steps": "prune(amount=0.97)+finetune(rate=0.05, epochs=60)"},
        {"steps": "prune(amount=0.8)+noise(share=0.02)"},
        {"steps": "quantise(bits=2)+refit(peak=0.1, epochs=30)"},
        {"steps": "permute+rescale+refit(peak=0.1, epochs=30)"},
        {"steps": "prune(amount=0.9)+permute+rescale+refit(epochs=30)"},
    )

    steps: Annotated[
        str, "names of attacks with settings in parentheses, joined by plus signs; or the name of a combination"
    ] = "prune(amount=0.5)+finetune(rate=0.01)"

    def check(self) -> None:
        """Raise ValueError unless the steps can be read."""
        try:
            parsed(self.steps)
        except UsageError as error:
            raise ValueError(f"{error} ({error.hint})" if error.hint else str(error)) from None

    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return what the last step gives."""
        for index, attack in enumerate(parsed(self.steps)):
            stolen = attack(stolen, thief.task, seed=thief.seed + index, watch=thief.watch)
        return stolen


def parsed(steps: str) -> list[Removal]:
    """Return the attacks that a text says, in turn.

    Raises:
        UsageError: not of the form ``name(setting=value, ...)+...``, an unknown name or setting, a value of the wrong kind, or
            an attack that gives no model.
    """
    text = PRESETS.get(steps.strip(), steps)
    attacks: list[Removal] = []
    place = 0
    while True:
        found = _STEP.match(text, place)
        if not found:
            raise _malformed(text, place)
        attacks.append(_attack(found[1], found[2]))
        place = found.end()
        if place == len(text):
            return attacks
        if text[place] != "+":
            raise _malformed(text, place)
        place += 1


def _attack(name: str, inside: str | None) -> Removal:
    cls = attack_class(name)
    if cls is Chain or not issubclass(cls, Removal):
        raise UsageError(
            f"expected steps that give a model each, got {name}, which is {'one' if name == 'chain' else cls.kind}"
        )
    settings: dict[str, object] = {}
    for part in (inside or "").split(",") if (inside or "").strip() else []:
        pair = _SETTING.fullmatch(part)
        if not pair or not pair[2]:
            raise UsageError(f"expected setting=value in {name}(...), got {part.strip()!r}")
        if pair[1] in settings:
            raise UsageError(f"expected each setting of {name} once, got {pair[1]} twice")
        settings[pair[1]] = pair[2]
    return options.make(cls, settings)


def _malformed(text: str, place: int) -> UsageError:
    rest = text[place : place + 20]
    return UsageError(
        f"expected steps such as prune(amount=0.5)+finetune, got {rest!r} at character {place + 1}"
        if rest
        else f"expected another step at the end, got {text[-20:]!r}"
    )
