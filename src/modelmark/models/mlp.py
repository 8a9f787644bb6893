"""Two hidden layers for flat data: the smallest network here."""

import math

from torch import Tensor, nn
from torch.nn import functional

_UNITS = 512


class Mlp(nn.Module):
    """Multi-layer perceptron: in-512-512-classes, ReLU, dropout 0.2 after each hidden layer.

    Input (N, C, H, W), flattened to C*H*W; output (N, classes). 669,706 parameters at 1x28x28 and 10 classes.
    Dropout: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 2014.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, _UNITS)
        self.fc2 = nn.Linear(_UNITS, _UNITS)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(_UNITS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.dropout(functional.relu(self.fc1(x.flatten(1))))
        x = self.dropout(functional.relu(self.fc2(x)))
        logits: Tensor = self.head(x)
        return logits


def mlp(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build the perceptron for any image size."""
    return Mlp(math.prod(input_shape), classes)
