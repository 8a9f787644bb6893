"""DeepSigns 2018, white-box: bits in the mean activation that a layer shows for each class.

Source: Rouhani, Chen, Koushanfar, "DeepSigns: an end-to-end watermarking framework for ownership protection of deep neural
networks", ASPLOS 2019, arXiv 1804.00750; terms and weights from the authors' demo.

With ``mu_c`` the mean activation of class c over the key's inputs (length M) and ``A`` the secret projection (N x M), bit j
of class c is ``1 if (A mu_c)_j >= 0 else 0``. Training pulls activations towards learnable centres that carry the bits.
"""

import math
import re
import warnings
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark.carriers.base import Carriers
from modelmark.carriers.means import Means
from modelmark.carriers.pictures import require_bytes
from modelmark.errors import CapacityError, CapacityWarning, MismatchError, UsageError
from modelmark.evidence import stats
from modelmark.evidence.evidence import BAR
from modelmark.feeds.base import Feed
from modelmark.key.draw import CHARGES
from modelmark.key.secret import Secret
from modelmark.naming import suggest
from modelmark.networks import layers, taps
from modelmark.schemes import _places, _projection, blackbox
from modelmark.schemes._centres import Centres
from modelmark.schemes._pulling import Pulling
from modelmark.schemes.base import Attachments, Drawn, Material
from modelmark.training.hooks import Hooks
from modelmark.training.tails import Course, Lesson
from modelmark.training.task import Task

_OBJECTIONS = {
    "drawn": "",
    "secret": "the bits come from the key, as in the paper, and could have been searched for",
    "imported": "the message was chosen, not drawn",
}


@dataclass(frozen=True)
class DeepSigns(Drawn):
    """Bits in the activations of one or several layers (white-box).

    Departs: the message is drawn after classes, inputs and projections are committed; the paper's comes from the owner.
    Departs: no norm or separation term by default and a message weight of 0.3; the paper's 0.01 leaves thin margins.
    Departs: separation takes the demo's form; the paper's negated squares have no bound, and training diverges.
    Departs: the centre term is scaled to 32 samples a batch, whatever the batch is (the demo's sum grows with it), and
    divided by the root of the centres' first norm where that is above 1: strong activations would drown other marks.

    Args:
        layer: state-dict path of the layer whose input carries bits, several joined by commas; empty: the head.
        classes: s, how many carry bits; left out: all, at most ten.
        bits: N for each class and layer; left out: 20, fewer where ``N > M / 16``, but enough for the bar.
        inputs: training samples of each class that the key reads with; fewer where a class has fewer.
        centre: weight of the pull of activations to their centre (lambda 1).
        separation: weight of pushing each centre away from the nearest other one (lambda 1).
        norm: weight of keeping centres at unit norm, as the authors' demo does.
        strength: weight of the message term (lambda 2).
        margin: embedding is done when every ``|A mu|`` has the right sign by at least this much.
        unit: of the margin: ``activation``, or standard ``errors`` of ``A mu`` over the inputs, for long messages.
        start: where centres begin: ``means`` of the classes, or components of a Gaussian mixture (``gmm``, by EM).
        message: ``drawn``, ``secret`` (literal), or ``imported`` with the matrix and bits of an older mark.
        carrying: of an imported mark: the classes that carry bits, ascending, joined by commas.
        width: M of each layer; filled in from the model.
    """

    name: ClassVar[str] = "deepsigns"
    summary: ClassVar[str] = "bits in the mean activations of classes (DeepSigns 2018)"
    reads: ClassVar[type[Carriers]] = Means
    private: ClassVar[tuple[str, ...]] = ("layer",)
    reading: ClassVar[str] = "sign, zero is one"
    counted: ClassVar[str] = "bits"

    layer: str = ""
    classes: int | None = None
    bits: int | None = None
    inputs: int = 50
    centre: float = 0.01
    separation: float = 0.0
    norm: float = 0.0
    strength: float = 0.3
    margin: float = 2.5
    unit: Literal["activation", "errors"] = "activation"
    start: Literal["means", "gmm"] = "means"
    message: Literal["drawn", "secret", "imported"] = "drawn"
    carrying: str = field(default="", metadata={"later": True})
    width: tuple[int, ...] = field(default=(), metadata={"derived": True})

    def __post_init__(self) -> None:
        for name, value in (("classes", self.classes), ("bits", self.bits), ("inputs", self.inputs)):
            if value is not None and not 1 <= value <= 2**20:
                raise ValueError(f"expected {name} from 1 to {2**20}, got {value}")
        if not 0 < self.strength < math.inf or not 0 < self.centre < math.inf or not 0 <= self.margin < math.inf:
            raise ValueError("expected centre and strength above 0 and a margin of at least 0")
        if not 0 <= self.norm < math.inf or not 0 <= self.separation < math.inf:
            raise ValueError("expected norm and separation of at least 0")
        if bool(self.carrying) != (self.message == "imported"):
            raise ValueError(
                f"expected carrying={self.carrying!r} with an imported message alone, see --matrix; got {self.message}"
            )
        if self.carrying and not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", self.carrying):
            raise ValueError(f"expected numbers of classes joined by commas for carrying, got {self.carrying!r}")

    @property
    def _paths(self) -> list[str]:
        return self.layer.split(",")

    @property
    def _size(self) -> tuple[int, int]:
        """The number of classes and N."""
        if self.classes is None or self.bits is None or len(self.width) != len(self._paths):
            raise ValueError("expected a resolved scheme, got one whose classes, bits or width are left open")
        return self.classes, self.bits

    def for_model(self, model: nn.Module, feed: Feed, attachments: Attachments) -> "DeepSigns":
        """Choose the layer, the number of classes and of bits, and check that they fit."""
        layer = self.layer or layers.head(model)
        there = [path for path, _ in layers.unwrapped(model).named_modules(remove_duplicate=False)]
        for path in layer.split(","):
            if path not in there:
                problem = f"expected a layer of the model, it has none of that name: {path!r}"
                raise UsageError(problem, hint=suggest(path, there))
        picture = blackbox.pictures(feed.example(1), feed)
        received = [taps.activations(model, path, picture) for path in layer.split(",")]
        width = tuple(found.shape[1] for found in received)
        if self.message == "imported":
            return self._of_older(layer, width, feed, attachments)
        classes = min(10, feed.classes) if self.classes is None else self.classes
        if classes > feed.classes:
            raise UsageError(f"expected at most the data's {feed.classes} classes to carry bits, got {classes}")
        trials = stats.minimum_trials(1.1 * (BAR + CHARGES["offline"]), Fraction(1, 2))
        enough = -(-trials // (classes * len(width)))
        bits = max(enough, min(20, min(width) // 16)) if self.bits is None else self.bits
        resolved = replace(self, layer=layer, classes=classes, bits=bits, width=width)
        resolved._check_capacity()
        if any(torch.equal(found.cpu(), picture.flatten(1).to(found.dtype)) for found in received):
            raise UsageError("expected a layer whose input training can move, got one that receives the picture itself")
        if bits > min(width) / 2:
            warnings.warn(
                f"{bits} bits a class in {min(width)} units: beyond half of them the margin may stay out of reach",
                CapacityWarning,
                stacklevel=3,
            )
        return resolved

    def _of_older(self, layer: str, width: tuple[int, ...], feed: Feed, attachments: Attachments) -> "DeepSigns":
        """Take the numbers of classes and bits from what is imported."""
        given = attachments.get("bits", np.empty(0)).shape
        if len(given) != 2 or (self.classes or given[0], self.bits or given[1]) != given:
            raise UsageError(f"expected the imported bits of every class, got {given}: see --matrix")
        found = replace(self, layer=layer, classes=given[0], bits=given[1], width=width)
        found._check_capacity()
        found._projections(Material(Secret(bytes(32)), feed, attachments))
        found._classes(Secret(bytes(32)), feed)
        return found

    def cautions(self, model: nn.Module, feed: Feed, *, host: bool) -> list[str]:
        """Return that what a transformer's layer receives takes any order, where no host is committed."""
        return _places.movable(model, host=host)

    def _check_capacity(self) -> None:
        classes, bits = self._size
        if len(set(self._paths)) < len(self._paths) or not all(self._paths):
            raise UsageError(f"expected each layer by its name and once, got {self.layer!r}")
        if bits > min(self.width):
            raise CapacityError(
                f"expected at most one bit for each of the {min(self.width)} units of the layer, got {bits}",
                hint="name a wider layer (--set layer=...), more classes or fewer bits",
            )
        _projection.require_size(bits, sum(self.width), bits=len(self.width) * classes * bits)

    def collect(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``inputs``: training samples of the carrying classes, ``(s, n, *input_shape)``."""
        if task is None:
            raise UsageError("expected data for the key's inputs, got none")
        labels = blackbox.hard(task.train_targets).cpu().numpy()
        places = [np.flatnonzero(labels == c) for c in self._classes(secret, task.feed)]
        count = min(self.inputs, min(len(place) for place in places))
        if count == 0:
            empty = next(c for c, place in zip(self._classes(secret, task.feed), places, strict=True) if not len(place))
            raise UsageError(f"expected training samples of every carrying class, class {empty} has none")
        images = task.train_inputs.cpu().numpy()
        chosen = [place[secret.permutation(f"inputs/{i}", len(place))[:count]] for i, place in enumerate(places)]
        return {"inputs": np.stack([images[places] for places in chosen])}

    def _classes(self, secret: Secret, feed: Feed) -> npt.NDArray[np.int64]:
        if self.carrying:
            chosen = np.array(self.carrying.split(","), np.int64)
            if len(chosen) != self._size[0] or (np.diff(chosen) <= 0).any() or chosen[-1] >= feed.classes:
                raise MismatchError(
                    f"expected {self._size[0]} classes below {feed.classes}, ascending, got carrying={self.carrying}"
                )
            return chosen
        return np.sort(secret.permutation("classes", feed.classes)[: self._size[0]])

    def check(self, model: nn.Module, feed: Feed) -> None:
        """Raise MismatchError unless the model has the marked layers, and they receive M units each."""
        blank = blackbox.pictures(feed.example(1), feed)
        try:
            found = tuple(taps.activations(model, path, blank).shape[1] for path in self._paths)
        except (RuntimeError, ValueError) as error:
            problem = str(error).splitlines()[0][:120]
            raise MismatchError(f"expected a model that takes inputs {feed.input_shape}, got: {problem}") from None
        if found != self.width:
            raise MismatchError(f"expected the marked layer to receive {self.width} units, got {found}")

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return one symbol per layer, class and bit, in that order, of alphabet 2."""
        classes, bits = self._size
        return len(self.width) * classes * bits, 2

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return _OBJECTIONS[self.message]

    def carriers(self, material: Material) -> Means:
        """Return classes, their inputs and the projections.

        Raises:
            MismatchError: the attached inputs are not this key's.
        """
        classes, _ = self._size
        feed, inputs = material.feed, material.attachments.get("inputs", np.empty(0))
        self._check_capacity()
        if inputs.dtype != feed.dtype or inputs.shape[:1] + inputs.shape[2:] != (classes, *feed.input_shape):
            raise MismatchError(f"expected inputs {feed.dtype} of {classes} classes, got {inputs.dtype} {inputs.shape}")
        if inputs.shape[1] < 1:
            raise MismatchError("expected at least one input a class, got none")
        require_bytes(classes * inputs.shape[1], feed.input_shape)
        projections = self._projections(material)
        return Means(feed, self._classes(material.secret, feed), inputs, projections, tuple(self._paths))

    def _projections(self, material: Material) -> tuple[npt.NDArray[Any], ...]:
        """Return A of each layer: int32 fixed point, or the imported float32 matrix of the one layer."""
        classes, bits = self._size
        if self.message != "imported":
            return tuple(
                _projection.random(material.secret, bits, width, use=f"deepsigns/{index}")
                for index, width in enumerate(self.width)
            )
        matrix, given = (material.attachments.get(name, np.empty(0)) for name in ("matrix", "bits"))
        if len(self.width) != 1 or matrix.dtype != np.float32 or matrix.shape != (bits, self.width[0]):
            raise MismatchError(
                f"expected an imported matrix of {bits} x {self.width}, got {matrix.dtype} {matrix.shape}"
            )
        if not np.isfinite(matrix).all() or given.dtype != np.uint8 or given.shape != (classes, bits):
            raise MismatchError(f"expected finite numbers and bits {classes} x {bits}, got {given.dtype} {given.shape}")
        if given.max() > 1:
            raise MismatchError(f"expected bits 0 and 1, got {given.max()}")
        return (matrix,)

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return the literal bits, or None where the draw decides."""
        if self.message == "drawn":
            return None
        if self.message == "imported":
            return material.attachments["bits"].astype(np.int64).ravel()
        return material.secret.integers("message", 2, self.size(material.feed)[0])

    def hooks(self, carriers: Means, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Hooks:
        """Return the centres with their terms, tapped into ``model``: the very module that is trained."""
        self.check(model, carriers.feed)
        return Centres(model, carriers, torch.from_numpy(message), self)

    def lesson(self, carriers: Means, message: npt.NDArray[np.int64], model: nn.Module, *, seed: int) -> Lesson:
        """Return the pull of class means past their margin, without centres; a tenth more than the margin is aimed at."""
        self.check(model, carriers.feed)
        hooks = Pulling(model, carriers, torch.from_numpy(message), self, margin=self.margin)
        return Lesson(hooks, 1.1 * self.margin, Course(rounds=(300, 900, 600)))
