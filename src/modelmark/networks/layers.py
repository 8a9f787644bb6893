"""Finding parameters by their state-dict path, and the layers a mark may go into."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from modelmark.errors import MismatchError, UsageError
from modelmark.naming import suggest
from modelmark.suspects.places import LAYOUTS, Layout, Place, chosen

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


@dataclass(frozen=True)
class Layer:
    """A layer whose weights can carry bits.

    Args:
        path: state-dict path of the module, such as ``stage1.0.conv2``; of the parameter, where its name is not ``weight``.
        kernel: shape of one output filter, channels first.
        filters: number of output filters, over which the carrier averages.
        layout: how the parameter holds them.
    """

    path: str
    kernel: tuple[int, ...]
    filters: int
    layout: Layout = LAYOUTS["torch.nn.modules.linear.Linear"][0]

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


def places(model: nn.Module) -> list[Layer]:
    """Return every parameter that ``LAYOUTS`` knows, in the order of definition."""
    return [
        Layer(path if layout.parameter == "weight" else f"{path}.{layout.parameter}", kernel, filters, layout)
        for path, module in unwrapped(model).named_modules()
        for layout in _layouts(module)
        if _is_there(module, layout)
        for filters, kernel in (layout.size(getattr(module, layout.parameter).shape),)
    ]


def hidden(model: nn.Module) -> list[Layer]:
    """Return what can be marked before the head: linear and convolution layers, or where there is none all that hold filters."""
    last, found = head(model), markable(model)[:-1]
    return found or [layer for layer in places(model) if layer.layout.role != "embedding" and layer.path != last]


def _is_there(module: nn.Module, layout: Layout) -> bool:
    """Return whether a module has a parameter, as those with several layers and options may.

    Raises:
        UsageError: its size is not known yet.
    """
    found = getattr(module, layout.parameter, None)
    if isinstance(found, Tensor) and is_lazy(found):
        raise UsageError(
            f"expected layers of known sizes, a {type(module).__name__} takes its own from the first input",
            hint="run the model once",
        )
    return isinstance(found, Tensor)


def _layouts(module: nn.Module) -> tuple[Layout, ...]:
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__)
    return next((LAYOUTS[name] for name in names if name in LAYOUTS), ())


def markable(model: nn.Module) -> list[Layer]:
    """Return the linear and convolution layers in the order of their definition, the head last among them."""
    return [layer for layer in places(model) if layer.layout.role in ("linear", "conv")]


def find(model: nn.Module, path: str) -> Layer:
    """Return the layer at ``path`` (``.weight`` at the end is accepted).

    Raises:
        UsageError: there is no such layer; near names are suggested.
    """
    path = path.removesuffix(".weight")
    layers = {layer.path: layer for layer in places(model)}
    if path not in layers:
        raise UsageError(f"expected a linear or convolution layer, got {path!r}", hint=suggest(path, layers))
    return layers[path]


def candidates(model: nn.Module, place: Place) -> list[Layer]:
    """Return the layer at the place's path, or where there is none every layer of its size and role.

    Raises:
        MismatchError: there is none, or the one at the path has another width.
    """
    known = {layer.path: layer for layer in places(model)}
    sizes = {path: (layer.width, layer.layout.role) for path, layer in known.items()}
    return [known[path] for path in chosen(sizes, place)]


def head(model: nn.Module) -> str:
    """Return the path of the last linear or convolution layer: the one that gives the class scores."""
    layers = markable(model)
    if not layers:
        raise UsageError("expected a model with a linear or convolution layer, found none")
    return layers[-1].path


def is_normalised(model: nn.Module) -> bool:
    """Return whether the model has batch normalisation."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def is_convolved(model: nn.Module) -> bool:
    """Return whether the model convolves pictures."""
    return any(isinstance(module, nn.Conv2d) for module in model.modules())


def is_layer_normalised(model: nn.Module) -> bool:
    """Return whether the model normalises layers and not batches, as transformers do; every library names its own ``RMSNorm``."""
    norms = any(type(module).__name__.endswith(("LayerNorm", "RMSNorm")) for module in model.modules())
    return norms and not is_normalised(model)


def weight(model: nn.Module, path: str) -> Tensor:
    """Return the live weight of the layer at ``path``; one that is computed from others, such as a weight norm's, too.

    Raises:
        MismatchError: the model has no such parameter.
    """
    for parent, name in _split(path):
        try:
            found = _live(unwrapped(model).get_submodule(parent), name)
        except AttributeError:
            continue
        if isinstance(found, Tensor):
            return found
    raise MismatchError("expected the layer that the key marks, this model has none of that name") from None


def _live(module: nn.Module, name: str) -> object:
    """Return an attribute; a tensor that hooks compute before every pass as they would compute it now."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return hook.compute_weight(module)
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return hook.compute_weight(module, do_power_iteration=False)
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return hook.apply_mask(module)
    return getattr(module, name)


def _split(path: str) -> Iterator[tuple[str, str]]:
    yield path, "weight"
    parent, _, name = path.rpartition(".")
    yield parent, name


def rows(model: nn.Module, layer: Layer) -> Tensor:
    """Return the live weight of a layer with its filters first, ``(filters, *kernel)``; a view where that is possible."""
    found = weight(model, layer.path)
    if not (layer.layout.axis or layer.layout.stacked):
        return found
    return found.permute(layer.layout.order(found.dim())).reshape(layer.filters, *layer.kernel)


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
