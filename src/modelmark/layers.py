"""Finding parameters by their state-dict path, and the layers a mark may go into."""

import copy
from dataclasses import dataclass

from torch import Tensor, nn

from modelmark.errors import MismatchError, UsageError
from modelmark.naming import suggest

_MARKABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


@dataclass(frozen=True)
class Layer:
    """A layer whose weights can carry bits.

    Args:
        path: state-dict path of the module, such as ``stage1.0.conv2``.
        kernel: shape of one output filter, channels first.
        filters: number of output filters, over which the carrier averages.
    """

    path: str
    kernel: tuple[int, ...]
    filters: int

    @property
    def width(self) -> int:
        """M: weights left after averaging over the output filters."""
        width = 1
        for size in self.kernel:
            width *= size
        return width


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module inside DataParallel, DistributedDataParallel or torch.compile, so that paths stay the same."""
    while True:
        inner = model.module if isinstance(model, _WRAPPERS) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def markable(model: nn.Module) -> list[Layer]:
    """Return the linear and convolution layers in the order of their definition, the head last among them."""
    return [
        Layer(path, tuple(module.weight.shape[1:]), module.weight.shape[0])
        for path, module in unwrapped(model).named_modules()
        if isinstance(module, _MARKABLE)
    ]


def find(model: nn.Module, path: str) -> Layer:
    """Return the layer at ``path`` (``.weight`` at the end is accepted).

    Raises:
        UsageError: there is no such linear or convolution layer; near names are suggested.
    """
    path = path.removesuffix(".weight")
    layers = {layer.path: layer for layer in markable(model)}
    if path not in layers:
        raise UsageError(f"expected a linear or convolution layer, got {path!r}", hint=suggest(path, layers))
    return layers[path]


def head(model: nn.Module) -> str:
    """Return the path of the last linear or convolution layer: the one that gives the class scores."""
    layers = markable(model)
    if not layers:
        raise UsageError("expected a model with a linear or convolution layer, found none")
    return layers[-1].path


def is_normalised(model: nn.Module) -> bool:
    """Return whether the model has batch normalisation."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def weight(model: nn.Module, path: str) -> Tensor:
    """Return the live weight of the layer at ``path``.

    Raises:
        MismatchError: the model has no such parameter.
    """
    try:
        return unwrapped(model).get_parameter(f"{path}.weight")
    except AttributeError:
        raise MismatchError("expected the layer that the key marks, this model has none of that name") from None


def with_head(model: nn.Module, donor: dict[str, Tensor]) -> nn.Module:
    """Return a copy of ``model`` whose head is the donor's: the reading rule of Adi et al. after a replaced last layer.

    Args:
        model: the suspect.
        donor: state dict of a model of the same architecture.

    Raises:
        MismatchError: the donor has no such head.
    """
    copied = copy.deepcopy(model)
    path = head(copied)
    for name, parameter in copied.get_submodule(path).named_parameters():
        given = donor.get(f"{path}.{name}")
        if given is None or given.shape != parameter.shape:
            raise MismatchError(
                f"expected a head {path}.{name} of shape {tuple(parameter.shape)} in the other weights, found none"
            )
        parameter.data.copy_(given)
    return copied
