"""The default trio in one network: ``adi``, then ``field``, then ``spread``, against attacks; what all three say together.

Run: ``python benchmarks/field_trio.py images:cifar10-jpeg.tar.xz [--size 16] [--seeds 0] [--nets FOLDER]``, after ``field.py``.

``adi`` is trained into the host, four epochs; the ``field`` key is made with that network, and with the rehearsals of the host
before it; ``spread``'s host is the network with both. The thief has pictures of his own: 5,250 where he changes the network,
17,500 where he trains one on its answers. Rows hold gross bits and the charge for readings of each mark; with timestamped draws
48 more are charged each, and the three are combined by Fisher's method, as ``modelmark.combine`` does.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from _field_nets import Nets
from _study import Rows, secret
from field import LOSE, REHEARSALS, opened, parser
from modelmark.attacks import attack_class
from modelmark.errors import ModelmarkError
from modelmark.marks.embedding import embed
from modelmark.marks.imprinting import imprint
from modelmark.marks.keys import Provenance, keygen
from modelmark.marks.marks import Mark
from modelmark.schemes.adi import Adi
from modelmark.schemes.field import Field
from modelmark.schemes.spread import Spread
from modelmark.suspects import weights
from modelmark.suspects.module import WhiteBox
from modelmark.training.recipe import annealed
from modelmark.training.task import accuracy

ATTACKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("prune", {"amount": 0.5}),
    ("prune", {"amount": 0.7}),
    ("prune", {"amount": 0.9}),
    ("quantise", {"bits": 4}),
    ("permute", {}),
    ("rescale", {}),
    ("noise", {"share": 0.4}),
    ("retrain", {"epochs": 12}),
    ("finetune", {"form": "rtll", "rate": 0.01}),
    ("finetune", {"form": "ftal", "rate": 0.01}),
    ("prune-channels", {"amount": 0.3}),
    ("distil", {"epochs": 12}),
    ("overwrite", {"scheme": "field"}),
    ("overwrite", {"scheme": "spread"}),
    ("finetune", {"form": "rtal", "rate": 0.05, "epochs": 10}),
    ("average", {}),
    ("overwrite", {"scheme": "adi"}),
    ("retrain-soft", {"epochs": 12}),
    ("cross-architecture", {"arch": "cnn", "epochs": 12}),
)
"""The cheap ones first."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trio:
    """A network with three marks, and what its reading is compared with."""

    marks: dict[str, Mark]
    before: nn.Module
    marked: nn.Module

    def told(self, model: nn.Module, nets: Nets) -> dict[str, Any]:
        """Return accuracy, and gross bits and other charges of each mark."""
        found: dict[str, Any] = {}
        for name, mark in self.marks.items():
            try:
                seen = mark.evidence(WhiteBox(model), align_to=self.before if name == "spread" else None)
            except ModelmarkError as error:
                found[name] = {"unreadable": str(error)}
                continue
            others = sum(charge.bits for charge in seen.charges if charge.reason != "offline draw")
            found[name] = {"bits": round(seen.gross_bits, 1), "charged": round(others, 2), "matches": seen.matches}
        return {"accuracy": round(accuracy(model, nets.owner), 4), "marks": found}


def trio(nets: Nets) -> Trio:
    """Return the network with three marks; training for the first is kept."""
    feed, names = (
        nets.whole.feed,
        {each: secret("trio", each, nets.size, nets.seed) for each in ("adi", "field", "spread")},
    )
    adi = keygen(Adi(), nets.host, feed, task=nets.owner, secret=names["adi"]).mark()
    recipe = annealed(4, 0.02, batch=128, augment="crop-flip", pad=2, channels_last=True)

    def learned(_: nn.Module) -> nn.Module:
        return embed(nets.host, [adi], nets.owner, recipe, seed=nets.seed).model

    first = nets.kept("adi", "resnet8", learned, nets.seed)
    students = nets.rehearsals(REHEARSALS[nets.size])
    pool = nets.parts["pool"].train_inputs
    scheme = Field(lose=LOSE)
    attachments = scheme.prepared(first, nets.owner, students=students, pool=pool)
    field = keygen(scheme, first, feed, attachments=attachments, secret=names["field"]).mark()
    second = imprint(first, field)
    owner = Provenance(host=weights.digest(second.state_dict()))
    spread = keygen(Spread(), second, feed, secret=names["spread"], owner=owner).mark()
    return Trio({"spread": spread, "field": field, "adi": adi}, second, imprint(second, spread))


def study(rows: Rows, nets: Nets) -> None:
    cell, made = {"part": "trio", "size": nets.size, "seed": nets.seed}, None

    def three() -> Trio:
        nonlocal made
        made = made or trio(nets)
        return made

    def after(model: Callable[[], nn.Module]) -> Callable[[], dict[str, Any]]:
        return lambda: three().told(model(), nets)

    rows.measure({**cell, "attack": "unmarked", "settings": {}}, after(lambda: nets.host))
    rows.measure(
        {**cell, "attack": "with adi alone", "settings": {}}, after(lambda: nets.kept("adi", "resnet8", _none, 0))
    )
    rows.measure({**cell, "attack": "none", "settings": {}}, after(lambda: three().marked))
    thief = nets.parts["thief"]
    few = thief.split({"few": 0.3}, seed=0)["few"]
    for name, settings in ATTACKS:
        attack = attack_class(name)(**settings)
        has = thief if attack.kind == "extraction" else few

        def measure(attack: Any = attack, has: Any = has) -> dict[str, Any]:
            try:
                return three().told(attack(three().marked, has, seed=1), nets)
            except ModelmarkError as error:
                return {"refused": f"{type(error).__name__}: {error}"}

        rows.measure({**cell, "attack": name, "settings": settings}, measure)


def _none(_: nn.Module) -> nn.Module:
    raise LookupError("expected a network that is kept")


def main() -> None:
    made = parser(__doc__, "field-trio")
    made.set_defaults(seeds=[0])
    options = made.parse_args()
    rows = Rows(options.output)
    for nets in opened(options):
        study(rows, nets)


if __name__ == "__main__":
    main()
