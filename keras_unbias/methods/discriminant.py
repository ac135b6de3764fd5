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
            mean variance, in the covariance. It has to be above 0 if there are
            fewer rows than features. Defaults to 0.3.

    Returns:
        A `LinearClassifier`, which is a tuple of kernel and bias.

    Raises:
        ValueError: if an argument is out of range, if lengths differ, if a
            number is not finite, if a class has no weight, or if the attribute
            differs between the classes but not inside them.

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
    features, labels, positions, weights = _checked(
        features, labels, positions, sample_weight
    )
    if not isinstance(shrinkage, Real) or not 0 <= shrinkage <= 1:
        raise ValueError(
            "The shrinkage is a share. Expected: a number in 0..1. Received: "
            f"shrinkage={shrinkage!r}. Take 0.3, for example."
        )
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
    kernel = np.linalg.pinv(covariance, hermitian=True) @ means.T
    bias = -(means.T * kernel).sum(0) / 2
    return LinearClassifier(kernel.astype(np.float32), bias.astype(np.float32))


def _slope(features, positions, weights):
    """Regresses features on positions, both centered inside the classes."""
    root = np.sqrt(weights)[:, None]
    return np.linalg.lstsq(root * positions, root * features, rcond=None)[0]


def _covariance(residuals, weights):
    return (residuals * weights[:, None]).T @ residuals / weights.sum()


def _checked(features, labels, positions, sample_weight):
    if sample_weight is None:
        sample_weight = np.ones(len(labels))
    numbers = {
        "features": features,
        "positions": positions,
        "sample_weight": sample_weight,
    }
    check_same_length(labels=labels, **numbers)
    labels = check_vector(labels)
    for name, values in numbers.items():
        values = np.asarray(values)
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise ValueError(
                f"`{name}` must consist of finite numbers. Expected: floats. Received: "
                f"{values.dtype} with NaN, infinity or no numbers. Correct these rows."
            )
    features, positions, weights = (
        np.asarray(values, np.float64) for values in numbers.values()
    )
    positions = positions.reshape(len(labels), -1)
    if features.ndim != 2:
        raise ValueError(
            "Features are vectors. Expected: shape (rows, d). Received: shape "
            f"{features.shape}. Pass what `predict` returns."
        )
    if weights.shape != labels.shape or (weights < 0).any():
        raise ValueError(
            "A row has one weight. Expected: sample_weight of shape "
            f"{labels.shape}, not negative. Received: shape {weights.shape}, least "
            f"{weights.min(initial=0):g}. Pass those of `overlap_weights`."
        )
    _check_classes(labels, weights)
    _check_varies(labels, positions, weights)
    return features, labels, positions, weights


def _check_classes(labels, weights):
    integers = np.issubdtype(labels.dtype, np.integer) and labels.min(initial=0) >= 0
    found = np.bincount(labels, weights) if integers else np.zeros(1)
    if len(found) < 2 or (found == 0).any():
        raise ValueError(
            "The discriminant compares classes. Expected: integer labels 0, 1, ... "
            "and rows of positive weight in every class. Received: labels "
            f"{np.unique(labels)[:5].tolist()}, weights by class "
            f"{np.round(found, 3).tolist()}. Number the classes from 0."
        )


def _check_varies(labels, positions, weights):
    """Checks that the slope of every part of the attribute can be seen."""
    rows = weights > 0
    labels, positions = labels[rows], positions[rows]
    inside = np.max(
        [np.ptp(positions[labels == label], axis=0) for label in np.unique(labels)],
        axis=0,
    )
    hidden = (inside == 0) & (np.ptp(positions, axis=0) > 0)
    if hidden.any():
        raise ValueError(
            "Only differences inside the classes show what the attribute does. "
            "Expected: positions that vary inside a class. Received: one value for "
            f"each class in column {int(hidden.argmax())}. Use a finer attribute."
        )
