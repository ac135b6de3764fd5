import gc
import os

# Before TensorFlow is imported: with one thread, as in a sweep, two runs are
# the same bit for bit; and the tests have a process for each core already.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# scikit-learn's trees.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf

# For time: there is no garbage among the many objects of a trace, and whole
# tracebacks cost less than shortened ones. To free the graphs of many tests in
# one collection takes most of a minute, so each test freezes what it leaves.
gc.set_threshold(100_000, 50, 100)
keras.config.disable_traceback_filtering()
tf.debugging.disable_traceback_filtering()


class Problem:
    """A label that is seen faintly, and an attribute that betrays it.

    The inputs hold two noisy coordinates of the label and a clean copy of
    the attribute, which agrees with the label in most training rows and says
    nothing of it in the test rows.
    """

    classes = 3

    def __init__(self, rows=1536):
        rng = np.random.default_rng(0)
        self.train = self._draw(rng, rows, agreement=0.97)
        self.test = self._draw(rng, rows, agreement=1 / self.classes)

    def _draw(self, rng, rows, agreement):
        y = rng.integers(0, self.classes, rows)
        other = (y + rng.integers(1, self.classes, rows)) % self.classes
        c = np.where(rng.random(rows) < agreement, y, other)
        eye = np.eye(self.classes, dtype="float32")
        shape = eye[y] + rng.normal(0, 0.4, (rows, self.classes))
        inputs = np.concatenate([shape, 3 * eye[c]], 1).astype("float32")
        return inputs, {"label": y.astype("int32"), "attribute": eye[c]}

    def encoder(self):
        return keras.Sequential(
            [
                keras.Input((2 * self.classes,)),
                keras.layers.Dense(32, activation="relu"),
                keras.layers.Dense(8, activation="relu"),
            ]
        )


@pytest.fixture(autouse=True)
def seeds():
    """Every test draws the same weights, alone or in company."""
    keras.utils.set_random_seed(0)
    yield
    gc.freeze()


@pytest.fixture(scope="session")
def problem():
    return Problem()
