"""Encoders of the experiments: functions returning a `keras.Model`."""

import keras
from keras import layers


def digit_encoder(dtype="float32", shape=(28, 28, 3)):
    """The convolutional encoder of the coloured digits (paper, 5.1).

    conv 5x5x64 - pool - conv 5x5x64 - pool - dense 512 - dense 64, ReLU, with
    unpadded convolutions, as in the released code.

    Args:
        dtype: dtype policy of the layers, e.g. `"mixed_bfloat16"`. The
            features are float32 in any case. Defaults to `"float32"`.
        shape: tuple, of an image. Defaults to `(28, 28, 3)`.

    Returns:
        A model from uint8 images `(n, *shape)` to features `(n, 64)`.
    """
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="images"),
            layers.Rescaling(1 / 255, dtype=dtype),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(512, activation="relu", dtype=dtype),
            layers.Dense(64, activation="relu", dtype="float32"),
        ],
        name="digit_encoder",
    )


def customer_encoder(dtype="float32", shape=(60,)):
    """The one layer of 64 ReLU units of German credit (paper, 5.3).

    Args:
        dtype: dtype policy of the layer. The features are float32 in any
            case. Defaults to `"float32"`.
        shape: tuple, of an input. Defaults to `(60,)`.

    Returns:
        A model from float inputs `(n, *shape)` to features `(n, 64)`.
    """
    return keras.Sequential(
        [
            keras.Input(shape, name="inputs"),
            layers.Dense(64, activation="relu", dtype=dtype),
            layers.Activation("linear", dtype="float32"),
        ],
        name="customer_encoder",
    )


ENCODERS = {
    "colored_mnist": digit_encoder,
    "german_credit": customer_encoder,
}
