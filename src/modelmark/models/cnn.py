"""A plain convolutional network without batch norm, for digits and MNIST."""

from torch import Tensor, nn
from torch.nn import functional

from modelmark.models.sizes import at_least

_CHANNELS, _UNITS = (32, 32, 64, 64), 512


class Cnn(nn.Module):
    """32C3-32C3-MP2-64C3-64C3-MP2-512-classes, padding 1, ReLU, biases, no normalisation.

    Input (N, C, H, W) of at least 4x4; output (N, classes). 1,676,266 parameters at 1x28x28 and 10 classes,
    201,706 at 1x8x8. Layout after Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015
    (pairs of 3x3 convolutions between poolings).
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = input_shape
        first, second, third, fourth = _CHANNELS
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1)
        self.conv4 = nn.Conv2d(third, fourth, 3, padding=1)
        self.fc1 = nn.Linear(fourth * (height // 4) * (width // 4), _UNITS)
        self.head = nn.Linear(_UNITS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.relu(self.conv1(x))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.conv3(x))
        x = functional.max_pool2d(functional.relu(self.conv4(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        logits: Tensor = self.head(x)
        return logits


def cnn(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build the plain network."""
    at_least("cnn", input_shape, 4)
    return Cnn(input_shape, classes)
