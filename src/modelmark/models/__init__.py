"""The networks modelmark can build by name, always from a seed and always checked against the data's shape.

Importing this package does not import torch: the table holds names, and a network's file is imported when it is built.
"""

import importlib
import inspect
import math
from typing import TYPE_CHECKING, Any

from modelmark.errors import MismatchError, UsageError
from modelmark.models import hugging
from modelmark.models.hugging import recorded, shown
from modelmark.naming import import_object, suggest

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "build", "numbers", "recorded", "shapes", "shown"]

#: Name on the command line -> where its factory ``(input_shape, classes) -> nn.Module`` is.
ARCHITECTURES: dict[str, str] = {
    "mlp": "modelmark.models.mlp:mlp",
    "cnn": "modelmark.models.cnn:cnn",
    "lenet5": "modelmark.models.lenet:lenet5",
    "vgg16": "modelmark.models.vgg:vgg16",
    "resnet8": "modelmark.models.resnet_small:resnet8",
    "resnet18": "modelmark.models.resnet:resnet18",
    "preact-resnet18": "modelmark.models.resnet:preact_resnet18",
    "wrn-10-4": "modelmark.models.wrn:wrn_10_4",
}


def build(
    arch: str, input_shape: tuple[int, ...], classes: int, *, seed: int, trusted: bool = False, vocabulary: int = 0
) -> "nn.Module":
    """Build a network initialised from ``seed``; torch's global CPU generator is left as it was.

    Args:
        arch: a name in ``ARCHITECTURES``, ``module:factory`` for a factory without arguments, or ``hf:`` and a folder or a
            configuration; see ``models.hugging``.
        input_shape: channels, height and width of one image; tokens of one row.
        classes: number of outputs.
        seed: equal seeds give equal bytes.
        trusted: a person typed ``arch``; without it no ``module:factory`` is imported, since importing runs code.
        vocabulary: how many tokens there are; 0 where inputs are no tokens.

    Raises:
        UsageError: no such network, an untrusted ``module:factory``, or one that makes no ``nn.Module``.
        SuspectError: what it returns holds no scores.
        MismatchError: the network does not map inputs of this shape to this many classes.
        MalformedError: a configuration of no network that transformers knows.
    """
    from modelmark.seeding import seeded  # which imports torch

    if min(*input_shape, classes) < 1:
        raise UsageError(f"expected sizes of at least 1, got input {tuple(input_shape)} and {classes} classes")
    with seeded(seed):
        model = _made(arch, tuple(input_shape), classes, trusted)
        _check(model, tuple(input_shape), classes, vocabulary)
    return model


def numbers(arch: str, input_shape: tuple[int, ...], classes: int) -> int:
    """Return how many numbers the tensors of a network in ``ARCHITECTURES``, or of a configuration, hold; nothing is allocated.

    Raises:
        UsageError: no such network.
        MismatchError: it cannot be built for these sizes, which torch cannot even count.
    """
    if arch.startswith(hugging.PREFIX):
        return hugging.numbers(arch)
    return sum(map(math.prod, shapes(arch, input_shape, classes).values()))


def shapes(arch: str, input_shape: tuple[int, ...], classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network in ``ARCHITECTURES`` by state-dict path; nothing is allocated.

    Raises:
        UsageError: no such network.
        MismatchError: it cannot be built for these sizes, which torch cannot even count.
    """
    import torch

    try:
        with torch.device("meta"):
            model = _known(arch)(tuple(input_shape), classes)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise MismatchError(
            f"expected sizes that {arch} can have, got inputs {input_shape} and {classes} classes"
        ) from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _made(arch: str, input_shape: tuple[int, ...], classes: int, trusted: bool) -> "nn.Module":
    if arch.startswith(hugging.PREFIX):
        return hugging.build(arch, trusted=trusted)
    made: nn.Module = _custom(arch, trusted) if ":" in arch else _known(arch)(input_shape, classes)
    return made


def _known(arch: str) -> Any:
    if arch not in ARCHITECTURES:
        raise UsageError(f"expected a known architecture, got {arch!r}", hint=suggest(arch, ARCHITECTURES))
    module_name, _, function = ARCHITECTURES[arch].partition(":")
    return getattr(importlib.import_module(module_name), function)


def _custom(arch: str, trusted: bool) -> "nn.Module":
    from torch import nn

    if not trusted:
        raise UsageError(
            f"expected a built-in architecture, got {arch!r}, which would import and run code",
            hint=f"if you trust it, repeat it on the command line: --arch {arch}",
        )
    factory = import_object(arch)
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise UsageError(f"expected {arch!r} to be callable without arguments: {error}") from error
    except ValueError:  # some callables written in C have no signature; the call below decides
        pass
    try:
        model = factory()
    except Exception as error:  # a person's own code may raise anything
        raise UsageError(f"expected {arch!r} to make a network, it raised {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"expected {arch!r} to return a torch.nn.Module, got {type(model).__name__}")
    return model


def _check(model: "nn.Module", input_shape: tuple[int, ...], classes: int, vocabulary: int) -> None:
    """Run two blank inputs through ``model``, in evaluation mode, and look at the shape that comes out."""
    import torch

    from modelmark.networks.calling import call, require_room
    from modelmark.networks.outputs import scores

    first = next(model.parameters(), None)
    device = None if first is None else first.device
    if vocabulary:
        require_room(model, vocabulary, input_shape[0])
        inputs = torch.full((2, *input_shape), vocabulary - 1, device=device)
    else:
        inputs = torch.zeros(2, *input_shape, device=device)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            output = call(model, inputs)
    except Exception as error:  # a person's own code may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MismatchError(f"expected a network for inputs {input_shape}, got an error: {reason}") from error
    finally:
        for module, training in modes:
            module.training = training
    shape = tuple(scores(output).shape)
    if shape[:2] != (2, classes):
        raise MismatchError(
            f"expected a network with {classes} outputs, as the data has classes, got {shape} for two inputs"
        )
    if first is None:
        raise UsageError("expected a network with parameters, got one without")
