"""ResNet-18 with post-activation basic blocks and a stem for small images."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """conv-BN-ReLU-conv-BN, plus the input (or its 1x1 projection with BN), then ReLU.

    Input (N, inputs, H, W); output (N, outputs, H/stride, W/stride).
    Source: He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.add_module("conv", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(cast(Tensor, self.bn2(self.conv2(y)) + self.shortcut(x)))


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


class ResNet18(nn.Module):
    """3x3 stem without pooling, four groups of two blocks (64, 128, 256, 512), average pool to 1x1, linear.

    Input (N, C, H, W) of any size; output (N, classes). At 3 channels and 10 classes: 11,173,962 parameters with basic
    blocks (He et al., CVPR 2016, with the customary CIFAR stem); 11,171,274 with pre-activation blocks and nothing after
    the last of them (the release of Adi et al., USENIX Security 2018, which pools 4x4: the same thing at 32x32).
    """

    def __init__(self, block: type[BasicBlock] | type[PreactBlock], channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(block(64, 64, 1), block(64, 64, 1))
        self.layer2 = nn.Sequential(block(64, 128, 2), block(128, 128, 1))
        self.layer3 = nn.Sequential(block(128, 256, 2), block(256, 256, 1))
        self.layer4 = nn.Sequential(block(256, 512, 2), block(512, 512, 1))
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def resnet18(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build ResNet-18 with basic blocks."""
    return ResNet18(BasicBlock, input_shape[0], classes)


def preact_resnet18(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build ResNet-18 with pre-activation blocks."""
    return ResNet18(PreactBlock, input_shape[0], classes)
