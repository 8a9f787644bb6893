"""DeepSigns 2018, white-box: bits in the mean activation that a layer shows for each class.

Source: Rouhani, Chen, Koushanfar, "DeepSigns: an end-to-end watermarking framework for ownership protection of deep neural
networks", ASPLOS 2019, arXiv 1804.00750; terms and weights from the authors' demo.

With ``mu_c`` the mean activation of class c over the key's inputs (length M) and ``A`` the secret projection (N x M), bit j
of class c is ``1 if (A mu_c)_j >= 0 else 0``. Training pulls activations towards learnable centres that carry the bits.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from modelmark import layers, stats, taps
from modelmark.draw import CHARGES
from modelmark.errors import CapacityError, CapacityWarning, MismatchError, UsageError
from modelmark.evidence import BAR
from modelmark.hooks import Hooks
from modelmark.interface import Interface
from modelmark.naming import suggest
from modelmark.schemes import _blackbox, _projection
from modelmark.schemes._centres import Centres
from modelmark.schemes.base import Attachments, Symbols
from modelmark.secret import Secret
from modelmark.suspect import Suspect
from modelmark.task import Task


class Carriers(NamedTuple):
    """What the bits sit in.

    Args:
        classes: the carrying classes, ``(s,)``.
        inputs: uint8, ``(s, n, *input_shape)``.
        projections: int32 fixed point, one ``(N, M)`` per layer.
    """

    classes: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.uint8]
    projections: tuple[npt.NDArray[np.int32], ...]


@dataclass(frozen=True)
class DeepSigns:
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
        message: ``drawn``, or ``secret`` (literal).
        width: M of each layer; filled in from the model.
    """

    name: ClassVar[str] = "deepsigns"
    summary: ClassVar[str] = "bits in the mean activations of classes (DeepSigns 2018)"
    access: ClassVar[str] = "white-box"
    private: ClassVar[tuple[str, ...]] = ("layer",)
    reading: ClassVar[str] = "sign, zero is one"

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
    message: Literal["drawn", "secret"] = "drawn"
    width: tuple[int, ...] = field(default=(), metadata={"derived": True})

    def __post_init__(self) -> None:
        for name, value in (("classes", self.classes), ("bits", self.bits), ("inputs", self.inputs)):
            if value is not None and not 1 <= value <= 2**20:
                raise ValueError(f"expected {name} from 1 to {2**20}, got {value}")
        if not 0 < self.strength < math.inf or not 0 < self.centre < math.inf or not 0 <= self.margin < math.inf:
            raise ValueError("expected centre and strength above 0 and a margin of at least 0")
        if not 0 <= self.norm < math.inf or not 0 <= self.separation < math.inf:
            raise ValueError("expected norm and separation of at least 0")

    @property
    def _paths(self) -> list[str]:
        return self.layer.split(",")

    @property
    def _size(self) -> tuple[int, int]:
        """The number of classes and N."""
        if self.classes is None or self.bits is None or len(self.width) != len(self._paths):
            raise ValueError("expected a resolved scheme, got one whose classes, bits or width are left open")
        return self.classes, self.bits

    def resolve(self, model: nn.Module, interface: Interface, attachments: Attachments) -> "DeepSigns":
        """Choose the layer, the number of classes and of bits, and check that they fit."""
        layer = self.layer or layers.head(model)
        there = [path for path, _ in layers.unwrapped(model).named_modules(remove_duplicate=False)]
        for path in layer.split(","):
            if path not in there:
                problem = f"expected a layer of the model, it has none of that name: {path!r}"
                raise UsageError(problem, hint=suggest(path, there))
        probe = np.arange(math.prod(interface.input_shape)).reshape(1, *interface.input_shape) % 251
        picture = _blackbox.pictures(probe.astype(np.uint8), interface)
        received = [taps.activations(model, path, picture) for path in layer.split(",")]
        width = tuple(found.shape[1] for found in received)
        classes = min(10, interface.classes) if self.classes is None else self.classes
        if classes > interface.classes:
            raise UsageError(f"expected at most the data's {interface.classes} classes to carry bits, got {classes}")
        trials = stats.minimum_trials(1.1 * (BAR + CHARGES["offline"]), Fraction(1, 2))
        enough = -(-trials // (classes * len(width)))
        bits = max(enough, min(20, min(width) // 16)) if self.bits is None else self.bits
        resolved = replace(self, layer=layer, classes=classes, bits=bits, width=width)
        resolved._check_capacity()
        if any(torch.equal(found.cpu(), picture.flatten(1)) for found in received):
            raise UsageError("expected a layer whose input training can move, got one that receives the picture itself")
        if bits > min(width) / 2:
            warnings.warn(
                f"{bits} bits a class in {min(width)} units: beyond half of them the margin may stay out of reach",
                CapacityWarning,
                stacklevel=3,
            )
        return resolved

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

    def attach(self, secret: Secret, model: nn.Module, task: Task | None) -> dict[str, npt.NDArray[Any]]:
        """Return ``inputs``: training samples of the carrying classes, uint8 ``(s, n, *input_shape)``."""
        if task is None:
            raise UsageError("expected data for the key's inputs, got none")
        labels = _blackbox.hard(task.train_targets).cpu().numpy()
        places = [np.flatnonzero(labels == c) for c in self._classes(secret, task.interface)]
        count = min(self.inputs, min(len(place) for place in places))
        if count == 0:
            empty = next(
                c for c, place in zip(self._classes(secret, task.interface), places, strict=True) if not len(place)
            )
            raise UsageError(f"expected training samples of every carrying class, class {empty} has none")
        images = task.train_inputs.cpu().numpy()
        chosen = [place[secret.permutation(f"inputs/{i}", len(place))[:count]] for i, place in enumerate(places)]
        return {"inputs": np.stack([images[places] for places in chosen])}

    def _classes(self, secret: Secret, interface: Interface) -> npt.NDArray[np.int64]:
        return np.sort(secret.permutation("classes", interface.classes)[: self._size[0]])

    def check(self, model: nn.Module, interface: Interface) -> None:
        """Raise MismatchError unless the model has the marked layers, and they receive M units each."""
        blank = _blackbox.pictures(np.zeros((1, *interface.input_shape), np.uint8), interface)
        try:
            found = tuple(taps.activations(model, path, blank).shape[1] for path in self._paths)
        except (RuntimeError, ValueError) as error:
            problem = str(error).splitlines()[0][:120]
            raise MismatchError(f"expected a model that takes inputs {interface.input_shape}, got: {problem}") from None
        if found != self.width:
            raise MismatchError(f"expected the marked layer to receive {self.width} units, got {found}")

    def shape(self, interface: Interface) -> tuple[int, int]:
        """Return one symbol per layer, class and bit, in that order, of alphabet 2."""
        classes, bits = self._size
        return len(self.width) * classes * bits, 2

    def objection(self) -> str:
        """Return why the message has no exact test, if it has none."""
        return (
            ""
            if self.message == "drawn"
            else "the bits come from the key, as in the paper, and could have been searched for"
        )

    def carriers(self, secret: Secret, interface: Interface, attachments: Attachments) -> Carriers:
        """Return classes, their inputs and the projections."""
        classes, bits = self._size
        self._check_capacity()
        inputs = attachments.get("inputs", np.empty(0))
        if inputs.dtype != np.uint8 or inputs.shape[:1] + inputs.shape[2:] != (classes, *interface.input_shape):
            raise MismatchError(f"expected inputs uint8 of {classes} classes, got {inputs.dtype} {inputs.shape}")
        if inputs.shape[1] < 1:
            raise MismatchError("expected at least one input a class, got none")
        _blackbox.require_bytes(classes * inputs.shape[1], interface.input_shape)
        projections = tuple(
            _projection.random(secret, bits, width, use=f"deepsigns/{index}") for index, width in enumerate(self.width)
        )
        return Carriers(self._classes(secret, interface), inputs, projections)

    def leaves(
        self, carriers: Carriers, secret: Secret, interface: Interface, attachments: Attachments
    ) -> Sequence[bytes]:
        """Return the rows of every A as big-endian bytes, then each input after a line ``class c``."""
        rows = [row.astype(">i4").tobytes() for projection in carriers.projections for row in projection]
        pictures = [
            f"class {c}\n".encode() + leaf
            for c, inputs in zip(carriers.classes, carriers.inputs, strict=True)
            for leaf in _blackbox.picture_leaves(inputs)
        ]
        return rows + pictures

    def chosen_message(
        self, secret: Secret, interface: Interface, attachments: Attachments
    ) -> npt.NDArray[np.int64] | None:
        """Return the literal bits, or None where the draw decides."""
        return None if self.message == "drawn" else secret.integers("message", 2, self.shape(interface)[0])

    def hooks(
        self, carriers: Carriers, message: npt.NDArray[np.int64], model: nn.Module, interface: Interface, *, seed: int
    ) -> Hooks:
        """Return the centres with their terms, tapped into ``model``: the very module that is trained."""
        self.check(model, interface)
        classes, bits = self._size
        return Centres(
            model,
            self._paths,
            [torch.from_numpy(_projection.real(a)).float() for a in carriers.projections],
            torch.from_numpy(message).float().reshape(len(self.width), classes, bits),
            torch.from_numpy(carriers.classes),
            _blackbox.pictures(carriers.inputs.reshape(-1, *interface.input_shape), interface),
            interface.classes,
            self,
        )

    def extract(self, carriers: Carriers, suspect: Suspect, interface: Interface) -> Symbols:
        """Return the bits ``A mu >= 0``, ``(layers * s * N,)``; an exact zero reads as 1."""
        classes = self._size[0]
        inputs = _blackbox.pictures(carriers.inputs.reshape(-1, *interface.input_shape), interface)
        read = []
        for path, width, projection in zip(self._paths, self.width, carriers.projections, strict=True):
            found = suspect.activations(path, inputs)
            if found.shape[1] != width:
                raise MismatchError(f"expected the marked layer to receive {width} units, got {found.shape[1]}")
            means = found.reshape(classes, -1, width).mean(axis=1)
            read.append((means @ _projection.real(projection).T >= 0).astype(np.int64).ravel())
        return Symbols(np.concatenate(read))
