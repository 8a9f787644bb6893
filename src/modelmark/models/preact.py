"""The pre-activation ResNet-18 of Adi et al.'s release."""

from torch import Tensor, nn
from torch.nn import functional


class PreactBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv, plus the input, or a 1x1 projection of the activated input where the shape changes.

    Input (N, inputs, H, W); output (N, outputs, H/stride, W/stride).
    Source: He et al., "Identity mappings in deep residual networks", ECCV 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features, not activated."""
        active = functional.relu(self.bn1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        residual: Tensor = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        return residual + kept


class PreactResNet18(nn.Module):
    """Stem conv-BN-ReLU, four groups of two pre-activation blocks (64, 128, 256, 512), average pool, linear.

    There is no batch norm or ReLU after the last block. The release pools 4x4; pooling to 1x1 equals that at
    32x32 and accepts other sizes. Input (N, C, H, W); output (N, classes). 11,171,274 parameters at 3 channels
    and 10 classes. Source: Adi et al., "Turning your weakness into a strength", USENIX Security 2018, release.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(PreactBlock(64, 64, 1), PreactBlock(64, 64, 1))
        self.layer2 = nn.Sequential(PreactBlock(64, 128, 2), PreactBlock(128, 128, 1))
        self.layer3 = nn.Sequential(PreactBlock(128, 256, 2), PreactBlock(256, 256, 1))
        self.layer4 = nn.Sequential(PreactBlock(256, 512, 2), PreactBlock(512, 512, 1))
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def preact_resnet18(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build the pre-activation ResNet-18."""
    return PreactResNet18(input_shape[0], classes)
