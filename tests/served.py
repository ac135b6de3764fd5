"""A small classifier of images, and what it should serve."""

import keras
import numpy as np

from keras_unbias.methods import RepresentationClassifier

NAMES = ["crème brûlée", "tea", "soup"]


def built(encoder, shape, num_classes=3):
    """Returns a classifier built for inputs of a shape."""
    model = RepresentationClassifier(encoder, num_classes)
    model.build(shape)
    return model


def small_classifier(**kwargs):
    """Returns a classifier of 8x8 images."""
    return built(
        keras.Sequential(
            [
                keras.Input((8, 8, 3), dtype="uint8"),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.MaxPooling2D(2),
                keras.layers.Flatten(),
                keras.layers.Dense(5),
            ]
        ),
        (None, 8, 8, 3),
        **kwargs,
    )


def images(shape=(5, 8, 8, 3)):
    """Returns random images."""
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def softmax(logits):
    """Returns the softmax of logits, in NumPy."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def check_outputs(served, expected, atol=1e-5):
    """Asserts that two dicts of arrays are equal up to rounding."""
    assert served.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(served[key], value, atol=atol, err_msg=key)
