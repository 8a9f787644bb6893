"""Make the packages beside this one with coremltools 9.0 and torch 2.13.0: ``python make.py``. Not run by the tests.

``truth.npz`` holds the weights as coremltools itself decompresses them.
"""

import shutil
from pathlib import Path

import coremltools as ct
import coremltools.optimize.coreml as packing
import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.up, self.fc, self.head = nn.ConvTranspose2d(16, 4, 2, stride=2), nn.Linear(16, 16), nn.Linear(16, 4)
        self.bn.weight.data.uniform_(0.2, 2)
        self.eval()

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(torch.relu(self.stem(x)))))
        return self.head(self.fc(x.mean((2, 3)))) + self.up(x).mean((2, 3))


def converted(target):
    traced = torch.jit.trace(Net(), torch.zeros(1, 1, 8, 8))
    given = [ct.TensorType(shape=(1, 1, 8, 8), dtype=np.float32)]
    return ct.convert(traced, inputs=given, minimum_deployment_target=target)


def packed(model, how, kind, **words):
    config = packing.OptimizationConfig(kind(weight_threshold=0, **words))
    return getattr(packing, how)(model, config)


def main():
    new, old = converted(ct.target.iOS18), converted(ct.target.iOS16)
    linear, palette, sparse = (
        packing.OpLinearQuantizerConfig,
        packing.OpPalettizerConfig,
        packing.OpMagnitudePrunerConfig,
    )
    models = {
        "halves": new,
        "int8": packed(new, "linear_quantize_weights", linear, mode="linear_symmetric"),
        "int4_blocks": packed(new, "linear_quantize_weights", linear, mode="linear_symmetric", dtype="int4",
                              granularity="per_block", block_size=8),
        "int8_zero_points": packed(old, "linear_quantize_weights", linear, mode="linear"),
        "palette": packed(new, "palettize_weights", palette, nbits=3, granularity="per_grouped_channel", group_size=4),
        "palette_old": packed(old, "palettize_weights", palette, nbits=2),
        "sparse": packed(new, "prune_weights", sparse, target_sparsity=0.6),
        "sparse_old": packed(old, "prune_weights", sparse, target_sparsity=0.6),
    }  # fmt: skip
    for name, model in models.items():
        shutil.rmtree(HERE / f"{name}.mlpackage", ignore_errors=True)
        model.save(str(HERE / f"{name}.mlpackage"))
        plain = packing.decompress_weights(model) if name != "halves" else model
        found = packing.get_weights_metadata(plain, weight_threshold=30)
        np.savez_compressed(HERE / f"{name}.mlpackage" / "truth.npz", **{key: one.val for key, one in found.items()})


if __name__ == "__main__":
    main()
