"""Memory of a run, which TensorFlow would keep until the process ends."""

import contextlib
from collections.abc import Iterator

import keras
from tensorflow.python.framework import ops


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Clears Keras's session; lets go, at its end, of the models made inside it.

    An optimizer sums its gradients over the replicas, one replica too.
    TensorFlow registers the gradient of this sum under a name of its own, for
    the rest of the process. The entry holds the graph of the training step,
    and with it the model. No gradient is taken of a finished run's functions.
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
