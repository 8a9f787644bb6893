"""A network that counts what it is asked."""

from torch import nn


class Asked(nn.Module):
    """Counts the inputs that it is given; a copy of it, such as a student, counts its own."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.count = [0]

    def forward(self, x):
        self.count[0] += len(x)
        return self.model(x)
