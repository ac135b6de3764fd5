"""The Donsker-Varadhan bound and its class-conditional form."""

import numpy as np
import tensorflow as tf


def donsker_varadhan_bound(
    joint_scores: tf.Tensor | np.ndarray,
    marginal_scores: tf.Tensor | np.ndarray,
    labels: tf.Tensor | np.ndarray | None = None,
    num_classes: int | None = None,
    pairs: tf.Tensor | np.ndarray | None = None,
) -> tf.Tensor:
    """Computes the Donsker-Varadhan lower bound of I(Z;C) or I(Z;C|Y).

    Without labels, this is equation 5 of the paper:
    `E_joint[T] - log E_marginal[exp T]`. With labels, the marginal is taken
    inside each class and weighted by the frequency of the class:
    `E_joint[T] - sum_y p(y) log E_marginal|y[exp T]`.

    Args:
        joint_scores: float tensor of shape `(n,)`, the critic's scores of the
            observed pairs of features and attributes.
        marginal_scores: float tensor of shape `(n, m)` or `(n,)`, the scores
            of row i's features with independently drawn attributes.
        labels: int tensor of shape `(n,)` with values in
            `0..num_classes-1`. Defaults to `None`, which bounds I(Z;C).
        num_classes: int, the number of classes. Required with `labels`.
        pairs: float tensor of the shape of `marginal_scores`, 1 for the pairs
            that count and 0 for the others. Defaults to `None`, which counts
            all.

    Returns:
        Scalar tensor, the bound in nats.

    Raises:
        ValueError: if `labels` are given without `num_classes`.

    References:
        Ragonesi et al., "Learning Unbiased Representations via Mutual
        Information Backpropagation", equation 5.

    Example:

    >>> bound = donsker_varadhan_bound(np.float32([1, 3]), np.float32([0, 0]))
    >>> float(bound)
    2.0
    """
    joint_scores = tf.convert_to_tensor(joint_scores)
    rows = joint_scores.shape[0] or tf.shape(joint_scores)[0]
    marginal_scores = tf.reshape(marginal_scores, (rows, -1))
    if labels is None:
        labels, num_classes = tf.zeros_like(joint_scores, tf.int32), 1
    elif num_classes is None:
        raise ValueError(
            "The class-conditional bound needs the number of classes. "
            "Expected: labels in 0..num_classes-1, and num_classes. Received: "
            "labels and num_classes=None. Pass both or neither."
        )
    if pairs is None:
        pairs = tf.ones_like(marginal_scores)
    pairs = tf.reshape(pairs, tf.shape(marginal_scores))
    # Each class is shifted by its own maximum. With one shift for all, the
    # exponentials of a class of low scores would underflow to 0.
    shift = tf.math.unsorted_segment_max(
        tf.reduce_max(
            tf.where(pairs > 0, marginal_scores, marginal_scores.dtype.min), 1
        ),
        labels,
        num_classes,
    )
    shift = tf.stop_gradient(shift)
    weights = pairs * tf.exp(
        tf.minimum(marginal_scores - tf.gather(shift, labels)[:, None], 0.0)
    )
    members = tf.one_hot(labels, num_classes, dtype=joint_scores.dtype)
    class_sums = tf.linalg.matvec(members, tf.reduce_sum(weights, 1), transpose_a=True)
    class_pairs = tf.linalg.matvec(members, tf.reduce_sum(pairs, 1), transpose_a=True)
    # A class without rows has frequency 0. The guards keep 0 * log(0 / 0)
    # from becoming NaN.
    present = class_pairs > 0
    log_mean_exp = tf.where(
        present,
        tf.math.log(
            tf.where(present, class_sums, 1.0) / tf.where(present, class_pairs, 1.0)
        )
        + tf.where(present, shift, 0.0),
        0.0,
    )
    frequencies = tf.reduce_mean(members, 0)
    return tf.reduce_mean(joint_scores) - tf.reduce_sum(frequencies * log_mean_exp)
