"""The stolen model and the published one that it was trained on from."""

from collections.abc import Sequence

from torch import nn

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
