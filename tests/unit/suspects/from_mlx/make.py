"""Write the files beside this one with MLX 0.32.4: ``python make.py``. Not run by the tests.

The filters are torch's, laid out as MLX wants them, and both compute the same; ``truth.npz`` has them as torch does, those of the
transposed convolution with filters first.
"""

from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
from mlx import nn as of_mlx
from torch import nn

HERE = Path(__file__).parent


class Net(of_mlx.Module):
    def __init__(self):
        super().__init__()
        self.conv = of_mlx.Conv2d(4, 6, (3, 5), bias=False)
        self.depthwise_conv = of_mlx.Conv1d(4, 4, 3, groups=4, bias=False)
        self.up = of_mlx.ConvTranspose2d(4, 6, 3, bias=False)
        self.head = of_mlx.Linear(6, 5)


def main():
    torch.manual_seed(0)
    conv, deep, up = (
        nn.Conv2d(4, 6, (3, 5), bias=False), nn.Conv1d(4, 4, 3, groups=4, bias=False), nn.ConvTranspose2d(4, 6, 3, bias=False),
    )  # fmt: skip
    head = nn.Linear(6, 5)
    turned = {
        "conv.weight": conv.weight.permute(0, 2, 3, 1), "depthwise_conv.weight": deep.weight.permute(0, 2, 1),
        "up.weight": up.weight.permute(1, 2, 3, 0), "head.weight": head.weight, "head.bias": head.bias,
    }  # fmt: skip
    net = Net()
    net.load_weights([(name, mx.array(value.detach().contiguous().numpy())) for name, value in turned.items()])
    for ours, theirs, shape in (
        (conv, net.conv, (1, 4, 8, 9)),
        (deep, net.depthwise_conv, (1, 4, 9)),
        (up, net.up, (1, 4, 5, 5)),
    ):
        given = torch.randn(shape)
        said = np.moveaxis(np.array(theirs(mx.array(given.movedim(1, -1).numpy()))), -1, 1)
        assert np.allclose(said, ours(given).detach().numpy(), atol=1e-5)
    net.save_weights(str(HERE / "model.safetensors"))
    truth = {"conv.weight": conv.weight, "depthwise_conv.weight": deep.weight, "up.weight": up.weight.transpose(0, 1),
             "head.weight": head.weight, "head.bias": head.bias}  # fmt: skip
    np.savez_compressed(HERE / "truth.npz", **{name: value.detach().numpy() for name, value in truth.items()})


if __name__ == "__main__":
    main()
