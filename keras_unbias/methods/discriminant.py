"""A linear classifier whose class means are adjusted for the attribute.

Reference:
    Cochran & Bliss, "Discriminant Functions with Covariance", Annals of
    Mathematical Statistics 1948.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np

from keras_unbias.checks import check_same_length, check_vector


class LinearClassifier(NamedTuple):
    """The weights of a `Dense` layer that returns logits.

    Args:
        kernel: float32 array of shape `(d, num_classes)`.
        bias: float32 array of shape `(num_classes,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray


def adjusted_discriminant(
    features: np.ndarray,
    labels: np.ndarray,
    positions: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    shrinkage: float = 0.3,
) -> LinearClassifier:
    """Fits a linear discriminant at equal values of the attribute.

    The differences inside the classes show how features change with the
    attribute: a linear regression finds the slope, the same for all classes.
    The slope moves the mean of each class to one common value of the
    attribute. So the means differ by what the label does, even if no value of
    the attribute is common to two classes, such as young women and older men.
    The covariance around these means contains the effect of the attribute, so
    that the classifier turns away from it. All classes are held to be equally
    frequent.

    Use it in place of the classifier of a trained model, with the features of
    the training rows:

        weights = adjusted_discriminant(features, labels, ages)
        model.classifier.set_weights(weights)

    Args:
        features: float array of shape `(rows, d)`, as `predict` returns it.
        labels: int array of shape `(rows,)`, classes from 0.
        positions: float array of shape `(rows,)` or `(rows, a)`, where the
            rows lie in the attribute, such as ages in years. See
            `AttributeSpec.positions` for bins.
        sample_weight: float array of shape `(rows,)`, such as that of
            `overlap_weights`. With it the rows near the other class decide,
            where a straight line is the best approximation. Defaults to
            `None`, equal weights.
        shrinkage: float in 0..1, the share of the identity matrix, times the
            mean variance, in the covariance. Take more than 0 if there are
            not many more rows than features. Defaults to 0.3.

    Returns:
        A `LinearClassifier`, which is a tuple of kernel and bias.

    Raises:
        ValueError: if an argument is out of range, if lengths differ, if a
            number is not finite, if a class has no weight, if the features do
            not differ, or if the attribute differs between the classes in a
            way that it does not inside them.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 2
    >>> ages = rng.uniform(10, 30, 200) + 20 * labels
    >>> features = np.stack([0.3 * labels + 0.02 * ages, ages], axis=1)
    >>> features += rng.normal(0, 0.1, features.shape)
    >>> kernel, bias = adjusted_discriminant(
    ...     features, labels, ages, shrinkage=0.001
    ... )
    >>> # Women and men of the same age.
    >>> logits = [[0.6, 30], [0.9, 30]] @ kernel + bias
    >>> logits.argmax(1)
    array([0, 1])
    """
    number = isinstance(shrinkage, Real) and not isinstance(shrinkage, bool)
    if not number or not 0 <= shrinkage <= 1:
        raise ValueError(
            "The shrinkage is a share. Expected: a number in 0..1. Received: "
            f"shrinkage={shrinkage!r}. Take 0.3, for example."
        )
    features, labels, positions, weights = _checked(
        features, labels, positions, sample_weight
    )
    # Large numbers that all classes share would hide the differences.
    middle = features.mean(0)
    features = features - middle
    scale = np.abs(features).max()
    features = features / (scale or 1.0)
    shares = np.eye(labels.max() + 1)[labels] * weights[:, None]
    shares /= shares.sum(0)
    means, centers = shares.T @ features, shares.T @ positions
    slope = _slope(features - means[labels], positions - centers[labels], weights)
    means = means + (centers.mean(0) - centers) @ slope
    covariance = _covariance(features - means[labels], weights)
    mean_variance = np.trace(covariance) / len(covariance)
    covariance = (1 - shrinkage) * covariance
    covariance += shrinkage * mean_variance * np.eye(len(covariance))
    # With a pseudo-inverse, features that are constant have no say.
    inverse = np.linalg.pinv(covariance, hermitian=True)
    center = means.mean(0)
    kernel = inverse @ (means - center).T
    bias = -((means + center).T / 2 * kernel).sum(0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        kernel = kernel / scale
        bias = bias - middle @ kernel
        found = LinearClassifier(kernel.astype(np.float32), bias.astype(np.float32))
    large = scale > np.finfo(np.float32).max
    if large or not all(np.isfinite(part).all() for part in found):
        raise ValueError(
            "The features differ too little or too much. Expected: differences that "
            f"float32 can hold. Received: at most {scale:g}. Scale the features."
        )
    return found


def _slope(features, positions, weights):
    """Regresses features on positions, both centered inside the classes."""
    root = np.sqrt(weights)[:, None]
    return np.linalg.lstsq(root * positions, root * features, rcond=None)[0]


def _covariance(residuals, weights):
    return (residuals * weights[:, None]).T @ residuals / weights.sum()


def _checked(features, labels, positions, sample_weight):
    """Returns the arguments as arrays, the weights with a largest one of 1."""
    labels = check_vector(labels)
    if sample_weight is None:
        sample_weight = np.ones(len(labels))
    features = _numbers("features", features, dimensions=(2,))
    positions = _numbers("positions", positions, dimensions=(1, 2))
    weights = _numbers("sample_weight", sample_weight, dimensions=(1,))
    check_same_length(
        labels=labels, features=features, positions=positions, sample_weight=weights
    )
    if (weights < 0).any():
        raise ValueError(
            "A weight says how much a row counts. Expected: sample_weight >= 0. "
            f"Received: {weights.min():g}. Pass those of `overlap_weights`."
        )
    weights = weights / max(weights.max(), np.finfo(float).tiny)
    labels = _check_classes(labels, weights)
    positions = positions.reshape(len(labels), -1)
    _check_varies(labels[weights > 0], positions[weights > 0])
    return features, labels, positions, weights


def _numbers(name, values, dimensions):
    try:
        array = np.asarray(values)
    # Rows of different lengths.
    except ValueError:
        array = np.array(None)
    right = array.dtype.kind in "biuf" and array.ndim in dimensions and array.size
    if not right or not np.isfinite(array).all():
        shapes = " or ".join(("(rows,)", "(rows, columns)")[d - 1] for d in dimensions)
        raise ValueError(
            f"`{name}` must consist of finite numbers. Expected: floats of shape "
            f"{shapes}. Received: {array.dtype} of shape {array.shape}, or NaN or "
            "infinity in it. Correct these rows."
        )
    return array.astype(np.float64)


def _check_classes(labels, weights):
    integers = labels.dtype.kind in "iu" and 0 <= labels.min() <= labels.max()
    found = ()
    if integers and labels.max() < len(labels):
        found = np.bincount(labels, weights)
    if len(found) < 2 or (found == 0).any():
        raise ValueError(
            "The discriminant compares classes. Expected: integer labels 0, 1, ... "
            "and rows of positive weight in every class. Received: labels "
            f"{np.unique(labels)[:5].tolist()} of type {labels.dtype}, weights by "
            f"class {np.round(found, 3).tolist()}. Number the classes from 0."
        )
    return labels.astype(np.int64)


def _check_varies(labels, positions):
    """Checks that the slope of every part of the attribute can be seen."""
    centered = positions - positions.mean(0)
    centered = centered / np.maximum(np.abs(centered).max(0), np.finfo(float).tiny)
    inside = centered.copy()
    for label in np.unique(labels):
        inside[labels == label] -= inside[labels == label].mean(0)
    ranks = [np.linalg.matrix_rank(part, tol=1e-6) for part in (inside, centered)]
    if ranks[0] < ranks[1]:
        raise ValueError(
            "Only differences inside the classes show what the attribute does. "
            "Expected: positions that vary inside a class wherever they vary between "
            f"classes. Received: {ranks[0]} of {ranks[1]} directions inside. Pass "
            "where rows lie in an ordered attribute, see AttributeSpec.positions."
        )
