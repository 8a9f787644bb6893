"""What attacks are: one abstract base a kind, whose ``__call__`` keeps the promises; an attack writes one method.

| kind         | called as                                 | base                   | method         |
|--------------|-------------------------------------------|------------------------|----------------|
| modification | ``attack(model, task, seed=...)``         | Removal                | change         |
| extraction   | ``attack(model, task, seed=...)``         | Extraction             | change         |
| collusion    | ``attack([model, ...], task, seed=...)``  | Collusion              | combine        |
| evasion      | ``attack(answer, task, seed=...)``        | Evasion, PictureFilter | serve, change  |
|              |                                           | TokenFilter            | change         |
| forgery      | ``attack(model, task, seed=...)``         | Forgery                | forge          |
| detection    | ``attack(model, task, seed=...)``         | Detection              | detect         |

The method is given copies, in evaluation mode, and may change them. The data are always the thief's; no key comes near.
Rates are those of momentum; a network that normalises layers is trained by AdamW instead, see ``Thief.fit``.
"""

import copy
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, dataclass_transform, final

import torch
from torch import Tensor, nn

from modelmark.attacks import fields
from modelmark.attacks._tools import feeds as kinds
from modelmark.attacks._tools.pictures import filtered, require_pictures
from modelmark.attacks.fields import Strengths
from modelmark.attacks.results import Answer, Finding, Forged
from modelmark.networks.layers import is_layer_normalised
from modelmark.training.loop import Watch, fit
from modelmark.training.recipe import Recipe, constant
from modelmark.training.task import Task

Kind = Literal["modification", "extraction", "collusion", "evasion", "forgery", "detection"]
KINDS: tuple[Kind, ...] = ("modification", "extraction", "collusion", "evasion", "forgery", "detection")


@dataclass(frozen=True)
class Thief:
    """What an attacker has beside the model.

    Args:
        task: his data.
        seed: of everything random.
        watch: called after every training step.
    """

    task: Task
    seed: int
    watch: Watch | None = None

    def generator(self) -> torch.Generator:
        """Return a new generator on the CPU, in the state that the seed gives."""
        return torch.Generator().manual_seed(self.seed)

    def fit(self, model: nn.Module, recipe: Recipe, *, task: Task | None = None, **options: Any) -> nn.Module:
        """Return a copy of ``model`` trained on ``task``, his own unless told otherwise, with ``training.fit``.

        A network that normalises layers, as transformers do, is trained by AdamW, unless the recipe names it already.
        """
        if recipe.optimizer == "sgd" and is_layer_normalised(model):
            recipe = recipe.by_adamw()
        return fit(model, task or self.task, recipe, **{"seed": self.seed, "watch": self.watch, **options})

    def tune(self, model: nn.Module, attack: Any, **options: Any) -> nn.Module:
        """Return a copy of ``model`` trained at the constant ``rate`` of an attack, for its ``epochs`` and by its ``batch``."""
        return self.fit(model, constant(attack.epochs, attack.rate, batch=attack.batch, clip=1.0), **options)


@dataclass_transform(frozen_default=True)
class Attack(ABC):
    """A frozen dataclass of settings with their ranges, and what is said of the attack.

    ``name`` follows from the class, ``summary`` is the first line of its docstring, ``source`` what stands at ``Source:``
    there, up to a semicolon. A class may say otherwise: ``class FineTune(Removal, name="finetune", family="fine-tuning")``.

    Args:
        name: as on the command line.
        kind: which verb the attack has.
        family: groups attacks in reports.
        summary: one line.
        source: where it was published.
        strengths: settings from gentle to fierce, for sweeps: five for most modifications, one elsewhere.
        schemes: what the field ``scheme`` may name, where the attack concerns one scheme at a time.
        pictures: whether it needs inputs ``(channels, height, width)``.
        feeds: kinds of inputs that it takes, one of the groups in ``_tools.feeds``; left out: any.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    family: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    strengths: ClassVar[Strengths] = ({},)
    schemes: ClassVar[tuple[str, ...]] = ()
    _pictures: ClassVar[bool] = False
    _feeds: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls, *, name: str = "", family: str = "", pictures: bool = False, feeds: tuple[str, ...] = (), **rest: Any
    ) -> None:
        super().__init_subclass__(**rest)
        text = inspect.cleandoc(vars(cls).get("__doc__") or "")
        source = re.search(r"^Source: (.+?)(?=;|\.?\n *\n|\.?\nDeparts:|\.?\Z)", text, re.DOTALL | re.MULTILINE)
        said = {
            "name": name or re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower(),
            "summary": text.partition("\n")[0].rstrip("."),
            "source": " ".join(source[1].split()) if source else "",
        }
        said |= {"family": family} if family else {}
        for attribute, value in said.items():
            if attribute not in vars(cls):
                setattr(cls, attribute, value)
        cls._pictures, cls._feeds = cls._pictures or pictures, feeds or cls._feeds
        dataclass(frozen=True)(cls)

    def __post_init__(self) -> None:
        fields.check(self)
        self.check()

    def check(self) -> None:
        """Raise ValueError if settings that are right each for itself do not go together."""
        return

    def _thief(self, task: Task, seed: int, watch: Watch | None) -> Thief:
        if self._pictures:
            require_pictures(task.feed, self.name, hint=_ANY_SHAPE if self.kind == "evasion" else "")
        if self._feeds:
            kinds.require(task.feed, self.name, self._feeds)
        return Thief(task, seed, watch)


_ANY_SHAPE = "refuse, randomise, agree, blockdoor-ood and blockdoor-labels take inputs of any shape"


class Removal(Attack, family="modification"):
    """A way to remove marks from a model."""

    kind: ClassVar[Kind] = "modification"

    @final
    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return the attacked copy of ``model``, or its replacement, in evaluation mode; the model given is left as it was.

        Args:
            model: the stolen model.
            task: the thief's data.
            seed: of everything random.
            watch: called after every training step, if the attack trains.

        Raises:
            UsageError: the attack cannot be done to this model or with these data.
            MismatchError: the data are not what the model takes.
        """
        thief = self._thief(task, seed, watch)
        return self.change(_own(model), thief).eval()

    @abstractmethod
    def change(self, stolen: nn.Module, thief: Thief) -> nn.Module:
        """Return the attacked model, which may be ``stolen`` itself: a copy, and the thief's."""


class Extraction(Removal, family="extraction"):
    """A way to train a model without the marks of the stolen one, which is only asked."""

    kind: ClassVar[Kind] = "extraction"


class Collusion(Attack, family="collusion"):
    """A way to remove marks with more models than the stolen one, which comes first.

    Args:
        brings: what comes after it: ``copies`` with marks of their own, as many as a field ``copies`` says and two in all where
            there is none; or the ``base``, a published network that the owner trained on from.
    """

    kind: ClassVar[Kind] = "collusion"
    brings: ClassVar[Literal["copies", "base"]] = "copies"

    @final
    def __call__(self, models: Sequence[nn.Module], task: Task, *, seed: int, watch: Watch | None = None) -> nn.Module:
        """Return one model made of ``models``, in evaluation mode; those given are left as they were.

        Raises:
            UsageError: the models cannot be combined.
        """
        thief = self._thief(task, seed, watch)
        return self.combine([_own(model) for model in models], thief).eval()

    @abstractmethod
    def combine(self, copies: list[nn.Module], thief: Thief) -> nn.Module:
        """Return one model, which may be one of ``copies``."""


class Evasion(Attack, family="query-filter"):
    """A way to serve a stolen model so that its mark is not seen; marks in the weights stay as they are."""

    kind: ClassVar[Kind] = "evasion"

    @final
    def __call__(self, answer: Answer, task: Task, *, seed: int, watch: Watch | None = None) -> Answer:
        """Return the filtered API; what it needs for that is trained on ``task`` first.

        Raises:
            UsageError: the filter does not take such inputs, or needs more data.
        """
        return self.serve(answer, self._thief(task, seed, watch))

    @abstractmethod
    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the filtered API."""


class PictureFilter(Evasion, family="preprocessing", pictures=True):
    """An evasion that shows the stolen model changed pictures."""

    @final
    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that is asked about changed pictures."""
        return filtered(answer, thief.task.feed, self.change)

    @abstractmethod
    def change(self, pictures: Tensor) -> Tensor:
        """Return what is shown instead of ``pictures``, both float32 ``(N, C, H, W)`` in [0, 1]; clamped afterwards."""


class TokenFilter(Evasion, family="preprocessing", feeds=kinds.ROWS):
    """An evasion that shows the stolen model, a classifier of texts or a language model, other tokens."""

    @final
    def serve(self, answer: Answer, thief: Thief) -> Answer:
        """Return the API that is asked about changed rows."""
        change = self.change(thief)
        return lambda rows: answer(change(rows))

    @abstractmethod
    def change(self, thief: Thief) -> Callable[[Tensor], Tensor]:
        """Return what makes other rows of rows, both as ``results.Answer`` has them; equal rows become equal ones."""


class Forgery(Attack, family="forgery"):
    """A way to claim a model that one never marked.

    Args:
        forges: names of the schemes it makes claims of.
        transfers: whether the claim is made without the model that is claimed.
    """

    kind: ClassVar[Kind] = "forgery"
    forges: ClassVar[tuple[str, ...]]
    transfers: ClassVar[bool] = False

    @final
    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Forged:
        """Return a claim fitted to ``model``, which is left as it was.

        Raises:
            UsageError: no such claim can be made of this model or with these data.
        """
        thief = self._thief(task, seed, watch)
        return self.forge(_own(model), thief)

    @abstractmethod
    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim."""


class Detection(Attack, family="detection"):
    """A way to find out without a key whether a model is marked."""

    kind: ClassVar[Kind] = "detection"

    @final
    def __call__(self, model: nn.Module, task: Task, *, seed: int, watch: Watch | None = None) -> Finding:
        """Return what can be seen in ``model``, which is left as it was.

        Raises:
            UsageError: there is nothing to look at in this model or with these data.
        """
        thief = self._thief(task, seed, watch)
        return self.detect(_own(model), thief)

    @abstractmethod
    def detect(self, suspect: nn.Module, thief: Thief) -> Finding:
        """Return the finding."""


def _own(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, all of whose weights may be trained, whatever the owner froze."""
    copied = copy.deepcopy(model).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
    return copied
