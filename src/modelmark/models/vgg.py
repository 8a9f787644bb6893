"""VGG-16 with batch norm, in the form used for CIFAR."""

from torch import Tensor, nn

from modelmark.models.sizes import at_least

_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Vgg16(nn.Module):
    """Thirteen 3x3 convolutions in five stages, each with batch norm and ReLU, then one linear layer.

    Input (N, C, H, W) of at least 16x16; output (N, classes). Stages end in 2x2 max-pooling; the last pools
    what is left to 1x1, which is the same at 32x32. 14,728,266 parameters at 3x32x32 and 10 classes.
    Source: Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015; batch norm and the single
    linear layer are the customary CIFAR changes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for stage, widths in enumerate(_WIDTHS, start=1):
            for position, width in enumerate(widths, start=1):
                self.features.add_module(f"conv{stage}_{position}", nn.Conv2d(channels, width, 3, padding=1))
                self.features.add_module(f"bn{stage}_{position}", nn.BatchNorm2d(width))
                self.features.add_module(f"relu{stage}_{position}", nn.ReLU(inplace=True))
                channels = width
            pool = nn.MaxPool2d(2) if stage < len(_WIDTHS) else nn.AdaptiveMaxPool2d(1)
            self.features.add_module(f"pool{stage}", pool)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(x).flatten(1))
        return logits


def vgg16(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build VGG-16."""
    at_least("vgg16", input_shape, 16)
    return Vgg16(input_shape[0], classes)
