"""The wide residual network WRN-10-4 that Uchida et al. mark."""

from torch import Tensor, nn
from torch.nn import functional

from modelmark.models.sizes import at_least


class WideBlock(nn.Module):
    """conv-BN-ReLU-conv-BN-ReLU, then the input (or its 1x1 projection) is added; nothing follows the sum.

    Input (N, inputs, H, W); output (N, outputs, H, W). Convolutions have biases and stride 1.
    Source: Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016, in the order of Uchida et al.'s release.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        kept: Tensor = x if self.shortcut is None else self.shortcut(x)
        return kept + y


class Wrn10x4(nn.Module):
    """Stem of 16 filters, groups conv2, conv3, conv4 (64, 128, 256) of one block, 2x2 max-pool between, average pool.

    Input (N, C, H, W) of at least 4x4; output (N, classes). 1,200,170 parameters at 3x32x32 and 10 classes.
    The layer the paper marks is ``conv2.0.conv2.weight``, (64, 64, 3, 3): M = 9 * 64 = 576 once filters are
    averaged. Kernels start Glorot-uniform and biases at zero, as Keras does.
    Source: Uchida et al., "Embedding watermarks into deep neural networks", ICMR 2017, release.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Sequential(WideBlock(16, 64))
        self.conv3 = nn.Sequential(WideBlock(64, 128))
        self.conv4 = nn.Sequential(WideBlock(128, 256))
        self.head = nn.Linear(256, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(self.conv2(x), 2)
        x = functional.max_pool2d(self.conv3(x), 2)
        x = self.conv4(x)
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def wrn_10_4(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build WRN-10-4."""
    at_least("wrn-10-4", input_shape, 4)
    return Wrn10x4(input_shape[0], classes)
