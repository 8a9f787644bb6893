"""LeNet-5 in its usual modern form, for MNIST."""

from torch import Tensor, nn
from torch.nn import functional

from modelmark.models.sizes import at_least


class LeNet5(nn.Module):
    """6C5-MP2-16C5-MP2-120-84-classes with ReLU and max-pooling.

    Input (N, C, H, W) of at least 12x12; output (N, classes). A side below 32 is padded by 2 in the first
    convolution, so 28x28 and 32x32 both reach ``fc1`` with M = 400 inputs: ``fc1.weight`` is (120, 400).
    61,706 parameters at 1x28x28 and 10 classes. Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based
    learning applied to document recognition", Proc. IEEE 1998 (there with tanh, subsampling and RBF outputs).
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, *sides = input_shape
        pad_y, pad_x = (2 if side < 32 else 0 for side in sides)
        height, width = (((side + 2 * pad - 4) // 2 - 4) // 2 for side, pad in zip(sides, (pad_y, pad_x), strict=True))
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=(pad_y, pad_x))
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * height * width, 120)
        self.fc2 = nn.Linear(120, 84)
        self.head = nn.Linear(84, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        x = functional.relu(self.fc2(x))
        logits: Tensor = self.head(x)
        return logits


def lenet5(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build LeNet-5."""
    at_least("lenet5", input_shape, 12)
    return LeNet5(input_shape, classes)
