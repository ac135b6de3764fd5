"""The bound of the mutual information in a history."""

from typing import Any

import keras
import tensorflow as tf


class BoundTracker(keras.metrics.Mean):
    """The mean bound of an epoch in nats, or the latest one while it has none.

    A mean of nothing would be 0. A training step assigns its bound to `latest`,
    which outlasts the epoch.

    Example:

    >>> tracker = BoundTracker()
    >>> tracker.update_state(2.0)
    >>> _ = tracker.latest.assign(2.0)
    >>> tracker.reset_state()
    >>> float(tracker.result())
    2.0
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.latest = self.add_variable(
            shape=(), initializer="zeros", dtype=self.dtype, name="latest"
        )

    def reset_state(self) -> None:
        """Forgets the bounds of the epoch, but for the latest."""
        self.total.assign(0)
        self.count.assign(0)

    def result(self) -> tf.Tensor:
        """Returns the mean, or the latest bound."""
        return tf.where(self.count > 0, super().result(), self.latest)
