"""What owner and judge must agree on before any number means anything: input shape, classes, class map, preprocessing."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelmark import canonical, hashing
from modelmark.canonical import Json

FULL_SCALE = 255
UNIT = 10_000
"""``mean`` and ``std`` are integers, in ten-thousandths of full scale."""


@dataclass(frozen=True)
class Interface:
    """How a model is fed and what its outputs mean; part of every key and under its commitment.

    Args:
        input_shape: shape of one input, channels first, such as ``(3, 32, 32)``.
        class_names: the class map, in label order.
        mean: per channel, in ten-thousandths of full scale; ``(1307,)`` for MNIST.
        std: likewise, all positive.
    """

    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    mean: tuple[int, ...] = (0,)
    std: tuple[int, ...] = (UNIT,)

    def __post_init__(self) -> None:
        if not self.input_shape or min(self.input_shape) < 1:
            raise ValueError(f"expected an input shape of positive sizes, got {self.input_shape}")
        if len(self.class_names) < 2:
            raise ValueError(f"expected at least two classes, got {len(self.class_names)}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.input_shape[0]):
                raise ValueError(f"expected one {name} or one per channel ({self.input_shape[0]}), got {len(values)}")
        if min(self.std) < 1:
            raise ValueError(f"expected positive std, got {self.std}")

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def to_json(self) -> dict[str, Json]:
        """Return the fields as they stand in a key file."""
        return {
            "input_shape": list(self.input_shape),
            "class_names": list(self.class_names),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_json(cls, value: dict[str, Sequence[int] | Sequence[str]]) -> "Interface":
        """Return the interface that ``to_json`` described."""
        return cls(
            input_shape=tuple(int(size) for size in value["input_shape"]),
            class_names=tuple(str(name) for name in value["class_names"]),
            mean=tuple(int(part) for part in value["mean"]),
            std=tuple(int(part) for part in value["std"]),
        )

    def public(self) -> dict[str, Json]:
        """Return what the public statement says: the class map as a digest, the rest openly."""
        return {
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "class_map": hashing.digest("class-map", canonical.encode(list(self.class_names))).hex(),
            "mean": list(self.mean),
            "std": list(self.std),
            "full_scale": FULL_SCALE,
        }
