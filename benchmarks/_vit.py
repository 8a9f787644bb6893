"""A small vision transformer of plain linear layers, for studies: no network of the package has attention."""

import torch
from torch import Tensor, nn

PATCH = 4


class Block(nn.Module):
    """Attention and a perceptron, each behind a layer norm.

    Args:
        width: of the stream.
        heads: of attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream after the block, ``(N, tokens, width)``."""
        normed = self.before(x)
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731
        mixed = nn.functional.scaled_dot_product_attention(
            split(self.query(normed)), split(self.key(normed)), split(self.value(normed))
        )
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(torch.relu(self.up(self.after(x))))


class Vit(nn.Module):
    """Patches, blocks, the mean over patches, a head.

    Args:
        channels: of the pictures.
        size: of their sides, in pixels.
        classes: number of them.
        width: of the stream.
        depth: number of blocks.
    """

    def __init__(self, channels: int, size: int, classes: int, width: int = 384, depth: int = 6) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        self.place = nn.Parameter(0.02 * torch.randn((size // PATCH) ** 2, width))
        self.blocks = nn.Sequential(*(Block(width, width // 64) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, ``(N, classes)``."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.norm(self.blocks(tokens)).mean(dim=1))


def vit(shape: tuple[int, ...], classes: int, *, seed: int) -> nn.Module:
    """Return a network with random weights for pictures of a shape ``(channels, side, side)``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Vit(shape[0], shape[-1], classes)
