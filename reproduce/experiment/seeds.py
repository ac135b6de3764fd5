"""The stream of random numbers that the seeds of a run's layers come from."""

import contextlib
import random
from collections.abc import Iterator

import keras
from keras.src.random import seed_generator


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds everything, and the layers with a stream that nobody else draws from.

    Keras draws the seeds of layers from Python's global stream. So does a
    thread of Dask's workers twice a second, and other layers would follow. The
    stream here has the same numbers.

    Args:
        seed: int, the seed of the run.
    """
    keras.utils.set_random_seed(seed)
    shared = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_generator.python_random = shared
