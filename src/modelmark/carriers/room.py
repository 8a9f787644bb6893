"""Arrays that are used again for block after block: fresh memory costs as much time as what is computed in it."""

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)


class Room:
    """Arrays by name, as large as the largest that was asked for; what was in one is lost when it is asked for again."""

    def __init__(self) -> None:
        self._held: dict[str, npt.NDArray[Any]] = {}

    def array(self, name: str, shape: int | tuple[int, ...], dtype: type[T]) -> npt.NDArray[T]:
        """Return an array of this name, not initialised.

        Args:
            name: always with the same type.
            shape: of it.
            dtype: of its numbers.
        """
        count = shape if isinstance(shape, int) else math.prod(shape)
        held = self._held.get(name)
        if held is None or held.size < count:
            held = self._held[name] = np.empty(count, dtype)
        found: npt.NDArray[T] = held[:count].reshape(shape)
        return found
