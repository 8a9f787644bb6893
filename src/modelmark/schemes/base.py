"""What a scheme is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from modelmark.canonical import Json
from modelmark.hooks import Hooks
from modelmark.interface import Interface
from modelmark.secret import Secret
from modelmark.suspect import Suspect
from modelmark.task import Task

Carriers = Any
"""What a scheme derives and commits to: an array, or several in a type of the scheme's own."""

Attachments = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Symbols:
    """What a reading of a suspect gave.

    Args:
        values: one symbol per trial, shape ``(trials,)``.
        queries: inputs the suspect was asked for it.
        note: what the paper's own rule says, for literal variants.
    """

    values: npt.NDArray[np.int64]
    queries: int = 0
    note: str = ""


class Scheme(Protocol):
    """A way to mark models: a frozen dataclass whose fields are its hyperparameters.

    ``access`` is ``black-box`` or ``white-box``; ``private`` names the fields that the public statement conceals behind a
    salted commitment; ``reading`` says in the statement how a symbol is read. A scheme may also have the method that
    ``cautions`` asks.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    access: ClassVar[str]
    private: ClassVar[tuple[str, ...]]
    reading: ClassVar[str]

    @property
    def margin(self) -> float:
        """The margin every symbol needs before embedding is done."""
        ...

    def resolve(self, model: nn.Module, interface: Interface, attachments: Attachments) -> "Scheme":
        """Return the scheme with every default that depends on the model filled in.

        Raises:
            CapacityError: the message does not fit.
            UsageError: the model has no place for the mark.
        """
        ...

    def attach(self, secret: Secret, model: nn.Module, task: Task | None) -> Attachments:
        """Return what this resolved scheme's key must hold beside the secret, made once by ``keygen``.

        Args:
            secret: of the key.
            model: of the architecture to be marked; trained, where what is attached depends on its weights.
            task: the owner's data, if ``keygen`` was given any.

        Raises:
            UsageError: data is needed and was not given, or lacks what is needed.
        """
        ...

    def check(self, model: nn.Module, interface: Interface) -> None:
        """Raise MismatchError unless ``model`` can carry or hold a mark of this resolved scheme."""
        ...

    def shape(self, interface: Interface) -> tuple[int, int]:
        """Return the number of symbols and the size of their alphabet."""
        ...

    def objection(self) -> str:
        """Return why there is no exact test, or an empty string where there is one."""
        ...

    def carriers(self, secret: Secret, interface: Interface, attachments: Attachments) -> Carriers:
        """Return the carriers, the same on every machine; the first axis counts what is committed one by one."""
        ...

    def leaves(
        self, carriers: Carriers, secret: Secret, interface: Interface, attachments: Attachments
    ) -> Sequence[bytes]:
        """Return the bytes that the commitment's leaves hide, one leaf per carrier."""
        ...

    def chosen_message(
        self, secret: Secret, interface: Interface, attachments: Attachments
    ) -> npt.NDArray[np.int64] | None:
        """Return a message that was chosen rather than drawn, or None where the draw decides."""
        ...

    def hooks(
        self, carriers: Carriers, message: npt.NDArray[np.int64], model: nn.Module, interface: Interface, *, seed: int
    ) -> Hooks:
        """Return the hooks that put ``message`` into ``model``."""
        ...

    def extract(self, carriers: Carriers, suspect: Suspect, interface: Interface) -> Symbols:
        """Read the symbols from a suspect."""
        ...


def cautions(scheme: Scheme, model: nn.Module, interface: Interface, *, host: bool) -> list[str]:
    """Return what speaks against this key though it can be made, a line each; ``keygen`` on the command line shows them.

    Asks ``scheme.cautions(model, interface, host=host)``, which a scheme may leave out.

    Args:
        scheme: resolved.
        model: that ``keygen`` was given.
        interface: of the key.
        host: whether that model was trained.
    """
    own = getattr(scheme, "cautions", None)
    return list(own(model, interface, host=host)) if own else []


def public_parameters(scheme: Scheme) -> dict[str, Json]:
    """Return the fields of a scheme as canonical JSON values, without the private ones; floats as their shortest text."""
    from modelmark.options import encode_options

    return {name: value for name, value in encode_options(scheme).items() if name not in scheme.private}
