"""Make the files beside this one, with tensorflow 2.21.0 and keras 3.15.1: ``python make.py``. Not run by the tests."""

import keras
import numpy as np
import tensorflow as tf

L = keras.layers
first, second, bn = L.Conv2D(4, 3, activation="relu"), L.Conv2D(6, 3, use_bias=False), L.BatchNormalization()
deep, up, square, head = (
    L.DepthwiseConv2D(3, padding="same"),
    L.Conv2DTranspose(5, 2, strides=2),
    L.Dense(5),
    L.Dense(3),
)


def pictures():
    yield [np.random.default_rng(0).standard_normal((1, 8, 8, 2)).astype(np.float32)]


def main() -> None:
    keras.utils.set_random_seed(0)
    layers = [first, second, bn, L.ReLU(), deep, up, L.GlobalAveragePooling2D(), square, head]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
    bn.gamma.assign(np.random.default_rng(1).uniform(0.2, 2, 6))
    bn.moving_variance.assign(np.random.default_rng(0).uniform(0.5, 2, 6))
    for name in ("float", "int8"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if name == "int8":
            converter.optimizations, converter.representative_dataset = [tf.lite.Optimize.DEFAULT], pictures
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        with open(f"{name}.tflite", "wb") as file:
            file.write(converter.convert())
    factor = bn.gamma.numpy() / np.sqrt(bn.moving_variance.numpy() + bn.epsilon)
    kernel = {"first": first, "second": second, "up": up, "square": square, "head": head}
    rows = {name: layer.kernel.numpy() for name, layer in kernel.items()}
    rows |= {name: rows[name].transpose(3, 2, 0, 1) for name in ("first", "second")}
    rows |= {"up": rows["up"].transpose(2, 3, 0, 1), "square": rows["square"].T, "head": rows["head"].T}
    rows |= {"second": rows["second"] * factor[:, None, None, None]}
    rows |= {"deep": deep.kernel.numpy().transpose(2, 3, 0, 1).reshape(6, 1, 3, 3)}
    np.savez("rows.npz", **rows)


if __name__ == "__main__":
    main()
