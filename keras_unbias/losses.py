"""Penalties on dependence: pure functions of tensors."""

import keras
import tensorflow as tf

BINS = 50
EDGE = 2.5


def chi_squared(scores, groups, weights):
    """Chi-squared dependence of a score and a group, in a mini-batch.

    `sum_{u,v} p(u,v)^2 / (p(u) p(v)) - 1` (Mary, Calauzenes and El Karoui,
    "Fairness-Aware Learning for Continuous Attributes and Treatments", ICML
    2019), an upper bound of the squared maximal correlation of Hirschfeld,
    Gebelein and Renyi, and equal to it for two groups. The score is
    standardised and its density estimated with Gaussian kernels of
    Silverman's width on a grid over -2.5..2.5. The groups are exact: on a
    grid a rare one would lie outside.

    Args:
        scores: `(n,)` float tensor, differentiable.
        groups: `(n, k)` float tensor, one-hot.
        weights: `(n,)` float tensor >= 0, how much each row counts.

    Returns:
        Scalar tensor >= 0; 0 where the rows that count have one score.
    """
    count = tf.maximum(tf.reduce_sum(weights), 1.0)
    mean = tf.reduce_sum(weights * scores) / count
    centred = scores - mean
    variance = tf.reduce_sum(weights * centred**2) / count
    # The root of 0 has no gradient.
    varies = variance > 1e-12
    deviation = tf.sqrt(tf.where(varies, variance, 1.0))
    width = (0.75 * count) ** -0.2
    grid = tf.linspace(-EDGE, EDGE, BINS)
    distances = (grid[:, None] - (centred / deviation)[None, :]) / width
    kernels = tf.exp(-0.5 * distances**2) * weights[None, :]
    joint = tf.matmul(kernels, groups)
    joint /= tf.maximum(tf.reduce_sum(joint), 1e-10)
    marginals = tf.reduce_sum(joint, 1)[:, None] * tf.reduce_sum(joint, 0)
    value = tf.reduce_sum(tf.math.divide_no_nan(joint**2, marginals)) - 1.0
    return tf.where(varies, tf.maximum(value, 0.0), 0.0)


def equal_opportunity_penalty(
    logits, labels, attributes, positive=1, sample_weight=None
):
    """`chi_squared` of the positive class's probability, on its rows alone.

    Args:
        logits: `(n, num_classes)` float tensor.
        labels: `(n,)` int tensor.
        attributes: `(n, 1)` float tensor of 0 and 1, or `(n, k)` one-hot.
        positive: int, the class. Defaults to 1.
        sample_weight: `(n,)` float tensor, how much each row counts.
            Defaults to `None`, all the same.

    Returns:
        Scalar tensor >= 0.
    """
    weights = tf.cast(tf.reshape(labels, [-1]) == positive, tf.float32)
    if sample_weight is not None:
        weights *= tf.cast(tf.reshape(sample_weight, [-1]), tf.float32)
    attributes = tf.cast(attributes, tf.float32)
    if attributes.shape[-1] == 1:
        attributes = tf.concat([1.0 - attributes, attributes], -1)
    return chi_squared(
        keras.ops.softmax(tf.cast(logits, tf.float32))[:, positive],
        attributes,
        weights,
    )
