"""A data set of some kilobytes, registered for whole runs in the tests."""

import keras
import numpy as np
import pytest

from keras_unbias import data as datasets
from keras_unbias import encoders
from keras_unbias.methods import METHODS
from reproduce.experiment.records import RunConfig

# Where it is the base class that works: confusion's adversary is that of
# unlearning, and the penalty has no state of its own.
EVERY_METHOD = [
    pytest.param(
        name,
        marks=[pytest.mark.slow]
        * (name in ("attribute_confusion", "chi_squared")),
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
        attribute_size=3,
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


ADVERSARY = {"attribute_hidden": [8], "attribute_rate": 2.0}


def config(method="mi_backprop", **changes):
    settings = {
        "rows": 640,
        "batch_size": 32,
        "epochs": 3,
        "learning_rate": 3e-3,
        "decay": "cosine",
        "weight_averaging": 0.9,
        "precision": "float32",
        "prior_strength": 1.0 if method == "bias_balanced" else 0.0,
    }
    if method == "mi_backprop":
        settings.update(
            mi_weight=0.5,
            conditional=True,
            critic="concatenated",
            standardize=True,
            estimator_steps=3,
            estimator_batches=2,
            estimator_learning_rate=1e-3,
            own_optimizer=True,
            clip=True,
        )
    settings.update(
        {
            "chi_squared": {"penalty_weight": 1.0},
            "attribute_confusion": {"confusion_weight": 0.1, **ADVERSARY},
            "adversarial_unlearning": {
                "entropy_weight": 0.01,
                "reversal_weight": 0.1,
                **ADVERSARY,
            },
        }.get(method, {})
    )
    settings.update(changes)
    return RunConfig("toy", method, method, "test", 3, settings)


def register(registry=None):
    """Adds the data set; `registry` sets an item, and may undo it later."""
    registry = registry or dict.__setitem__
    registry(datasets.DATASETS, "toy", load)
    registry(encoders.ENCODERS, "toy", encoder)
