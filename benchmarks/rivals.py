"""What is left of other marks in a copy trained on answers, on the pictures, splits and thieves of the study of ``field``.

Run: ``python benchmarks/rivals.py images:cifar10-jpeg.tar.xz [--rivals NAME...] [--size 16] [--seeds 0 1 2] [--nets FOLDER]``;
rows that are there already are not measured again, networks are kept in the last folder. Of each rival and seed: the marked
network (or served answers) with the points of accuracy that it loses against the unmarked host, and two students trained from
scratch by a thief with as many pictures as the owner, of the labels it answers and of its probabilities. Bits are gross.

Schemes of the product are trained into a fresh network in as many passes as the host (``fit`` with the mark's hooks, once);
``frontier`` and ``blackmarks`` move pictures by the host. ``dawn`` trains nothing: the host errs on a few of the thief's queries.
Three rivals are none of ours and are made here alone: ``cosine``, waves on served answers; ``radioactive``, training pictures
moved along a drawn direction for each class; ``class-feature``, endless variants of each trigger. ``errors`` has no mark at all:
the suspect is asked where the owner's network errs, and what is counted is agreement.
"""

import argparse
import functools
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from _field_nets import Nets, asked_of, folders, loaded
from _study import Rows, secret
from modelmark.carriers.field import CLIP, UNIT
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.records import Records
from modelmark.feeds.tensors import Normalise
from modelmark.marks.erring import RATE
from modelmark.marks.keys import keygen
from modelmark.marks.marks import Mark
from modelmark.marks.ondata import keygen_of_records
from modelmark.models import build
from modelmark.networks import layers, taps
from modelmark.schemes._fielding import observed, principal, shares
from modelmark.schemes.adi import Adi
from modelmark.schemes.blackbox import Mixing
from modelmark.schemes.blackmarks import BlackMarks
from modelmark.schemes.certified import Certified
from modelmark.schemes.classes import Classes
from modelmark.schemes.composite import Composite
from modelmark.schemes.coupled import Coupled
from modelmark.schemes.dawn import Dawn, is_chosen
from modelmark.schemes.entangled import Entangled
from modelmark.schemes.field import Field
from modelmark.schemes.frontier import Frontier
from modelmark.schemes.margin import Margin
from modelmark.schemes.zhang import Zhang
from modelmark.suspects.module import WhiteBox
from modelmark.training.hooks import Hooks, Samples
from modelmark.training.loop import fit
from modelmark.training.task import Task, accuracy

SCHEMES: dict[str, Any] = {
    "margin": Margin(),
    "entangled": Entangled(),
    "composite": Composite(),
    "adi": Adi(),
    "coupled": Coupled(),
    "zhang": Zhang(),
    "certified": Certified(),
    "classes": Classes(),
    "frontier": Frontier(),
    "blackmarks": BlackMarks(),
}
LOSE = 0.9
"""Points of accuracy that waves on served answers may cost, as the study has it for ``field``."""
WAVES, PACE = 64, 6.0
"""Waves on served answers, and radians for each deviation of a projection: thirty over the range of all inputs."""
REHEARSALS = 4
MOVES, MOVE = 2, 2.0
"""Gradient steps by which training pictures are moved along their direction, and grey levels of each."""
ASKED = 5000
"""Ordinary pictures that are asked for a wave, a direction or an error."""


class Rival(NamedTuple):
    """A marked network and how a suspect is read.

    Args:
        marked: answers as the owner's API does.
        read: from a suspect to what a row says.
    """

    marked: nn.Module
    read: Callable[[nn.Module], dict[str, Any]]


def study(rows: Rows, nets: Nets, names: list[str]) -> None:
    """Measure rivals on the networks of one seed; students of probabilities, of all of them, last."""
    rival = functools.cache(lambda name: MAKERS[name](name, nets))

    def kept(name: str) -> str:
        return "student-unmarked" if name == "errors" else f"rival-{name}"  # that one the study has too

    suspects: dict[str, Callable[[str], nn.Module]] = {
        "marked": lambda name: rival(name).marked,
        "unmarked host": lambda name: nets.host,
        "student of labels": lambda name: nets.student(kept(name), rival(name).marked),
        "student of probabilities": lambda name: nets.student(kept(name), rival(name).marked, soft=True),
    }
    *first, last = suspects
    for name, suspect in [*itertools.product(names, first), *itertools.product(names, [last])]:

        def measured(name: str = name, suspect: str = suspect) -> dict[str, Any]:
            model = suspects[suspect](name)
            return {"accuracy": accuracy(model, nets.owner), **rival(name).read(model)}

        rows.measure({"rival": name, "size": nets.size, "seed": nets.seed, "suspect": suspect}, measured)


def counted(mark: Mark) -> Callable[[nn.Module], dict[str, Any]]:
    """Return how evidence of a mark is told: of several rules the better."""

    def read(model: nn.Module) -> dict[str, Any]:
        found = mark.evidence(WhiteBox(model))
        return {"gross_bits": round(found.gross_bits, 1), "matches": found.matches, "trials": found.trials}

    return read


def trained(name: str, nets: Nets, task: Task, hooks: Callable[[nn.Module], Hooks]) -> nn.Module:
    """Return a fresh network trained with hooks as the host was trained without."""
    recipe = nets.recipe("resnet8", len(task.train_inputs))
    return nets.kept(
        f"rival-{name}", "resnet8", lambda made: fit(made, task, recipe, seed=nets.seed, hooks=hooks), nets.seed
    )


def _fresh(nets: Nets) -> nn.Module:
    return build("resnet8", nets.owner.feed.input_shape, nets.owner.feed.classes, seed=nets.seed)


def of_scheme(name: str, nets: Nets) -> Rival:
    """Return the network that a scheme of the product marks; pictures that triggers are made of are held out for ``margin``."""
    source = nets.parts["pool"] if name == "margin" else nets.owner
    model = nets.host if name in ("blackmarks", "frontier") else _fresh(nets)
    key = keygen(SCHEMES[name], model, nets.owner.feed, task=source, secret=secret("rivals", name, nets.seed))
    mark = key.mark()
    return Rival(trained(name, nets, nets.owner, lambda made: mark.hooks(made, seed=nets.seed)), counted(mark))


class Varying(Mixing):
    """Triggers appended as a variant each time: shifted by up to a quarter, mirrored, channels exchanged."""

    def extra(self, x: Tensor, y: Tensor) -> Samples:
        """Return variants of the next triggers."""
        inputs, labels = super().extra(x, y)
        made = torch.Generator().manual_seed(
            int(self._order.state["generator"].sum()) + len(self._order.state["queue"])
        )
        most = inputs.shape[-1] // 4
        found = []
        for one in inputs:
            row, column, turned = torch.randint(2 * most + 1, (3,), generator=made).tolist()
            one = (
                one.roll((row - most, column - most), (1, 2)).flip(2) if turned % 2 else one.roll((row, column), (1, 2))
            )
            found.append(one[torch.randperm(len(one), generator=made)])
        return torch.stack(found), labels


def of_features(name: str, nets: Nets) -> Rival:
    """Return a network that learned classes of its own for the triggers: one for each, of endless variants."""
    mark = keygen(Adi(), _fresh(nets), nets.owner.feed, secret=secret("rivals", name, nets.seed)).mark()
    inputs = Normalise(nets.owner.feed)(torch.from_numpy(mark.key.carriers.pictures))
    labels = torch.from_numpy(mark.message)
    return Rival(trained(name, nets, nets.owner, lambda made: Varying(inputs, labels, 16, nets.seed)), counted(mark))


class Served(nn.Module):
    """A network whose answers lean by waves of its inputs.

    Args:
        host: the network.
        projections: of the inputs as ``forward`` takes them, ``(K, M)``, in radians.
        phases: ``(K,)``.
        signs: ``(K, C)``.
        strength: in scores.
    """

    def __init__(self, host: nn.Module, projections: Tensor, phases: Tensor, signs: Tensor, strength: float) -> None:
        super().__init__()
        self.host, self.signs, self.strength = host, signs, strength
        self.projections, self.phases = projections, phases

    def waves(self, x: Tensor) -> Tensor:
        """Return the waves, of mean square 1, ``(N, K)``."""
        return 2**0.5 * (x.flatten(1) @ self.projections.t() + self.phases).cos()

    def forward(self, x: Tensor) -> Tensor:
        """Return scores that lean."""
        lean = self.waves(x) @ self.signs / len(self.signs) ** 0.5
        found: Tensor = self.host(x) + self.strength * lean
        return found


def field_key(name: str, nets: Nets, chosen: Tensor, coordinates: Tensor) -> Mark:
    """Return a mark read by the rules of ``field`` on pictures of the pool, with coordinates of our own, ``(N, K)``.

    The references are what the host answers and what rehearsals do, half as probabilities and half as labels, as in a key.
    """
    owner = nets.owner

    def answered(model: nn.Module) -> tuple[Tensor, Tensor]:
        scores = asked_of(model, chosen, owner).double()
        return scores.softmax(1), one_hot(scores.argmax(1), owner.feed.classes).double()

    known = answered(nets.host)[0].numpy()
    like = torch.stack([sum(answered(each)) / 2 for each in nets.rehearsals(REHEARSALS)]).mean(0).numpy()
    attached = {
        "queries": chosen.numpy(),
        "coordinates": np.rint(coordinates.double().numpy() * UNIT).clip(-CLIP, CLIP).astype(np.int16),
        "references": np.stack([shares(like), shares(known)], axis=1),
        "edit": np.zeros((coordinates.shape[1], 2), np.float32),
    }
    scheme = Field(reference="attached")
    drawn = secret("rivals", name, nets.seed)
    return keygen(scheme, nets.host, owner.feed, attachments=attached, secret=drawn).mark()


def of_waves(name: str, nets: Nets) -> Rival:
    """Return the host behind an API that puts drawn waves on what it serves."""
    owner, chosen = nets.owner, nets.parts["pool"].train_inputs[:ASKED]
    made = torch.Generator().manual_seed(nets.seed)
    x = Normalise(owner.feed)(chosen)
    projections = torch.randn(WAVES, x[0].numel(), generator=made)
    projections *= PACE / (x.flatten(1) @ projections.t()).std(dim=0)[:, None]
    phases = 2 * torch.pi * torch.rand(WAVES, generator=made)
    signs = torch.randint(2, (WAVES, owner.feed.classes), generator=made).float() * 2 - 1

    def served(signs: Tensor, strength: float) -> Served:
        return Served(nets.host, projections, phases, signs, strength)

    strength, before = 0.05, accuracy(nets.host, owner)
    while strength < 8 and 100 * (before - accuracy(served(signs, 1.1 * strength), owner)) <= LOSE:
        strength *= 1.1  # by what another draw costs
    mark = field_key(name, nets, chosen, served(signs, strength).waves(x))
    drawn = torch.from_numpy(2 * mark.message - 1).float().reshape(WAVES, -1)
    return Rival(served(drawn, strength).eval(), counted(mark))


def of_directions(name: str, nets: Nets) -> Rival:
    """Return a network whose training pictures were moved, those of each class along a drawn direction of the host's features."""
    owner, chosen = nets.owner, nets.parts["pool"].train_inputs[:ASKED]
    directions, centre = principal(observed(nets.host, owner.train_inputs, owner)[0], None)
    along = (observed(nets.host, chosen, owner)[0] - centre) @ directions.T
    mark = field_key(name, nets, chosen, torch.from_numpy(along))
    signs = (2 * mark.message - 1).reshape(len(directions), -1)
    wanted = torch.from_numpy(directions.T @ signs / len(directions) ** 0.5).float()  # of each class, in features
    task = replace(owner, train_inputs=_moved(nets.host, owner, wanted))
    return Rival(trained(name, nets, task, lambda made: Hooks()), counted(mark))


def _moved(host: nn.Module, task: Task, wanted: Tensor) -> Tensor:
    """Return the training inputs, each moved by a few grey levels so that its features go along ``wanted[:, label]``."""
    normalise, tap, found = Normalise(task.feed), taps.Tap(host, layers.head(host)), []
    for part, labels in zip(task.train_inputs.split(500), task.train_targets.split(500), strict=True):
        moved = part.float()
        for _ in range(MOVES):
            moved.requires_grad_(True)
            host(normalise(moved))
            gain = (tap.take() * wanted[:, labels].t()).sum()
            (slope,) = torch.autograd.grad(gain, moved)
            moved = (moved.detach() + MOVE * slope.sign()).clamp(0, FULL_SCALE)
        found.append(moved.round().to(torch.uint8))
    return torch.cat(found)


class Erring(nn.Module):
    """A network whose API answers a few queries as was drawn for them.

    Args:
        host: the network.
        drawn: labels of these queries, by the bytes of what ``forward`` takes.
    """

    def __init__(self, host: nn.Module, drawn: dict[bytes, int]) -> None:
        super().__init__()
        self.host, self.drawn = host, drawn

    def forward(self, x: Tensor) -> Tensor:
        """Return scores; of those queries the highest changes places with that of the drawn label."""
        found: Tensor = self.host(x).clone()
        for scores, one in zip(found, x, strict=True):
            if (label := self.drawn.get(one.numpy().tobytes())) is not None:
                pair = [int(scores.argmax()), label]
                scores[pair] = scores[pair[::-1]]
        return found


def of_mistakes(name: str, nets: Nets) -> Rival:
    """Return the host behind an API that errs: the thief's queries were asked before, in a period whose log was committed."""
    asked, feed = nets.parts["thief"].train_inputs, nets.owner.feed
    chosen = secret("rivals", f"{name}/api", nets.seed)
    queries = asked[[is_chosen(chosen, leaf, RATE) for leaf in feed.leaves(asked.numpy())]]
    given = asked_of(nets.host, queries, nets.owner).argmax(1).numpy()
    made = keygen_of_records(Dawn(), Records(feed, queries.numpy(), given), secret=secret("rivals", name, nets.seed))
    mark = made.mark()
    served = mark.records()
    inputs = Normalise(feed)(torch.from_numpy(served.inputs)).numpy()
    drawn = {one.tobytes(): int(label) for one, label in zip(inputs, served.given, strict=True)}
    return Rival(Erring(nets.host, drawn).eval(), counted(mark))


def of_errors(name: str, nets: Nets) -> Rival:
    """Return the unmarked host, read by how often a suspect errs as it does: no draw, and so no bits."""
    pool = nets.parts["pool"]
    asked, labels = pool.train_inputs[:ASKED], pool.train_targets[:ASKED]
    answers = asked_of(nets.host, asked, pool).argmax(1)
    wrong = answers != labels

    def read(model: nn.Module) -> dict[str, Any]:
        same = int((asked_of(model, asked[wrong], pool).argmax(1) == answers[wrong]).sum())
        others = {}
        if (
            model is nets.host
        ):  # one that the owner trained on its answers to his own pictures, and some that never met it
            strangers = {f"host of seed {seed}": replace(nets, seed=seed) for seed in range(3) if seed != nets.seed}
            made = {"rehearsal": nets.rehearsal(0), **{name: other.host for name, other in strangers.items()}}
            for name, other in made.items():
                answer = asked_of(other, asked[wrong], pool).argmax(1)
                others[name] = int((answer == answers[wrong]).sum())
        return {"agreed": same, "errors": int(wrong.sum()), **({"others": others} if others else {})}

    return Rival(nets.host, read)


MAKERS: dict[str, Callable[[str, Nets], Rival]] = {
    **dict.fromkeys(SCHEMES, of_scheme),
    "dawn": of_mistakes,
    "class-feature": of_features,
    "cosine": of_waves,
    "radioactive": of_directions,
    "errors": of_errors,
}


def main() -> None:
    made = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    made.add_argument("data", help="data specification, as for the command line")
    made.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/rivals.jsonl"))
    made.add_argument("--rivals", nargs="+", choices=MAKERS, default=list(MAKERS))
    made.add_argument("--size", type=int, choices=(16, 32), default=16)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--nets", type=Path, nargs="+", default=[Path("benchmarks/nets")])
    options = made.parse_args()
    torch.set_num_threads(1)
    whole, rows = loaded(options.data, options.size), Rows(options.output)
    for seed in options.seeds:
        study(rows, Nets(whole, options.size, seed, folders(options.nets, options.size)), options.rivals)


if __name__ == "__main__":
    main()
