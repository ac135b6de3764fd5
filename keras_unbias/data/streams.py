"""Orders of training rows, and options of tf.data pipelines."""

import numpy as np
import tensorflow as tf


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Turns off tf.data's tuning.

    The pipeline has nothing to tune. With many small epochs tf.data builds so
    large a model of it that the end of a run waits some 9 seconds for it.

    Args:
        dataset: `tf.data.Dataset`.

    Returns:
        The same `tf.data.Dataset` with other options.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def replica_shares(
    batch_size: int, mini_batches: int, input_context: tf.distribute.InputContext
) -> np.ndarray:
    """Computes what rows of a step each replica of one worker takes.

    Args:
        batch_size: int, rows per mini-batch, of all replicas together.
        mini_batches: int, mini-batches per step.
        input_context: `tf.distribute.InputContext` of the worker.

    Returns:
        Int32 array with a row for each replica, the places in the step of its
        share of the first mini-batch, of the second and so on.

    Raises:
        ValueError: if the rows of a mini-batch cannot be shared evenly.

    Example:

    >>> context = tf.distribute.InputContext(num_replicas_in_sync=2)
    >>> replica_shares(4, 2, context).tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    replicas = input_context.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            "Replicas share the rows of a mini-batch evenly. Expected: a batch_size "
            f"that is a multiple of {replicas} replicas. Received: "
            f"batch_size={batch_size}. Change the batch size."
        )
    places = np.arange(mini_batches * batch_size, dtype=np.int32)
    places = places.reshape(mini_batches, replicas, -1).swapaxes(0, 1)
    workers = np.split(places.reshape(replicas, -1), input_context.num_input_pipelines)
    return workers[input_context.input_pipeline_id]


def epoch_order(
    seed: int, epoch: tf.Tensor, rows: int, batch_size: int, mini_batches: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the order of an epoch, a pure function of the arguments.

    Args:
        seed: non-negative int.
        epoch: int64 scalar tensor, number of the epoch.
        rows: int, rows of the training split.
        batch_size: int, rows per mini-batch.
        mini_batches: int, mini-batches per step, each of them from a
            permutation of its own.

    Returns:
        Tuple of the row numbers of each step, int32 tensor of shape `(steps,
        mini_batches * batch_size)`, and of a seed for each step, int64 tensor
        of shape `(steps, 2)`.

    Example:

    >>> numbers, seeds = epoch_order(0, tf.constant(0, tf.int64), 10, 4, 1)
    >>> numbers.shape, seeds.shape
    (TensorShape([2, 4]), TensorShape([2, 2]))
    """
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    steps = rows // batch_size

    def permutation(number):
        return tf.random.experimental.stateless_shuffle(
            tf.range(rows), seed=tf.random.fold_in(key, number), alg="philox"
        )

    orders = tf.map_fn(
        permutation,
        tf.range(mini_batches, dtype=tf.int64),
        fn_output_signature=tf.TensorSpec((rows,), tf.int32),
    )
    orders = orders[:, : steps * batch_size]
    orders = tf.reshape(orders, (mini_batches, steps, batch_size))
    orders = tf.reshape(tf.transpose(orders, (1, 0, 2)), (steps, -1))
    # Numbers beyond those of the permutations, so that no step shares its
    # seed with one of them.
    seeds = tf.map_fn(
        lambda step: tf.random.fold_in(key, mini_batches + step),
        tf.range(steps, dtype=tf.int64),
    )
    return orders, seeds
