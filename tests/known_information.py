"""Features whose information about the attribute has a closed form."""

import keras
import numpy as np

from keras_unbias.data import BiasedDataset, Split
from keras_unbias.methods import RepresentationClassifier


def representation(agreement, rows=6000, classes=4):
    """Returns features that name the attribute with probability `agreement`."""
    rng = np.random.default_rng(0)
    eye = np.eye(classes, dtype="float32")
    attribute = rng.integers(0, classes, rows)
    other = (attribute + rng.integers(1, classes, rows)) % classes
    named = np.where(rng.random(rows) < agreement, attribute, other)
    features = eye[named] + rng.normal(0, 0.05, (rows, classes))
    return features, eye[attribute]


def binary(agreement, rows=400):
    """Returns a model whose features name a binary attribute, and its data."""
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, rows)
    named = np.where(rng.random(rows) < agreement, attribute, 1 - attribute)
    inputs = named[:, None] + rng.normal(0, 0.01, (rows, 1))
    split = Split(inputs.astype("float32"), 1 - attribute, attribute[:, None])
    model = RepresentationClassifier(
        keras.Sequential([keras.Input((1,)), keras.layers.ReLU()]), 2
    )
    return model, BiasedDataset("toy", train=split, test=split, num_classes=2)


def entropy(*probabilities):
    """Returns the entropy of a distribution, in nats."""
    p = np.array([p for p in probabilities if p > 0])
    return -(p * np.log(p)).sum()
