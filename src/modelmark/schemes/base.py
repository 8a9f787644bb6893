"""What a scheme is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from modelmark.canonical import Json
from modelmark.carriers.base import Carriers
from modelmark.feeds.base import Feed
from modelmark.feeds.tokenizer import Tokenizer
from modelmark.key.secret import Secret
from modelmark.suspects.base import Access, access

if TYPE_CHECKING:
    from torch import nn

    from modelmark.training.hooks import Hooks
    from modelmark.training.tails import Lesson
    from modelmark.training.task import Task

Attachments = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Material:
    """What carriers are made of.

    Args:
        secret: of the key.
        feed: how the model is fed.
        attachments: what the key holds beside its secret, by name.
    """

    secret: Secret
    feed: Feed
    attachments: Attachments = field(default_factory=dict)


class Scheme(Protocol):
    """A way to mark models: a frozen dataclass whose fields are its hyperparameters.

    ``feeds`` names the kinds of inputs that it is for, none where it is for all. ``reads`` is the kind of its carriers, which say
    how a suspect is read; ``private`` names the fields that the public statement conceals behind a salted commitment; ``reading``
    says in the statement how a symbol is read.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    feeds: ClassVar[tuple[str, ...]]
    reads: ClassVar[type[Carriers]]
    private: ClassVar[tuple[str, ...]]
    reading: ClassVar[str]

    @property
    def margin(self) -> float:
        """The margin every symbol needs before embedding is done."""
        ...

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> "Scheme":
        """Return the scheme with every default that depends on the model filled in.

        Raises:
            CapacityError: the message does not fit.
            UsageError: the model has no place for the mark.
        """
        ...

    def collect(self, secret: Secret, model: "nn.Module", task: "Task | None") -> Attachments:
        """Return what this resolved scheme's key must hold beside the secret, made once by ``keygen``.

        Args:
            secret: of the key.
            model: of the architecture to be marked; trained, where what is attached depends on its weights.
            task: the owner's data, if ``keygen`` was given any.

        Raises:
            UsageError: data is needed and was not given, or lacks what is needed.
        """
        ...

    def check(self, model: "nn.Module", feed: Feed) -> None:
        """Raise MismatchError unless ``model`` can carry or hold a mark of this resolved scheme."""
        ...

    def size(self, feed: Feed) -> tuple[int, int]:
        """Return the number of symbols and the size of their alphabet."""
        ...

    def objection(self) -> str:
        """Return why there is no exact test, or an empty string where there is one."""
        ...

    def carriers(self, material: Material) -> Carriers:
        """Return the carriers, the same on every machine.

        Raises:
            MismatchError: what is attached is not this scheme's.
        """
        ...

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return a message that was chosen rather than drawn, or None where the draw decides."""
        ...

    def hooks(self, carriers: Any, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Hooks":
        """Return the hooks that put ``message`` into ``model``.

        Args:
            carriers: as ``carriers`` made them.
            message: one symbol a trial, ``(trials,)``.
            model: the very module that is trained.
            seed: of everything random.
        """
        ...


class Drawn:
    """What most schemes say: the message is drawn, all carriers follow from the secret, and no setting depends on the model."""

    private: ClassVar[tuple[str, ...]] = ()
    counted: ClassVar[str] = ""  # the setting by which symbols become more
    noun: ClassVar[str] = ""  # what people call a symbol; empty: an answer, or a bit where nothing is asked
    feeds: ClassVar[tuple[str, ...]] = ()

    def for_model(self, model: "nn.Module", feed: Feed, attachments: Attachments) -> Self:
        """Return the scheme as it is."""
        return self

    def collect(self, secret: Secret, model: "nn.Module", task: "Task | None") -> dict[str, npt.NDArray[Any]]:
        """Return nothing."""
        return {}

    def objection(self) -> str:
        """Return nothing: the test is exact."""
        return ""

    def literal_message(self, material: Material) -> npt.NDArray[np.int64] | None:
        """Return nothing: the draw decides."""
        return None


@runtime_checkable
class Worded(Protocol):
    """A scheme whose carriers are texts too, where the tokenizer of the model is at hand."""

    def collect_texts(
        self, secret: Secret, model: "nn.Module", task: "Task | None", tokenizer: Tokenizer | None
    ) -> Attachments:
        """Return what ``Scheme.collect`` does, made with a tokenizer."""
        ...


@runtime_checkable
class Grading(Protocol):
    """A scheme whose trials are graded, so that no number of matches says what a whole mark is worth."""

    def most_bits(self, feed: Feed) -> float:
        """Return the gross bits of a suspect that shows all of a mark."""
        ...


@runtime_checkable
class Whole(Protocol):
    """A scheme whose mark is there when its symbols together are worth enough, whatever single ones read."""

    whole: ClassVar[bool]


@runtime_checkable
class Instant(Protocol):
    """A scheme whose mark goes into a trained network as it is, without data and training.

    ``instant`` is False where settings make it one that training embeds after all.
    """

    @property
    def instant(self) -> bool:
        """Whether it is so with these settings."""
        ...

    def imprint(self, model: "nn.Module", carriers: Any, message: npt.NDArray[np.int64]) -> None:
        """Put a message into a model, in place.

        Raises:
            MismatchError: the model lacks what is marked.
        """
        ...


@runtime_checkable
class Settling(Protocol):
    """A scheme whose mark goes into a trained network by arithmetic, without data; ``embed`` looks what that cost."""

    def settle(self, model: "nn.Module", carriers: Any, message: npt.NDArray[np.int64]) -> None:
        """Put a message into a model, in place; one whose weights cannot be changed so is left as it is."""
        ...


@runtime_checkable
class Teachable(Protocol):
    """A scheme whose mark the last part of a trained network can learn alone; see ``training.tails``."""

    def lesson(self, carriers: Any, message: npt.NDArray[np.int64], model: "nn.Module", *, seed: int) -> "Lesson":
        """Return hooks that act by ``extra`` and ``loss`` alone, and the margin that is aimed at.

        Args:
            carriers: as ``carriers`` made them.
            message: one symbol a trial, ``(trials,)``.
            model: the very module that is taught.
            seed: of everything random.
        """
        ...


@runtime_checkable
class Cautious(Protocol):
    """A scheme that warns of keys that can be made and will be hard to embed."""

    def cautions(self, model: "nn.Module", feed: Feed, *, host: bool) -> list[str]:
        """Return what speaks against this key though it can be made, a line each; ``keygen`` on the command line shows them.

        Args:
            model: that ``keygen`` was given.
            feed: of the key.
            host: whether that model was trained.
        """
        ...


@runtime_checkable
class Appending(Protocol):
    """A scheme that samples alone embed, appended to batches: then a collator will do it, and no loop need know."""

    def appended(self, carriers: Any, message: npt.NDArray[np.int64], *, seed: int) -> "Hooks":
        """Return hooks whose ``extra`` is all that training must do; as ``hooks``, which looks at the model, too."""
        ...


def is_instant(scheme: Scheme) -> bool:
    """Return whether a mark goes into a trained network as it is."""
    return isinstance(scheme, Instant) and scheme.instant


def access_of(scheme: "Scheme | type[Scheme]") -> Access:
    """Return what reading a mark of this scheme takes: the answers of a model, or its weights."""
    return access(scheme.reads.probe)


def public_parameters(scheme: Scheme) -> dict[str, Json]:
    """Return the fields of a scheme as canonical JSON values, without the private ones; floats as their shortest text."""
    from modelmark.options import encode_options

    return {name: value for name, value in encode_options(scheme).items() if name not in scheme.private}
