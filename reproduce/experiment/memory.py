"""Memory of a run, which TensorFlow would keep until the process ends."""

import contextlib
from collections.abc import Iterator

import keras
from tensorflow.python.framework import ops


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Clears Keras's session; lets go, at its end, of the models made inside it.

    TensorFlow registers the gradient of every `tf.nn.silu` in a compiled
    function under a name of its own, for the rest of the process. This entry
    holds the graph of the function, and with it the model. The critics have
    such layers. No gradient is taken of a finished run's functions.
    """
    keras.backend.clear_session()
    registry = ops.gradient_registry._registry
    before = set(registry)
    try:
        yield
    finally:
        for name in registry.keys() - before:
            if name.startswith("CustomGradient-"):
                del registry[name]
