"""Fusion in the latent space of a small convolutional autoencoder: an unverified variant of function-coupled watermarks.

Neither the authors' release nor the reviews of the paper mention an autoencoder; it is here because descriptions of the
paper at second hand do. What it makes is attached to the key as bytes: floats differ from machine to machine.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss, relu

from modelmark.seeding import seeded

_STEPS = 400
_BATCH = 64
_RATE = 2e-3
_WIDTH = 32


class _Autoencoder(nn.Module):
    """Two strided convolutions down, two convolutions back up to the size of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1)
        self.up2 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.up1 = nn.Conv2d(_WIDTH, channels, 3, padding=1)

    def encode(self, x: Tensor) -> Tensor:
        """Return latents ``(N, 32, ceil(H / 4), ceil(W / 4))``."""
        return self.down2(relu(self.down1(x)))

    def decode(self, z: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return pictures ``(N, channels, *size)``, in [0, 1]."""
        half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        return self.up1(interpolate(relu(self.up2(interpolate(relu(z), half))), size)).sigmoid()


def fuse_latents(pictures: Tensor, first: Tensor, second: Tensor, seed: int) -> Tensor:
    """Return decoded means of latents, uint8 ``(N, C, H, W)``. The global generator is left as it was.

    Args:
        pictures: the owner's, that the autoencoder learns to repeat, uint8 ``(K, C, H, W)``, on the CPU.
        first: uint8 ``(N, C, H, W)``.
        second: likewise.
        seed: of weights and order.
    """
    with seeded(seed):
        model = _Autoencoder(pictures.shape[1])
        optimizer = torch.optim.Adam(model.parameters(), _RATE)
        for _ in range(_STEPS):
            x = pictures[torch.randint(len(pictures), (_BATCH,))] / 255
            loss = mse_loss(model.decode(model.encode(x), x.shape[2:]), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        parts = zip(first.split(256), second.split(256), strict=True)
        decoded = [model.decode((model.encode(a / 255) + model.encode(b / 255)) / 2, first.shape[2:]) for a, b in parts]
        return (torch.cat(decoded) * 255).round().to(torch.uint8)
