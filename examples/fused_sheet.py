"""Draw fused pictures of a fixed secret as one PNG: what the carriers of ``coupled`` look like.

Run: ``python examples/fused_sheet.py OUT.png [DATA]`` with DATA such as ``idx:mnist/``; scikit-learn's digits without it.
"""

import sys

import numpy as np
import torch
from PIL import Image

from modelmark import Secret, data
from modelmark.schemes.coupled import Coupled
from modelmark.training.task import Task

ROWS = (
    Coupled(queries=1),
    Coupled(layouts=24, symbols=2160, queries=1),
    Coupled(fusion="overlay", queries=1),
    Coupled(fusion="overlay", ratio=0.75, queries=1),
    Coupled(fusion="autoencoder", queries=1),
)
COLUMNS, STRIDE, GAP, LEAST = 16, 37, 4, 48


def fused(scheme: Coupled, task: Task) -> np.ndarray:
    """Return some of the scheme's carriers for ``task``, uint8 ``(COLUMNS, C, H, W)``."""
    secret, feed = Secret(bytes(range(32))), task.feed
    resolved = scheme.for_model(torch.nn.Identity(), feed, {})
    attached = resolved.collect(secret, torch.nn.Identity(), task)
    pictures = resolved.carriers(secret, feed, attached).pictures
    return pictures[np.arange(COLUMNS) * STRIDE % len(pictures)]


def row(pictures: np.ndarray) -> np.ndarray:
    """Return pictures side by side, enlarged, on grey, uint8 ``(height, width, 3)``."""
    scale = max(LEAST // pictures.shape[2], 1)
    large = pictures.transpose(0, 2, 3, 1).repeat(scale, 1).repeat(scale, 2)
    large = np.broadcast_to(large, (*large.shape[:3], 3))
    padded = np.pad(large, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=160)
    return np.concatenate(list(padded), axis=1)


def main(output: str, source: str = "digits") -> None:
    task = Task.from_dataset(data.load(source))
    Image.fromarray(np.concatenate([row(fused(scheme, task)) for scheme in ROWS])).save(output, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
