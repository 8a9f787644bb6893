"""Marks of ``field`` whose coordinates a function of the owner's says, such as a public encoder. Loads without torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelmark.errors import UsageError
from modelmark.marks.marks import Mark
from modelmark.schemes.field import Field

if TYPE_CHECKING:
    from torch import nn

    from modelmark.schemes._field_along import Along
    from modelmark.training.hooks import Hooks


@dataclass(frozen=True)
class Leaning(Mark):
    """A mark with the function; it is embedded as any other.

    Args:
        function: the one that ``Field.prepared`` was given.
    """

    function: "Along | None" = None

    def hooks(self, model: "nn.Module", *, seed: int = 0) -> "Hooks":
        """Return the hooks that train ``model`` to lean."""
        scheme = self.key.scheme
        assert isinstance(scheme, Field)
        scheme.check(model, self.key.feed)
        return scheme.leaning(self.carriers, self.message, self.function)  # type: ignore[arg-type]


def along(mark: Mark, function: "Along") -> Leaning:
    """Return a ``field`` mark that can be embedded though its coordinates are of the owner's own function.

    Args:
        mark: of a key with ``coordinates="own"``, which does not hold the function: reading needs none.
        function: the one that ``Field.prepared`` was given, from inputs as ``forward`` takes them to numbers of each, ``(N, M)``.

    Raises:
        UsageError: a mark of another scheme, or of other coordinates.
    """
    scheme = mark.key.scheme
    if not isinstance(scheme, Field) or scheme.coordinates != "own":
        got = f"field of {scheme.coordinates}" if isinstance(scheme, Field) else scheme.name
        raise UsageError(f"expected a mark of field with coordinates of one's own, got {got}")
    return Leaning(mark.key, mark.draw, function)
