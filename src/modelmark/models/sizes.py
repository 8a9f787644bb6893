"""Refuse, in one line, an image too small for a network's pooling."""

from modelmark.errors import MismatchError


def at_least(arch: str, input_shape: tuple[int, int, int], side: int) -> None:
    """Raise unless both sides of the image are ``side`` or more.

    Raises:
        MismatchError: the image is smaller.
    """
    _, height, width = input_shape
    if min(height, width) < side:
        raise MismatchError(
            f"expected images of at least {side}x{side} for {arch}, got {height}x{width}",
            hint="cnn works from 4x4, mlp and resnet18 at any size",
        )
