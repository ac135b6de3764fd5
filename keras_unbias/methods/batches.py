"""Splits a batch between the task and the estimator."""

from typing import Any

import keras
import tensorflow as tf

from keras_unbias import replicas


def split(
    data: tuple,
    estimator_batches: int,
    seed: tf.Tensor | None = None,
    *,
    exchange: bool = True,
) -> tuple[tuple, Any]:
    """Splits a batch into the task's rows and the estimator's mini-batches.

    A batch of `(1 + P) * n` rows makes `1 + P` parts of n rows: one for the
    task and P for the estimator.

    The last batch of a pass may be short. A remainder of fewer than `1 + P`
    rows is left out. With fewer rows than parts, rows are used several times.

    Args:
        data: tuple `(x, y, sample_weight)` of structures of tensors whose
            first axis is the row. `sample_weight` may be `None`.
        estimator_batches: int, the number P of the estimator's mini-batches.
        seed: int tensor of shape `(2,)`, to shuffle the rows first. Defaults
            to `None`, which takes them in order.
        exchange: bool, whether several replicas exchange their rows, so that
            the parts are those of one device, and each replica has an even
            share of them. Otherwise each splits its own rows. Defaults to
            `True`.

    Returns:
        The task's part, a tuple like `data` with tensors of shape `(n, ...)`,
        and the estimator's `(x, y)`, with tensors of shape `(P, n, ...)`.

    Raises:
        ValueError: if all batches have one length that is not a multiple of
            `1 + P`.
    """
    labels, parts = data[1]["label"], 1 + estimator_batches
    # In eager execution the length of a short last batch is also known.
    known = None if tf.executing_eagerly() else labels.shape[0]
    if exchange:
        if known is not None:
            # All replicas have the same number then.
            known *= replicas.count()
        data = replicas.gather(data)
        labels = data[1]["label"]
    if known is not None and known % parts:
        raise ValueError(
            f"estimator_batches={estimator_batches} divides every batch into "
            f"{parts} equal parts. Expected: a batch size that is a multiple "
            f"of {parts}. Received: {known} rows. Change the batch size, or "
            "use estimator_batches=0."
        )
    present = tf.shape(labels)[0]
    rows = known // parts if known else tf.maximum(present // parts, 1)
    order = tf.range(present)
    if seed is not None:
        # XLA cannot shuffle, but it can sort noise.
        order = tf.argsort(tf.random.stateless_uniform([present], seed))
    order = tf.gather(order, tf.range(parts * rows) % present)
    order = tf.reshape(order, (parts, rows))
    if exchange:
        order = replicas.own_columns(order)

    def take(structure, numbers):
        return keras.tree.map_structure(
            lambda t: None if t is None else tf.gather(t, numbers), structure
        )

    return take(data, order[0]), take(data[:2], order[1:])
