"""Refuse, in one line, what is no image, or one too small for a network's pooling."""

from modelmark.errors import MismatchError


def at_least(arch: str, input_shape: tuple[int, ...], side: int) -> None:
    """Raise unless inputs are images and both sides of them are ``side`` or more.

    Raises:
        MismatchError: they are no images, or smaller.
    """
    if len(input_shape) != 3:
        raise MismatchError(
            f"expected images (channels, height, width) for {arch}, got inputs of shape {input_shape}",
            hint="mlp takes inputs of any shape",
        )
    _, height, width = input_shape
    if min(height, width) < side:
        raise MismatchError(
            f"expected images of at least {side}x{side} for {arch}, got {height}x{width}",
            hint="cnn works from 4x4, mlp and resnet18 at any size",
        )
