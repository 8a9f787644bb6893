"""Everything modelmark can refuse, and the exit status each refusal has on the command line.

::

    ModelmarkError                 4
     ├─ NotEmbeddedError           1  the mark did not take
     ├─ DivergedError              1  the training loss is no longer a number
     ├─ WorkerDiedError            4  a process was killed while it measured
     ├─ UsageError                 2  the request cannot be carried out as said
     │   ├─ OutputExistsError      2  an output would overwrite a file
     │   ├─ MissingPackageError    2  a package that is not always installed; the hint says how
     │   └─ CapacityError          2  the key is too small for the bar, or too large for its layer
     └─ RefusedError               3  something that came from outside is not what it should be
         ├─ MalformedError         3  a file that is not canonical, truncated, tampered with or too large
         ├─ PassphraseError        3  the passphrase does not open the key
         ├─ MismatchError          3  a key, a model and data that do not belong together
         └─ SuspectError           3  a suspect that does not answer as a classifier does

A message is one line: what was expected, then what came. ``hint`` holds the usual cause, if it is known.
"""


class ModelmarkError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: one line, ``expected X, got Y``.
        hint: what to do about it, if known.
    """

    exit_status = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class CapacityWarning(UserWarning):
    """A message that may be too long for its layer; embedding is tried all the same."""


class NotEmbeddedError(ModelmarkError):
    """Training ended and the mark is not in the model with the margin it needs."""

    exit_status = 1


class DivergedError(ModelmarkError):
    """The training loss is no longer a number."""

    exit_status = 1


class WorkerDiedError(ModelmarkError):
    """A process was killed while it measured; what it was at is not known."""

    exit_status = 4


class UsageError(ModelmarkError):
    """The request cannot be carried out as it was said."""

    exit_status = 2


class OutputExistsError(UsageError):
    """An output would overwrite a file that exists."""


class MissingPackageError(UsageError):
    """A package that only this needs is not installed; the hint says how to install it."""


class CapacityError(UsageError):
    """A key too small to reach the bar, or a message too long for its layer."""


class RefusedError(ModelmarkError):
    """Something from outside is not what it should be."""

    exit_status = 3


class MalformedError(RefusedError):
    """A file that is missing, truncated, tampered with, not canonical or too large."""


class PassphraseError(RefusedError):
    """The passphrase does not open the key, or none was given."""


class MismatchError(RefusedError):
    """A key, a model and data that do not belong together."""


class SuspectError(RefusedError):
    """A suspect that does not answer as a classifier does."""
