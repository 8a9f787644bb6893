"""What a network returns, as scores: a tensor, an object with ``logits``, a dictionary, a tuple."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from modelmark.errors import SuspectError

_NAMES = ("logits", "out", "scores", "output")
"""In the order in which they are looked for: Hugging Face, torchvision's segmentation, and what people write."""

_FEATURES = ("last_hidden_state", "pooler_output")
"""What Hugging Face's networks without a head return."""


def scores(output: Any) -> Tensor:
    """Return the scores in what ``forward`` returned, ``(N, classes)`` or, of a sequence, ``(N, classes, L)``.

    Taken are a tensor; the ``logits`` of an object, as Hugging Face's models return it; of a dictionary ``logits``, ``out``,
    ``scores`` or ``output``, or its only tensor; of a tuple the first tensor, as networks with a second head return it while
    they are trained. Three axes are a sequence's, ``(N, L, vocabulary)``: classes come second here, where losses and ``argmax``
    look for them.

    Raises:
        SuspectError: there is no tensor in it, or several and none has such a name.
    """
    found = _tensor(output)
    return found.movedim(-1, 1) if found.dim() == 3 else found


def _tensor(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    named = output if isinstance(output, Mapping) else {name: getattr(output, name, None) for name in _NAMES}
    for name in _NAMES:
        found = named.get(name)
        if isinstance(found, Tensor):
            return found
    if isinstance(output, Mapping):
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        if len(tensors) == 1 and not any(name in output for name in _FEATURES):
            return tensors[0]
        kind = f"a dictionary of {', '.join(map(str, list(output)[:8]))}"
    elif isinstance(output, tuple | list) and output:
        return _tensor(output[0])
    else:
        kind = type(output).__name__
    raise SuspectError(
        f"expected scores from the network, got {kind}"[:200],
        hint="a head for classes or tokens gives them: a tensor, an object with .logits, or a dictionary with 'logits'",
    )
