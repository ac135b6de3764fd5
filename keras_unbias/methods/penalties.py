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


def attribute_cross_entropy(logits, attributes, parts):
    """How badly an attribute classifier does, averaged over rows and parts.

    Args:
        logits: `(n, a)` float tensor.
        attributes: `(n, a)` float tensor.
        parts: tuple of ints that add up to a: widths of the one-hot parts of
            the attribute, e.g. `(8, 8, 8)` for three binned channels. A part
            of width 1 is a number, 0 or 1.

    Returns:
        Scalar tensor, nats.
    """
    attributes = tf.cast(attributes, tf.float32)
    losses = [
        -tf.reduce_sum(target * tf.nn.log_softmax(scores), -1)
        for target, scores in zip(
            _split(attributes, parts, lambda c: tf.concat([1.0 - c, c], -1)),
            _of_parts(logits, parts),
            strict=True,
        )
    ]
    return tf.reduce_mean(losses)


def confusion(logits, parts):
    """Cross-entropy of an attribute classifier and the uniform distribution.

    The confusion loss of Alvi, Zisserman and Nellaker, "Turning a Blind
    Eye", ECCV workshops 2018, averaged over rows and parts.

    Args:
        logits: As in `attribute_cross_entropy`.
        parts: As in `attribute_cross_entropy`.

    Returns:
        Scalar tensor, nats; the least is the mean logarithm of the number of
        values of a part.
    """
    return tf.reduce_mean(
        [
            -tf.reduce_mean(tf.nn.log_softmax(scores), -1)
            for scores in _of_parts(logits, parts)
        ]
    )


def negative_entropy(logits, parts):
    """Minus the entropy of what an attribute classifier says.

    The regulariser of Kim, Kim, Kim, Kim and Kim, "Learning Not to Learn",
    CVPR 2019, averaged over rows and parts.

    Args:
        logits: As in `attribute_cross_entropy`.
        parts: As in `attribute_cross_entropy`.

    Returns:
        Scalar tensor <= 0, nats.
    """
    return tf.reduce_mean(
        [
            tf.reduce_sum(tf.nn.softmax(s) * tf.nn.log_softmax(s), -1)
            for s in _of_parts(logits, parts)
        ]
    )


def _of_parts(logits, parts):
    logits = tf.cast(logits, tf.float32)
    return _split(logits, parts, lambda s: tf.concat([tf.zeros_like(s), s], -1))


def _split(rows, parts, of_number):
    """The parts of rows; those of width 1 as two values."""
    return [
        of_number(part) if width == 1 else part
        for part, width in zip(tf.split(rows, parts, -1), parts, strict=True)
    ]
