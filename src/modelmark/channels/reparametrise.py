"""The same function with other weights: channels reordered and rescaled, layers of other widths."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modelmark.channels.description import Channels, Junction, Port
from modelmark.errors import MismatchError
from modelmark.networks.layers import unwrapped

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = nn.modules.batchnorm._BatchNorm


def reparametrised(
    model: nn.Module,
    channels: Channels,
    *,
    orders: Mapping[int, Tensor] | None = None,
    scales: Mapping[int, Tensor] | None = None,
) -> nn.Module:
    """Return a copy of ``model`` in evaluation mode that computes the same function; arguments as in ``transformed``."""
    copied = copy.deepcopy(model)
    inner = unwrapped(copied)
    inner.load_state_dict(transformed(inner, channels, orders=orders, scales=scales))
    return copied.eval()


def transformed(
    model: nn.Module,
    channels: Channels,
    *,
    orders: Mapping[int, Tensor] | None = None,
    scales: Mapping[int, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return the state of ``model`` in other coordinates: channel ``c`` of a tensor becomes ``old[order[c]] / scale[c]``.

    The function is the same up to rounding, batch norm's epsilon included, unless orders leave out channels that matter.

    Args:
        model: read only.
        channels: its description.
        orders: by axis, int64 ``(K,)``, the old place of every new channel; axes left out stay as they are.
        scales: by gauge, ``(K,)``, positive, or not zero where the gauge is signed; gauges left out stay as they are.
    """
    state = {name: tensor.detach().clone() for name, tensor in unwrapped(model).state_dict().items()}
    modules = dict(unwrapped(model).named_modules())
    for junction in channels.junctions:
        change = _Change(channels, junction, orders or {}, scales or {})
        module = modules[junction.path]
        changed = change.norm(state, module.eps) if isinstance(module, _NORMS) else change.layer(state)
        state |= {name: tensor.to(state[name].dtype) for name, tensor in changed.items()}
    return state


class _Change:
    """What happens to one layer."""

    def __init__(
        self, channels: Channels, junction: Junction, orders: Mapping[int, Tensor], scales: Mapping[int, Tensor]
    ) -> None:
        self._path = junction.path
        self._from, self._source = _expanded(channels, junction.source, orders, scales)
        self._to, self._output = _expanded(channels, junction.output, orders, scales)

    def layer(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        weight = state[f"{self._path}.weight"]
        device, rest = weight.device, (1,) * (weight.dim() - 2)
        picked = weight.double()[self._to.to(device)][:, self._from.to(device)]
        factors = self._source / self._output[:, None]
        changed = {f"{self._path}.weight": picked * factors.view(*factors.shape, *rest).to(device)}
        if (bias := state.get(f"{self._path}.bias")) is not None:
            changed[f"{self._path}.bias"] = bias.double()[self._to.to(device)] / self._output.to(device)
        return changed

    def norm(self, state: Mapping[str, Tensor], epsilon: float) -> dict[str, Tensor]:
        """Return the five tensors; the slope makes up for epsilon, which does not scale with the variance."""
        names = {name: f"{self._path}.{name}" for name in ("weight", "bias", "running_mean", "running_var")}
        device = state[names["weight"]].device
        order, source, output = self._to.to(device), self._source.to(device), self._output.to(device)
        slope, shift, mean, variance = (state[name].double()[order] for name in names.values())
        kept = ((variance + epsilon * source**2) / (variance + epsilon)).sqrt()
        return {
            names["weight"]: slope * source.sign() * kept / output,
            names["bias"]: shift / output,
            names["running_mean"]: mean / source,
            names["running_var"]: variance / source**2,
        }


def _expanded(
    channels: Channels, port: Port, orders: Mapping[int, Tensor], scales: Mapping[int, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return order and scale of the features at ``port``, ``block`` of them for every channel."""
    order = orders.get(port.axis, torch.arange(channels.axes[port.axis].size))
    scale = scales.get(port.gauge, torch.ones(len(order)))
    features = order[:, None] * port.block + torch.arange(port.block)
    return features.flatten(), scale.double().repeat_interleave(port.block)


def resized(host: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of ``host`` whose linear, convolution and batch norm layers have the widths of ``state``, loaded.

    Args:
        host: of the same layers with, perhaps, other widths; read only.
        state: tensors by state-dict path.

    Raises:
        MismatchError: names or ranks differ, or a tensor that cannot change its shape has another one.
    """
    copied = copy.deepcopy(unwrapped(host))
    expected = copied.state_dict()
    if different := sorted(expected.keys() ^ state.keys()):
        raise MismatchError(f"expected weights for this architecture, got other names, such as {different[0]}")
    for name in expected:
        tensor = state[name]
        if tensor.dim() != expected[name].dim() or tensor.shape[2:] != expected[name].shape[2:]:
            raise MismatchError(
                f"expected {name} like {tuple(expected[name].shape)} but for widths, got {tuple(tensor.shape)}"
            )
    for path, module in copied.named_modules():
        if isinstance(module, (*_LAYERS, _NORMS)):
            _resize(module, {name: state[f"{path}.{name}" if path else name] for name in module.state_dict()})
    try:
        copied.load_state_dict(state)
    except RuntimeError:
        raise MismatchError(
            "expected weights for this architecture, got other shapes in a layer of fixed size"
        ) from None
    return copied


def _resize(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if name in module._parameters:
            parameter = module.get_parameter(name)
            parameter.data = parameter.new_empty(tensor.shape)
        elif name in module._buffers:
            setattr(module, name, module.get_buffer(name).new_empty(tensor.shape))
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
    elif isinstance(module, _NORMS) and module.affine:
        module.num_features = len(module.weight)
