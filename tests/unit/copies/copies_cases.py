"""A small weight file, a key for it, and copies in memory."""

import numpy as np
import torch
from safetensors.torch import save_file

from modelmark.key.secret import Secret
from modelmark.marks.onfiles import keygen_for_file
from modelmark.schemes.spread import Spread
from modelmark.suspects.files import open_weights
from modelmark.suspects.state import State

HIDDEN = 160


def state(kind=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        f"layers.{layer}.weight": (0.02 * torch.randn(HIDDEN, HIDDEN, generator=generator)).to(kind)
        for layer in range(6)
    }


def written(path, held=None):
    save_file(state() if held is None else held, path)
    return path


def made(path, secret=bytes(range(32)), **settings):
    """Return the mark of a new key for a file."""
    return keygen_for_file(Spread(**settings), open_weights(path), secret=Secret(secret)).mark()


def suspect(path):
    return State(open_weights(path))


def combined(states, how, seed=0):
    """Return what colluders make of the state dicts of their copies."""
    generator = torch.Generator().manual_seed(seed)
    ways = {
        "mean": lambda x: x.mean(0),
        "median": lambda x: (x.sort(0).values[(len(x) - 1) // 2] + x.sort(0).values[len(x) // 2]) / 2,
        "mix": lambda x: x.gather(0, torch.randint(0, len(x), x.shape[1:], generator=generator)[None])[0],
        "midrange": lambda x: (x.amax(0) + x.amin(0)) / 2,
    }
    return {name: ways[how](torch.stack([held[name] for held in states])) for name in states[0]}


def packed(messages):
    return np.packbits(messages.astype(np.uint8), axis=1, bitorder="little")
