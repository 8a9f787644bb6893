"""Draw digits and the pictures of a ``deepsigns-blackbox`` key as one PNG, each over a bar that says how dense its place is.

Run: ``python examples/noise_sheet.py OUT.png``. It trains a small network on scikit-learn's digits for four epochs. A bar's
length is the share of training samples that lie in no denser places; a key takes noise whose share is under 1 %.
"""

import sys

import numpy as np
import torch
from PIL import Image

import modelmark
from modelmark.schemes import _density
from modelmark.schemes.deepsigns_blackbox import DeepSignsBlackBox
from modelmark.training.recipe import annealed

COLUMNS, KEYS, SCALE, GAP, BAR, COLOUR = 16, 48, 5, 6, 4, (52, 98, 173)


def cell(picture: np.ndarray, share: float) -> np.ndarray:
    """Return one grey picture ``(H, W)``, enlarged, over the bar of its share, uint8 ``(height, width, 3)``."""
    large = np.repeat(picture[:, :, None], 3, axis=2).repeat(SCALE, 0).repeat(SCALE, 1)
    bar = np.full((BAR, large.shape[1], 3), 225, np.uint8)
    bar[:, : round(share * large.shape[1])] = COLOUR
    space = np.full((2, large.shape[1], 3), 255, np.uint8)
    return np.pad(np.concatenate([large, space, bar]), ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def main(output: str) -> None:
    torch.set_num_threads(1)
    task = modelmark.Task.from_dataset(modelmark.load_data("digits"))
    model = modelmark.build("cnn", task.feed.input_shape, task.feed.classes, seed=0)
    model = modelmark.fit(model, task, annealed(4, 0.05, batch=64, clip=1.0), seed=0)
    scheme, secret = DeepSignsBlackBox(keys=KEYS), modelmark.Secret(bytes(range(32)))
    key = modelmark.keygen(scheme, model, task.feed, task=task, secret=secret)
    pool = np.concatenate([task.train_inputs[:COLUMNS].numpy(), key.carriers.pictures])
    share = _density.sparseness(model, task, lambda part: pool[part], len(pool), secret)
    order = np.concatenate([share[:COLUMNS].argsort(), np.arange(COLUMNS, len(pool))]).reshape(-1, COLUMNS)
    sheet = [np.concatenate([cell(pool[index, 0], share[index]) for index in row], axis=1) for row in order]
    Image.fromarray(np.concatenate(sheet)[:-GAP, :-GAP]).save(output, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
