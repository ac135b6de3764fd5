"""Features whose information on the attribute is known in closed form."""

import keras
import numpy as np

from keras_unbias.data import BiasedDataset, Split
from keras_unbias.methods import RepresentationClassifier


def representation(agreement, rows=6000, classes=4):
    """Features that name the attribute with probability `agreement`."""
    rng = np.random.default_rng(0)
    eye = np.eye(classes, dtype="float32")
    attribute = rng.integers(0, classes, rows)
    other = (attribute + rng.integers(1, classes, rows)) % classes
    named = np.where(rng.random(rows) < agreement, attribute, other)
    features = eye[named] + rng.normal(0, 0.05, (rows, classes))
    return features, eye[attribute]


def binary(agreement, rows=400):
    """A model whose features name an attribute of 0 and 1, and its data."""
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, rows)
    named = np.where(rng.random(rows) < agreement, attribute, 1 - attribute)
    inputs = named[:, None] + rng.normal(0, 0.01, (rows, 1))
    split = Split(inputs.astype("float32"), 1 - attribute, attribute[:, None])
    model = RepresentationClassifier(
        keras.Sequential([keras.Input((1,)), keras.layers.ReLU()]), 2
    )
    dataset = BiasedDataset(
        name="toy", train=split, test=split, num_classes=2, attribute_size=1
    )
    return model, dataset
