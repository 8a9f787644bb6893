"""What attacks are: hyperparameters as fields, one verb, and no place for a key.

Every attack is a frozen dataclass with the same description (``Attack``); its ``kind`` says which verb it has::

    modification, extraction   attack(model, task, seed=...) -> model          Removal
    collusion                  attack([model, ...], task, seed=...) -> model   Collusion
    evasion                    attack(answer, task, seed=...) -> answer        Evasion
    forgery                    attack(model, task, seed=...) -> Forged         Forgery
    detection                  attack(model, task, seed=...) -> Finding        Detection

``task`` is always the thief's data. ``watch`` is called after every training step of an attack that trains with ``fit``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from modelmark.task import Task
from modelmark.training import Watch

Kind = Literal["modification", "extraction", "collusion", "evasion", "forgery", "detection"]
KINDS: tuple[Kind, ...] = ("modification", "extraction", "collusion", "evasion", "forgery", "detection")

Answer: TypeAlias = Callable[[Tensor], Tensor]
"""What an API does: inputs as ``forward`` takes them, ``(N, *input_shape)`` float32, to int64 labels ``(N,)``; ``ABSTAIN``
where it refuses."""

Strengths: TypeAlias = tuple[Mapping[str, Any], ...]


def own_seed(seed: int) -> int:
    """Return the seed of first weights that a thief draws for himself, other than those that anybody draws from ``seed``.

    A copy that began where the owner's network began would take over more of it than its answers: trained on MNIST from the
    owner's first weights, copies read up to 141 of 200 bits of ``uchida`` (``benchmarks/results/same-start.jsonl``).
    """
    return seed ^ 0x7468696566  # "thief"


class Attack(Protocol):
    """What every attack says of itself.

    ``source`` is where it was published; ``floor`` the share of right answers that the attacked digits network keeps at
    default settings; ``strengths`` are settings from gentle to fierce, for sweeps (five for modifications, one elsewhere);
    ``family`` groups attacks in reports.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    kind: ClassVar[Kind]
    family: ClassVar[str]
    floor: ClassVar[float]
    strengths: ClassVar[Strengths]


class Removal(Attack, Protocol):
    """A way to remove marks from a model, or to train a model without them."""

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the attacked copy of ``model``, or its replacement; the model given is left as it was.

        Args:
            model: the stolen model.
            task: the thief's data.
            seed: of everything random.
            watch: called after every training step, if the attack trains.
        """
        ...


class Collusion(Attack, Protocol):
    """A way to remove marks with several copies that carry different ones."""

    def __call__(self, models: Sequence[nn.Module], task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return one model made of ``models``, which are left as they were."""
        ...


class Evasion(Attack, Protocol):
    """A way to serve a stolen model so that its mark is not seen."""

    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; what it needs for that is trained on ``task`` first."""
        ...


@dataclass(frozen=True)
class Forged:
    """A claim made up after the fact: what a forger would hand to a judge.

    Args:
        scheme: name of the scheme claimed.
        settings: of the scheme.
        attachments: carriers of the forger's making, as a key of that scheme would hold them; may be empty.
        message: what the forger says was to be read, int64 ``(trials,)``.
        tries: how many candidates were tried on the way.
    """

    scheme: str
    message: npt.NDArray[np.int64]
    settings: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    tries: int = 1


class Forgery(Attack, Protocol):
    """A way to claim a model that one never marked.

    ``forges`` names the schemes it makes claims of. With ``transfers`` the claim is made without the model that is claimed.
    """

    forges: ClassVar[tuple[str, ...]]

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return a claim fitted to ``model``."""
        ...


@dataclass(frozen=True)
class Finding:
    """What a detector says.

    Args:
        score: larger for models that look more marked; comparable between models of one architecture.
        marked: whether the score is past the detector's own threshold.
        where: the layer or class that looks most marked; may be empty.
        length: estimated number of symbols; 0: no estimate.
    """

    score: float
    marked: bool
    where: str = ""
    length: int = 0


class Detection(Attack, Protocol):
    """A way to find out without a key whether a model is marked."""

    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Finding:
        """Return what can be seen in ``model``."""
        ...
