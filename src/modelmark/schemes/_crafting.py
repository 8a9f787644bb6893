"""The owner's pictures moved by one step of the gradient's sign, in whole grey levels.

Source: Goodfellow, Shlens, Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015, arXiv 1412.6572 (FGSM).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from modelmark.feeds.base import Feed
from modelmark.feeds.pictures import FULL_SCALE
from modelmark.feeds.tensors import Normalise
from modelmark.networks import taps
from modelmark.networks.calling import scored
from modelmark.suspects.module import logits

_CHUNK = 256


def moved(model: nn.Module, pictures: Tensor, labels: Tensor, amount: int, feed: Feed) -> Tensor:
    """Return pictures moved to where the model likes their labels less, uint8 ``(N, *input_shape)``.

    Args:
        model: left as it was.
        pictures: uint8 ``(N, *input_shape)``.
        labels: ``(N,)``.
        amount: grey levels by which each pixel is moved at most; below zero: to where the labels are liked more.
        feed: of the pictures.
    """
    normalise, device, found = Normalise(feed), next(model.parameters()).device, []
    with taps.evaluating(model), taps.aside(), torch.enable_grad():
        for part, label in zip(pictures.split(_CHUNK), labels.split(_CHUNK), strict=True):
            x = normalise(part.to(device)).requires_grad_(True)
            loss = cross_entropy(scored(model, x), label.to(device), reduction="sum")
            (slope,) = torch.autograd.grad(loss, x)
            steps = amount * slope.sign().to(torch.int16).cpu()
            found.append((part.cpu().to(torch.int16) + steps).clamp(0, FULL_SCALE).to(torch.uint8))
    return torch.cat(found)


def answered(model: nn.Module, pictures: Tensor, feed: Feed) -> npt.NDArray[np.float32]:
    """Return the model's scores, ``(N, classes)``."""
    found: npt.NDArray[np.float32] = logits(model, Normalise(feed)(pictures)).float().cpu().numpy()
    return found
