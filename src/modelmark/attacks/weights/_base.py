"""The stolen model and the published one that it was trained on from; and the numbers of a model, each once."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from modelmark.errors import UsageError


def pair(models: Sequence[nn.Module]) -> tuple[nn.Module, nn.Module]:
    """Return the stolen model and its base.

    Raises:
        UsageError: not two models, or two of different architectures.
    """
    if len(models) != 2:
        raise UsageError(
            f"expected the stolen model and the base that it was trained on from, got {len(models)} models"
        )
    stolen, base = models
    first, second = ({name: value.shape for name, value in model.state_dict().items()} for model in models)
    if first != second:
        raise UsageError("expected a base of the stolen model's architecture, got different parameters")
    return stolen, base


def floats(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the live floating-point tensors of a model's state, one that is tied to others under its first name alone.

    What is changed in place under each of its names would be changed once for each of them.
    """
    seen = set()
    for name, value in model.state_dict().items():
        place = (value.data_ptr(), value.shape, value.stride())
        if value.is_floating_point() and (place not in seen or value.numel() == 0):
            seen.add(place)
            yield name, value
