"""Penalties on the dependence on an attribute, as functions of tensors."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_unbias.data.attributes import AttributeSpec

# The grid on which the density of a score is estimated.
BINS = 50
EDGE = 2.5


def chi_squared(scores: tf.Tensor, groups: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Computes the chi-squared dependence of a score and a group.

    The dependence is `sum_{u,v} p(u,v)^2 / (p(u) p(v)) - 1`. It is an upper
    bound of the squared maximal correlation of Hirschfeld, Gebelein and
    Renyi, and equal to it for two groups.

    The score is standardized. Its density is estimated with Gaussian kernels
    of Silverman's width on a grid from -2.5 to 2.5. The groups are exact,
    for a rare group would lie outside such a grid.

    Args:
        scores: float tensor of shape `(n,)`, differentiable.
        groups: float tensor of shape `(n, k)`, one-hot.
        weights: float tensor of shape `(n,)`, the weight >= 0 of each row.

    Returns:
        Scalar tensor >= 0. It is 0 if all rows with weight have one score.

    References:
        Mary, Calauzenes and El Karoui, "Fairness-Aware Learning for
        Continuous Attributes and Treatments", ICML 2019.
    """
    # Only the ratios of weights matter.
    weights = tf.math.divide_no_nan(weights, tf.reduce_max(weights))
    count = tf.maximum(tf.reduce_sum(weights), 1.0)
    mean = tf.reduce_sum(weights * scores) / count
    centered = scores - mean
    variance = tf.reduce_sum(weights * centered**2) / count
    # The square root has no gradient at 0.
    varies = variance > 1e-12
    deviation = tf.sqrt(tf.where(varies, variance, 1.0))
    width = (0.75 * count) ** -0.2
    grid = tf.linspace(-EDGE, EDGE, BINS)
    distances = (grid[:, None] - (centered / deviation)[None, :]) / width
    kernels = tf.exp(-0.5 * distances**2) * weights[None, :]
    joint = tf.matmul(kernels, groups)
    joint /= tf.maximum(tf.reduce_sum(joint), 1e-10)
    marginals = tf.reduce_sum(joint, 1)[:, None] * tf.reduce_sum(joint, 0)
    value = tf.reduce_sum(tf.math.divide_no_nan(joint**2, marginals)) - 1.0
    return tf.where(varies, tf.maximum(value, 0.0), 0.0)


def equal_opportunity_penalty(
    logits: tf.Tensor,
    labels: tf.Tensor,
    attributes: tf.Tensor,
    positive: int = 1,
    sample_weight: tf.Tensor | None = None,
) -> tf.Tensor:
    """Computes the dependence of a class's probability on the attribute.

    Only the rows of that class count, see `chi_squared`.

    Args:
        logits: float tensor of shape `(n, num_classes)`.
        labels: int tensor of shape `(n,)`.
        attributes: float tensor of shape `(n, 1)`, 0 or 1, or of shape
            `(n, k)`, one-hot.
        positive: int, the class. Defaults to 1.
        sample_weight: float tensor of shape `(n,)`, the weight of each row.
            Defaults to `None`, equal weights.

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
        keras.ops.softmax(tf.cast(logits, tf.float32))[:, positive], attributes, weights
    )


def attribute_cross_entropy(
    logits: tf.Tensor, attributes: tf.Tensor, parts: AttributeSpec | Sequence[int]
) -> tf.Tensor:
    """Computes the cross-entropy of an attribute classifier.

    It is the mean over rows and parts of the attribute.

    Args:
        logits: float tensor of shape `(n, a)`.
        attributes: float tensor of shape `(n, a)`.
        parts: `AttributeSpec` of the attribute, or the widths of its parts,
            such as `(8, 8, 8)` for three binned channels. A part of width 1
            is a number in 0..1, and its logit that of a sigmoid.

    Returns:
        Scalar tensor, in nats.
    """
    targets = _as_categories(attributes, parts, lambda c: tf.concat([1.0 - c, c], -1))
    losses = [
        -tf.reduce_sum(target * tf.nn.log_softmax(scores), -1)
        for target, scores in zip(targets, _scores(logits, parts), strict=True)
    ]
    return tf.reduce_mean(losses)


def confusion(logits: tf.Tensor, parts: AttributeSpec | Sequence[int]) -> tf.Tensor:
    """Computes the confusion loss of an attribute classifier.

    The loss is the cross-entropy of the classifier and the uniform
    distribution, the mean over rows and parts of the attribute.

    Args:
        logits: float tensor of shape `(n, a)`.
        parts: see `attribute_cross_entropy`.

    Returns:
        Scalar tensor, in nats. Its minimum is the mean over the parts of the
        logarithm of the number of categories.

    References:
        Alvi, Zisserman and Nellaker, "Turning a Blind Eye: Explicit Removal
        of Biases and Variation from Deep Neural Network Embeddings", ECCV
        workshops 2018.
    """
    losses = [-tf.reduce_mean(tf.nn.log_softmax(s), -1) for s in _scores(logits, parts)]
    return tf.reduce_mean(losses)


def negative_entropy(
    logits: tf.Tensor, parts: AttributeSpec | Sequence[int]
) -> tf.Tensor:
    """Computes minus the entropy of an attribute classifier's probabilities.

    It is the mean over rows and parts of the attribute.

    Args:
        logits: float tensor of shape `(n, a)`.
        parts: see `attribute_cross_entropy`.

    Returns:
        Scalar tensor <= 0, in nats.

    References:
        Kim, Kim, Kim, Kim and Kim, "Learning Not to Learn: Training Deep
        Neural Networks with Biased Data", CVPR 2019.
    """
    scores = _scores(logits, parts)
    return tf.reduce_mean(
        [tf.reduce_sum(tf.nn.softmax(s) * tf.nn.log_softmax(s), -1) for s in scores]
    )


def as_spec(parts: AttributeSpec | Sequence[int]) -> AttributeSpec:
    """Returns the `AttributeSpec` of some widths, or the one that is given."""
    return parts if isinstance(parts, AttributeSpec) else AttributeSpec(parts)


def _scores(logits, parts):
    """Returns the logits of each part, of shape `(n, categories)`."""
    return _as_categories(logits, parts, lambda s: tf.concat([tf.zeros_like(s), s], -1))


def _as_categories(rows, parts, of_number):
    """Splits rows into parts and makes two categories of each number."""
    return [
        of_number(part) if part.shape[-1] == 1 else part
        for part in as_spec(parts).split(tf.cast(rows, tf.float32))
    ]
