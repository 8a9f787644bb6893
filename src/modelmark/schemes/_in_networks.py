"""``spread`` in networks at hand: a layer's weight as filters, and hooks that mark what training ends with."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelmark.carriers.spread import Runs
from modelmark.networks import layers, shards
from modelmark.schemes import _pushing, spread
from modelmark.training.hooks import Hooks


def kind_of(weight: Tensor) -> str:
    """Return the type of a weight as ``_pushing.rounded`` calls it, an empty word of one that cannot be marked."""
    return spread.KINDS.get(str(weight.dtype).removeprefix("torch."), "")


class AtTheEnd(Hooks):
    """Training is left as it is; the weights that it ends with are pushed."""

    def __init__(self, carriers: Runs, message: npt.NDArray[np.int64], strength: float) -> None:
        super().__init__()
        self._carriers, self._message, self._strength = carriers, message, strength

    def finish(self, model: nn.Module) -> None:
        """Push the weights."""
        spread.imprint(model, self._carriers, self._message, self._strength)

    def margins(self, model: nn.Module) -> Tensor:
        """Return each bit's sum, read blind, in deviations of chance."""
        return torch.from_numpy(
            _pushing.standing(self._carriers, self._message, spread.sheets(model, self._carriers)).deviations
        )


@dataclass(frozen=True, eq=False)
class Sheet:
    """A layer's weight in a network, whatever way it lies in memory."""

    weight: Tensor
    layer: layers.Layer

    def __len__(self) -> int:
        return self.layer.filters

    @property
    def together(self) -> int:
        """See ``_pushing.Sheet``."""
        return 1 if self.layer.layout.stacked else math.prod(self.layer.kernel[1:])

    @property
    def _rows(self) -> Tensor:
        return self.weight.permute(self.layer.layout.order(self.weight.dim()))

    def __getitem__(self, part: slice) -> npt.NDArray[np.floating]:
        cut = shards.is_cut(self.weight)
        found = (
            shards.rows(self.weight, self.layer.layout, part)
            if cut
            else self._rows.reshape(self.layer.filters, -1)[part]
        ).cpu()
        wide = found if found.dtype in (torch.float32, torch.float64) else found.float()
        return wide.contiguous().numpy()

    def put(self, part: slice, values: _pushing.Reals, words: _pushing.Words) -> None:
        """Write filters; see ``_pushing.Sheet.put``."""
        kind = kind_of(self.weight)
        new = torch.from_numpy(_pushing.rounded(values, words, kind).copy())
        new = (new.view(torch.bfloat16) if kind == "bf16" else new).to(self.weight.device)
        if shards.is_cut(self.weight):
            shards.put(self.weight, self.layer.layout, part, new)
            return
        rows = self._rows
        if self.layer.layout.stacked:
            whole = rows.reshape(self.layer.filters, -1).clone()
            whole[part] = new
            rows.copy_(whole.reshape(rows.shape))
        else:
            rows[part] = new.reshape(-1, *rows.shape[1:])
