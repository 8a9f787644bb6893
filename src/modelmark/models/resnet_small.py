"""A residual network of eight layers that trains on CIFAR-10 in minutes on a laptop core."""

from torch import Tensor, nn
from torch.nn import functional

from modelmark.models.sizes import at_least


class ConvUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU.

    Input (N, inputs, H, W); output (N, outputs, H, W), or half the sides for the 4x4 stride-2 form.
    """

    def __init__(self, inputs: int, outputs: int, *, stem: bool = False) -> None:
        super().__init__()
        size, stride = (4, 2) if stem else (3, 1)
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's features."""
        return functional.relu(self.bn(self.conv(x)))


class Residual(nn.Module):
    """Two convolution units whose result is added to their input, as in Page's network; nothing follows the sum.

    Input and output (N, width, H, W).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unit1 = ConvUnit(width, width)
        self.unit2 = ConvUnit(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        y: Tensor = self.unit2(self.unit1(x))
        return x + y


class ResNet8(nn.Module):
    """Stem 4x4 stride 2, then twice [3x3 unit, 2x2 max-pool, residual of two 3x3 units], max-pool to 1x1, linear.

    Input (N, C, H, W) of at least 8x8; output (N, classes). 155,738 parameters at 3 channels and 10 classes,
    about 8.5 million multiplications for a 32x32 image.
    Residual blocks: He et al., CVPR 2016; the arrangement follows Page, "How to train your ResNet", 2018 (DAWNBench).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = ConvUnit(channels, 24, stem=True)
        self.conv1 = ConvUnit(24, 48)
        self.res1 = Residual(48)
        self.conv2 = ConvUnit(48, 64)
        self.res2 = Residual(64)
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.conv1(self.stem(x))
        x = self.res1(functional.max_pool2d(x, 2))
        x = self.conv2(x)
        x = self.res2(functional.max_pool2d(x, 2))
        logits: Tensor = self.head(functional.adaptive_max_pool2d(x, 1).flatten(1))
        return logits


def resnet8(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build the small residual network."""
    at_least("resnet8", input_shape, 8)
    return ResNet8(input_shape[0], classes)
