"""``field`` against a thief who knows the scheme and not the secret: what is left in what he gets, on CIFAR-10 (JPEG).

Run: ``python benchmarks/field_enemies.py images:cifar10-jpeg.tar.xz [--size 16] [--seeds 0] [--nets FOLDER] [--only heads]``; a
network takes a CPU minute at 16 x 16, all that is made is kept in the folder, and a row that is there is not measured again.

Each line of ``_field_enemies.py`` is a chain of attacks of the table, on the network with the field that ``field.py`` reads. The
thief has as many pictures of his own as the owner had, true labels too, and trains as the owner did: crops and mirrors, 12
passes. Bits are gross, by each of the three rules, of 5,000 labels and fewer. ``asked`` counts the answers that an attack took
of the stolen network; who has its weights asks himself.
"""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from _field_enemies import ENEMIES, HEADS, OWN_START, STUDENTS, TUNED
from _field_nets import Nets, asked_of
from _study import Rows
from field import keyed, marked, opened, parser, told
from modelmark import hashing
from modelmark.attacks.base import Removal, Thief
from modelmark.attacks.piracy.chain import parsed
from modelmark.marks.marks import Mark
from modelmark.models import build
from modelmark.training.loop import fit
from modelmark.training.recipe import Recipe
from modelmark.training.task import Task

SEED = 5000


@dataclass(frozen=True)
class Cropping(Thief):
    """A thief who crops and mirrors small pictures too, as their owner did."""

    def fit(self, model: nn.Module, recipe: Recipe, *, task: Task | None = None, **options: Any) -> nn.Module:
        """Return a copy trained so."""
        recipe = dataclasses.replace(recipe, augment="crop-flip", pad=2, channels_last=True)
        return super().fit(model, recipe, task=task, **options)


def attacked(attack: Removal, stolen: nn.Module, task: Task, seed: int) -> tuple[nn.Module, int]:
    """Return what an attack leaves, and how many answers of the stolen network itself it took."""
    model, count = copy.deepcopy(stolen).eval(), [0]
    handle = model.register_forward_pre_hook(lambda module, given: _count(count, module is model, given[0]))
    left = attack.change(model, Cropping(task, seed))
    handle.remove()
    for module in left.modules():
        module._forward_pre_hooks.clear()  # those of copies
    return left.eval(), count[0] if attack.kind == "extraction" else 0


def _count(count: list[int], own: bool, asked: Tensor) -> None:
    count[0] += len(asked) if own else 0


def left_by(steps: str, nets: Nets, mark: Mark) -> tuple[nn.Module, int]:
    """Return what a chain of attacks leaves, each prefix of it kept, and the answers taken of the marked network."""
    stolen = marked(nets, mark)
    if steps == "none":
        return stolen, 0
    thief = nets.parts["thief"]
    if steps == OWN_START:
        return from_first_weights(stolen, nets)
    asked, done = 0, ""
    for index, (attack, text) in enumerate(zip(parsed(steps), steps.split("+"), strict=True)):
        done = f"{done}+{text}" if done else text
        path = nets.folders[-1] / f"enemy-{nets.seed}-{drawn(mark)}-{done.replace(' ', '')}.pt"
        if path.exists():
            kept = torch.load(path)
            stolen, more = copy.deepcopy(stolen), int(kept.pop("asked"))
            stolen.load_state_dict(kept)
        else:
            stolen, more = attacked(attack, stolen, thief, SEED + nets.seed + index)
            torch.save({**stolen.state_dict(), "asked": torch.tensor(more)}, path)
        asked += more if index == 0 else 0
    return stolen.eval(), asked


def drawn(mark: Mark) -> str:
    """Return a name of a draw: what is trained on one is of no use to another."""
    return hashing.digest("benchmark", mark.message.tobytes()).hex()[:8]


def from_first_weights(stolen: nn.Module, nets: Nets) -> tuple[nn.Module, int]:
    """Return a student that begins where the host began: of a thief to whom its first weights are known."""
    thief, feed = nets.parts["thief"], nets.whole.feed
    first = build("resnet8", feed.input_shape, feed.classes, seed=nets.seed)
    labels = asked_of(stolen, thief.train_inputs, thief).argmax(dim=1)
    task = dataclasses.replace(thief, train_targets=labels)
    recipe = nets.recipe("resnet8", len(labels))
    return fit(first, task, recipe, seed=SEED + nets.seed), len(labels)


def main() -> None:
    made = parser(__doc__, "field-enemies")
    made.add_argument("--only", nargs="+", choices=["heads", "students", "tuned"], help="some of the enemies, in turn")
    options = made.parse_args()
    rows = Rows(options.output)
    groups = {"heads": ("none", *HEADS), "students": STUDENTS, "tuned": TUNED}
    chosen = [steps for name in options.only for steps in groups[name]] if options.only else ENEMIES
    for nets in opened(options):
        mark = keyed(nets)
        for steps in chosen:

            def measure(steps: str = steps, nets: Nets = nets, mark: Mark = mark) -> dict[str, Any]:
                left, asked = left_by(steps, nets, mark)
                return {"asked": asked, **told(mark, left, nets)}

            cell = {"part": "enemies", "size": nets.size, "seed": nets.seed, "draw": drawn(mark), "steps": steps}
            rows.measure(cell, measure)


if __name__ == "__main__":
    main()
