"""Write the files beside this one with keras 3.15.1 and jax 0.10.2: ``KERAS_BACKEND=jax python make.py``. Not run by the tests.

``truth.npz`` holds what each quantised layer multiplies with: its answers to the rows of an identity, which 8 bits hold exactly.
"""

from pathlib import Path

import keras
import numpy as np
from keras import quantizers

HERE = Path(__file__).parent
INPUTS, OUTPUTS = 40, 13
KINDS = {
    "int8": quantizers.Int8QuantizationConfig(),
    "int4": quantizers.Int4QuantizationConfig(block_size=-1),
    "int4_groups": quantizers.Int4QuantizationConfig(block_size=16),
}


def main():
    truth = {}
    for name, config in KINDS.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        layers = [
            keras.Input((INPUTS,)),
            keras.layers.Dense(OUTPUTS, name="up"),
            keras.layers.Dense(3, use_bias=False, name="head"),
        ]
        model = keras.Sequential(layers)
        up = model.layers[0]
        up.bias.assign(np.linspace(-1, 1, OUTPUTS))
        model.quantize(name.partition("_")[0], config=config)
        truth[name] = np.asarray(up(np.eye(INPUTS, dtype=np.float32))) - np.asarray(up.bias)
        model.save(HERE / f"{name}.keras")
    np.savez_compressed(HERE / "truth.npz", **truth)


if __name__ == "__main__":
    main()
