"""A data set of some kilobytes for tests, and its encoder."""

import keras
import numpy as np
import pytest

from keras_unbias import data as datasets
from keras_unbias.methods import METHODS

# The slow ones test little more: confusion's adversary is that of unlearning,
# the penalty has no state of its own, and bias-balanced is plain training with a
# prior.
EVERY_METHOD = [
    pytest.param(
        name,
        marks=[pytest.mark.slow]
        * (name in ("attribute_confusion", "bias_balanced", "chi_squared")),
    )
    for name in METHODS
]


def load(rows, *, seed, data_dir=None):
    """Labels seen faintly, attributes clearly, as in `conftest.Problem`."""
    rng = np.random.default_rng(seed)
    eye = np.eye(3, dtype="float32")

    def split(agreement):
        labels = rng.integers(0, 3, rows)
        other = (labels + rng.integers(1, 3, rows)) % 3
        attribute = np.where(rng.random(rows) < agreement, labels, other)
        shape = eye[labels] + rng.normal(0, 0.4, (rows, 3))
        inputs = np.concatenate([shape, 3 * eye[attribute]], 1)
        return datasets.Split(inputs.astype("float32"), labels, eye[attribute])

    return datasets.BiasedDataset(
        name="toy",
        train=split(0.9),
        test=split(1 / 3),
        num_classes=3,
        attribute_spec=datasets.AttributeSpec((3,)),
        facts={"source": "toy", "train_size": rows, "test_size": rows},
    )


def encoder(dtype="float32", shape=(6,)):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Dense(16, activation="relu", dtype=dtype),
            keras.layers.Dense(8, activation="relu", dtype="float32"),
        ]
    )
