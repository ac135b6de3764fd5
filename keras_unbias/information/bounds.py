"""The Donsker-Varadhan bound and its class-conditional form."""

import tensorflow as tf


def donsker_varadhan_bound(
    joint_scores, marginal_scores, labels=None, num_classes=None, pairs=None
):
    """Donsker-Varadhan lower bound of I(Z;C), or of I(Z;C|Y), in nats.

    `E_joint[T] - log E_marginal[exp T]` (equation 5 of the paper). With
    `labels` the bound is taken inside every class and averaged with the
    class frequencies, which bounds I(Z;C|Y):
    `E_joint[T] - sum_y p(y) log E_marginal|y[exp T]`.

    Args:
        joint_scores: `(n,)` float tensor, T at the observed pairs.
        marginal_scores: `(n, m)` or `(n,)` float tensor, T with row i's
            features and attributes drawn independently of them.
        labels: `(n,)` int tensor in `0..num_classes-1`. Defaults to `None`,
            one class.
        num_classes: int, the number of classes; needed with `labels`.
        pairs: float tensor like `marginal_scores`, 1 where the pair counts
            and 0 where it does not. Defaults to `None`, all count.

    Returns:
        Scalar tensor, the bound in nats.

    Raises:
        ValueError: `labels` come without `num_classes`.
    """
    joint_scores = tf.convert_to_tensor(joint_scores)
    rows = joint_scores.shape[0] or tf.shape(joint_scores)[0]
    marginal_scores = tf.reshape(marginal_scores, (rows, -1))
    if labels is None:
        labels, num_classes = tf.zeros_like(joint_scores, tf.int32), 1
    elif num_classes is None:
        raise ValueError(
            "The bound inside the classes needs their number. Expected: "
            "num_classes, labels being in 0..num_classes-1. Received: labels "
            "and num_classes=None. Pass both, or neither."
        )
    if pairs is None:
        pairs = tf.ones_like(marginal_scores)
    pairs = tf.reshape(pairs, tf.shape(marginal_scores))
    # The log-mean-exp of each class, shifted by the class's own maximum: with
    # one shift for all, a class of low scores would underflow to log 0.
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
    class_sums = tf.linalg.matvec(
        members, tf.reduce_sum(weights, 1), transpose_a=True
    )
    class_pairs = tf.linalg.matvec(
        members, tf.reduce_sum(pairs, 1), transpose_a=True
    )
    # An absent class has share 0; the guards keep 0 * log(0 / 0) from NaN.
    present = class_pairs > 0
    log_mean_exp = tf.where(
        present,
        tf.math.log(
            tf.where(present, class_sums, 1.0)
            / tf.where(present, class_pairs, 1.0)
        )
        + tf.where(present, shift, 0.0),
        0.0,
    )
    shares = tf.reduce_mean(members, 0)
    return tf.reduce_mean(joint_scores) - tf.reduce_sum(shares * log_mean_exp)
