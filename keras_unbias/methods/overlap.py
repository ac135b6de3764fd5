"""Weights for rows where the attributes of the classes are close.

References:
    Li, Morgan & Zaslavsky, "Balancing Covariates via Propensity Score
    Weighting", JASA 2018.
    Li & Li, "Propensity Score Weighting for Causal Inference with Multiple
    Treatments", Annals of Applied Statistics 2019.
"""

from numbers import Real

import numpy as np

from keras_unbias.checks import check_same_length, check_vector
from keras_unbias.data.attributes import check_finite

# Below it, the ratios of weights are rounding errors.
SMALLEST = 1e-9


def overlap_weights(
    labels: np.ndarray, positions: np.ndarray, *, width: float
) -> np.ndarray:
    """Weights each row by how well the attribute hides its label.

    The weight of a row is 1 / (p(y|c) sum_k 1 / p(k|c)). For two classes this is
    1 - p(y|c). With these overlap weights an attribute is as frequent in one
    class as in the others. A kernel exp(-distance / width) estimates p(y|c),
    with equal shares of the classes. So the weights also work where no value of
    the attribute is common to two classes, such as young women and older men.
    Then rows near the other class count most, because there the attribute
    explains the least. Few rows may carry most of the weight.

    Pass the weights to `fit` as `sample_weight`.

    Args:
        labels: array of shape `(rows,)`, one class per row.
        positions: float array of shape `(rows,)` or `(rows, a)`, where the
            rows lie in the attribute, such as ages in years. See
            `AttributeSpec.positions` for bins.
        width: float > 0, the distance at which the kernel falls to 1/e, in the
            unit of the positions. Distances add up over the columns.

    Returns:
        Float32 array of shape `(rows,)`, with mean 1 in every class.

    Raises:
        ValueError: if `width` is not positive, if lengths differ, if a
            position is not finite, if there is one class, or if no row of a
            class lies near another class, compared with the width.

    Example:

    >>> ages = [25, 30, 41, 46]
    >>> weights = overlap_weights([0, 0, 1, 1], ages, width=5.0)
    >>> [f"{weight:.2f}" for weight in weights]
    ['0.56', '1.44', '1.44', '0.56']
    """
    if not isinstance(width, Real) or not 0 < width < np.inf:
        raise ValueError(
            "The width is a distance between attributes. Expected: a finite number > "
            f"0. Received: width={width}. Take about the gap between two classes."
        )
    check_same_length(labels=labels, positions=positions)
    check_finite(positions)
    labels = check_vector(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            "The weights compare classes. Expected: labels of two classes or more. "
            f"Received: {len(classes)}. Pass all training rows."
        )
    sizes = np.bincount(codes)
    positions = np.asarray(positions, float).reshape(len(codes), -1)
    # Many rows share few positions.
    cells, cell = np.unique(positions, axis=0, return_inverse=True)
    cell = cell.ravel()
    shares = np.zeros((len(cells), len(classes)))
    np.add.at(shares, (cell, codes), 1 / sizes[codes])
    distances = sum(np.abs(column[:, None] - column) for column in cells.T)
    near = (np.exp(-distances / width) @ shares)[cell]
    own = near[np.arange(len(codes)), codes]
    # A class that is nowhere near has share 0 and makes the weight 0.
    with np.errstate(divide="ignore"):
        weights = 1 / (own * (1 / near).sum(1))
    means = np.bincount(codes, weights) / sizes
    if means.min() < SMALLEST:
        raise ValueError(
            "A class has no row near another class. Expected: a width of about the "
            f"gap between the classes. Received: width={width}. Raise it."
        )
    return (weights / means[codes]).astype(np.float32)
