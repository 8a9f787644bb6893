"""A small convolutional autoencoder that a thief trains to repeat his own pictures."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss, relu

from modelmark.seeding import seeded

_WIDTH = 32
_BATCH = 64
_RATE = 2e-3


class Autoencoder(nn.Module):
    """Two strided convolutions down to ``code`` channels at a quarter of each side, three convolutions back up."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(_WIDTH, _WIDTH, 3, stride=2, padding=1)
        self.narrow = nn.Conv2d(_WIDTH, code, 1)
        self.widen = nn.Conv2d(code, _WIDTH, 1)
        self.up2 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.up1 = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.out = nn.Conv2d(_WIDTH, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pictures ``(N, C, H, W)`` as far as the code holds them, in [0, 1]."""
        size, half = x.shape[2:], ((x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2)
        code = self.narrow(relu(self.down2(relu(self.down1(x)))))
        y = relu(self.up2(interpolate(relu(self.widen(code)), half)))
        return self.out(relu(self.up1(interpolate(y, size)))).sigmoid()


def trained(pictures: Tensor, *, code: int, noise: float, steps: int, seed: int) -> Autoencoder:
    """Return an autoencoder that repeats pictures and takes noise off them, in evaluation mode, on their device.

    The global generators are left as they were.

    Args:
        pictures: the thief's, uint8 ``(K, C, H, W)``.
        code: channels of the code.
        noise: deviation of the noise in training, as a share of full scale.
        steps: of Adam, 64 pictures each.
        seed: of weights, order and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        model = Autoencoder(pictures.shape[1], code).to(pictures.device)
    optimizer = torch.optim.Adam(model.parameters(), _RATE)
    for _ in range(steps):
        x = pictures[torch.randint(len(pictures), (_BATCH,), generator=generator).to(pictures.device)] / 255
        spoilt = x + noise * torch.randn(x.shape, generator=generator).to(x.device)
        loss = mse_loss(model(spoilt.clamp(0, 1)), x)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval()


def repeated(model: Autoencoder, pictures: Tensor) -> Tensor:
    """Return what the autoencoder makes of pictures on the scale of 0 to 1, on their device."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return torch.cat([model(part.to(device)) for part in pictures.split(256)]).to(pictures.device)
