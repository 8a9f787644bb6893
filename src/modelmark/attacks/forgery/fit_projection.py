"""Ambiguity for white-box marks: a projection fitted to the model, so that any message reads perfectly."""

import hashlib
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn

from modelmark.attacks.base import Forgery, Thief
from modelmark.attacks.fields import Count, Within
from modelmark.attacks.results import Forged
from modelmark.errors import UsageError
from modelmark.feeds.tensors import Normalise
from modelmark.networks import layers, taps
from modelmark.training.task import Task


class FitProjection(Forgery):
    """Choose a message, then turn a random projection until the model's own numbers give it.

    ``sign`` flips the rows whose bit is wrong. ``least-squares`` makes the smallest change after which every bit is read with
    the margin one would get by embedding; it also fits several classes at once, as DeepSigns with s classes needs.

    Source: Fan et al. 2019, arXiv 1909.07830; they call such attacks ambiguity. Flipping rows or columns is in FedMark's lemma 1
    for Uchida's projections, and the same holds for those of DeepSigns.
    """

    forges = ("uchida", "deepsigns")
    schemes = ("uchida", "deepsigns")
    strengths = ({"scheme": "uchida"}, {"scheme": "deepsigns", "how": "least-squares", "bits": 20})

    scheme: Annotated[Literal["uchida", "deepsigns"], "whose mark is claimed"] = "uchida"
    how: Annotated[Literal["sign", "least-squares"], "how the projection is turned; sign fits one class"] = "sign"
    layer: Annotated[str, "path; empty: the widest before the head (Uchida), or the head, whose input counts"] = ""
    bits: Annotated[Count, "T, or N a class"] = 256
    classes: Annotated[int, Within(0), "s, which carry the message of DeepSigns; 0: ten at most"] = 0
    inputs: Annotated[Count, "of each class, from the thief's data"] = 20
    claims: Annotated[str, "the message is its SHAKE-256: proof that it was free to choose"] = "this model is mine"

    def check(self) -> None:
        """Raise ValueError if several classes of DeepSigns are to be fitted by sign."""
        if self.how == "sign" and self.scheme == "deepsigns" and self.classes > 1:
            raise ValueError(f"expected one class to fit by sign, got {self.classes}: least-squares fits several")

    def forge(self, claimed: nn.Module, forger: Thief) -> Forged:
        """Return the claim, with the fitted ``(bits, M)`` matrix attached as float32.

        Raises:
            UsageError: no such layer, more classes than units to fit, or a class without inputs.
        """
        generator, task = forger.generator(), forger.task
        if self.scheme == "uchida":
            path = layers.find(claimed, self.layer).path if self.layer else _widest(claimed)
            wanted = self._wanted(1)
            values = layers.weight(claimed, path).detach().mean(dim=0).flatten()[None].cpu().double()
            matrix = self._fitted(values, wanted, generator)
            settings = {"layer": path, "bits": self.bits, "width": values.shape[1], "message": "imported"}
            bits = wanted.flatten().numpy()
            return Forged("uchida", bits, settings, {"matrix": matrix.numpy(), "bits": bits.astype(np.uint8)})
        path = self.layer or layers.head(claimed)
        count = 1 if self.how == "sign" else self.classes or min(10, task.feed.classes)
        inputs = self._inputs(task, count)
        fed = Normalise(task.feed)(inputs.flatten(0, 1))
        values = taps.activations(claimed, path, fed).cpu().double().unflatten(0, inputs.shape[:2]).mean(dim=1)
        wanted = self._wanted(count)
        matrix = self._fitted(values, wanted, generator)
        settings = {"layer": path, "classes": count, "bits": self.bits, "width": (values.shape[1],)}
        attached = {"matrix": matrix.numpy(), "inputs": inputs.numpy(), "classes": np.arange(count)}
        return Forged("deepsigns", wanted.flatten().numpy(), settings, attached)

    def _wanted(self, rows: int) -> Tensor:
        """Return the message as bits, int64 ``(rows, bits)``."""
        stream = hashlib.shake_256(self.claims.encode()).digest(-(-rows * self.bits // 8))
        drawn = np.unpackbits(np.frombuffer(stream, np.uint8))[: rows * self.bits]
        return torch.from_numpy(drawn.astype(np.int64)).reshape(rows, self.bits)

    def _fitted(self, values: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
        """Return a matrix ``(bits, M)`` whose products with each of ``values`` ``(rows, M)`` have the wanted signs."""
        if len(values) > values.shape[1]:
            raise UsageError(f"expected at most {values.shape[1]} classes, one a unit of the layer, got {len(values)}")
        matrix = torch.randn(self.bits, values.shape[1], dtype=torch.float64, generator=generator)
        signs = (2 * wanted - 1).double().t()
        read = matrix @ values.t()
        if self.how == "sign":
            return (matrix * (read.sign() * signs)).float()
        goal = signs * read.abs().mean(dim=0)
        return (matrix + (goal - read) @ torch.linalg.pinv(values.t())).float()

    def _inputs(self, task: Task, count: int) -> Tensor:
        each = [task.train_inputs[task.labels == label].cpu() for label in range(count)]
        fewest = min((len(own) for own in each), default=0)
        if not fewest or count > task.feed.classes:
            raise UsageError(f"expected inputs of {count} classes in the thief's data, got fewer")
        return torch.stack([own[: min(self.inputs, fewest)] for own in each])


def _widest(model: nn.Module) -> str:
    before_head = layers.markable(model)[:-1]
    if not before_head:
        raise UsageError("expected a linear or convolution layer before the head, found none")
    return max(before_head, key=lambda layer: layer.width).path
