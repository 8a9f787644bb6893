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


class ResNet18(nn.Module):
    """3x3 stem without pooling, four groups of two basic blocks (64, 128, 256, 512), average pool, linear.

    Input (N, C, H, W) of any size; output (N, classes). 11,173,962 parameters at 3 channels and 10 classes.
    Source: He et al., CVPR 2016; the 3x3 stem is the customary CIFAR change.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def resnet18(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build ResNet-18."""
    return ResNet18(input_shape[0], classes)
