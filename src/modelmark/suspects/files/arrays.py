"""Where torch's tensors and numpy's arrays meet: types that numpy lacks are those of ``ml_dtypes``."""

from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array: TypeAlias = npt.NDArray[Any]

_WIDER = {
    torch.bfloat16: ml_dtypes.bfloat16, torch.float8_e4m3fn: ml_dtypes.float8_e4m3fn, torch.float8_e5m2: ml_dtypes.float8_e5m2,
    torch.float8_e4m3fnuz: ml_dtypes.float8_e4m3fnuz, torch.float8_e5m2fnuz: ml_dtypes.float8_e5m2fnuz,
    torch.float8_e8m0fnu: ml_dtypes.float8_e8m0fnu,
}  # fmt: skip


def array(tensor: Tensor) -> Array:
    """Return a tensor as an array; it shares the memory where that lies in order."""
    if tensor.dtype not in _WIDER:
        return tensor.detach().numpy()
    whole = tensor.detach().contiguous()
    found: Array = (whole.view(torch.uint8) if whole.element_size() == 1 else whole.view(torch.int16)).numpy()
    return found.view(_WIDER[tensor.dtype])


def tensor(found: Array) -> Tensor:
    """Return an array of numbers that numpy itself has as a tensor; it shares the memory."""
    return torch.from_numpy(np.asarray(found))
