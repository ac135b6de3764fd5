"""The seeds of a run's layers."""

import random

import keras
import numpy as np

from reproduce.experiment import seeds


def weights():
    return keras.layers.Dense(2, kernel_initializer="glorot_uniform")(np.ones((1, 3)))


def test_layers_follow_the_seed_whoever_else_draws():
    keras.utils.set_random_seed(5)
    expected = [weights(), weights()]
    with seeds.seeded(5):
        random.random()  # As a thread of Dask's workers does.
        first = weights()
        random.seed(7)
        found = [first, weights()]
    np.testing.assert_array_equal(found, expected)
    # Afterwards Python's stream counts again.
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(weights(), expected[0])
