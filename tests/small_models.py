"""Small models of every method, and data for them."""

import keras
import numpy as np

from keras_unbias.methods import METHODS, LabelPrior

ADVERSARIES = ("attribute_confusion", "adversarial_unlearning")


def label_prior(problem, **kwargs):
    """Returns a prior adapted to the training rows of `conftest.Problem`."""
    prior = LabelPrior(problem.classes, **kwargs)
    prior.adapt(problem.train[1]["attribute"], problem.train[1]["label"])
    return prior


def make(problem, name, seed=0, **kwargs):
    """Returns a model for `conftest.Problem`, with its required arguments."""
    keras.utils.set_random_seed(seed)
    encoder = problem.encoder()
    if name == "bias_balanced":
        kwargs.setdefault("label_prior", label_prior(problem))
    if name in ADVERSARIES:
        kwargs.setdefault("attribute_parts", (problem.classes,))
    return METHODS[name](encoder, problem.classes, **kwargs)


def fit(model, data, epochs=2, batch_size=128, **kwargs):
    """Trains a model on arrays `(x, y)` in order, and returns the history."""
    return model.fit(
        *data,
        batch_size=batch_size,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        **kwargs,
    ).history


def first(data, rows):
    """Returns the first rows of arrays `(x, y)`."""
    return keras.tree.map_structure(lambda array: array[:rows], data)


class TwoInputs(keras.Model):
    """A subclassed encoder of a dict of inputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(8, activation="relu")
        self.second = keras.layers.Dense(4)

    def call(self, inputs):
        return self.second(self.first(inputs["a"])) + inputs["b"]


def two_inputs():
    """Returns a functional encoder of the same inputs."""
    inputs = {
        "a": keras.Input((5,), name="a"),
        "b": keras.Input((4,), name="b"),
    }
    hidden = keras.layers.Dense(8, activation="relu")(inputs["a"])
    return keras.Model(inputs, keras.layers.Dense(4)(hidden) + inputs["b"])


def two_input_rows(count=256, seed=0):
    """Returns rows `(x, y)` for them: the label shifts the first input."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    inputs = {
        "a": rng.normal(size=(count, 5)).astype("float32") + label[:, None],
        "b": rng.normal(size=(count, 4)).astype("float32"),
    }
    attribute = np.eye(2, dtype="float32")[label ^ (rng.random(count) < 0.1)]
    return inputs, {"label": label, "attribute": attribute}


def encoder_weights_after(model, optimizer, **kwargs):
    """Returns the encoder's weights after three steps on these rows."""
    keras.utils.set_random_seed(0)
    # Three steps take less time than their compilation.
    model.compile(optimizer, run_eagerly=True)
    model.fit(*two_input_rows(), batch_size=256, epochs=3, verbose=0, **kwargs)
    return np.concatenate([w.ravel() for w in model.encoder.get_weights()])
