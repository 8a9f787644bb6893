"""The state of every global generator that a scheme or an attack could draw from."""

import numpy as np
import torch


def global_state() -> tuple[str, ...]:
    """Return the states of torch's generators, those of accelerators among them, and of numpy's, for comparison."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states += torch.cuda.get_rng_state_all()
    return *(state.numpy().tobytes().hex() for state in states), str(np.random.get_state())
