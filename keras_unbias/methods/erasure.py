"""Erasure of what inputs tell linearly about an attribute, given the label.

References:
    Belrose et al., "LEACE: Perfect Linear Concept Erasure in Closed Form",
    NeurIPS 2023. Here the concept is erased given the label.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn import preprocessing

from keras_unbias.data.targets import mean_one

# Of the variance of a standardized column. It bounds the inverse covariance.
RIDGE = 1e-2
# The least share of the label's separation that an erasure has to keep.
KEPT = 0.9
# How often chance alone may look like an effect of the attribute.
LEVEL = 0.05


class Erasure(NamedTuple):
    """The map `x - (x @ readout) @ directions` of standardized columns.

    Args:
        readout: float array of shape `(columns, r)`.
        directions: float array of shape `(r, columns)`.
    """

    readout: np.ndarray
    directions: np.ndarray


def find_erasure(
    table: np.ndarray,
    labels: np.ndarray,
    attributes: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Erasure | None:
    """Finds the directions in which the attribute moves rows of one class.

    The attribute's effect on the columns is a linear regression within the
    classes. All rows of a class count, so the label has no part in it, though
    it agrees with the attribute in nearly all rows. The directions are
    projected out in the metric of the rows' covariance, so that as little as
    possible is lost. The strongest come first. Directions that may be chance
    are left: with many columns and few rows, noise alone looks like an effect.
    The erasure ends before it takes more than a tenth of the separation of the
    classes, compared with leaving the attribute's effect in the columns as
    noise.

    Args:
        table: float array of shape `(rows, columns)`.
        labels: int array of shape `(rows,)`, class numbers from 0.
        attributes: float array of shape `(rows, a)`.
        sample_weight: float array of shape `(rows,)`, how much each row
            counts. Defaults to `None`, equally.

    Returns:
        The `Erasure`, or `None` if chance explains what the attribute seems to
        move, as it always does where there are not more rows than columns, or
        if the label moves the rows in the same directions, so that it would be
        erased too.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels, attribute = rng.integers(0, 2, (2, 500))
    >>> table = rng.normal(size=(500, 2)) + np.stack([labels, 3 * attribute], 1)
    >>> erasure = find_erasure(table, labels, attribute[:, None])
    >>> np.abs(erasure.directions[0]).round().tolist()
    [0.0, 1.0]
    """
    rows = len(table)
    weight = np.ones(rows) if sample_weight is None else mean_one(sample_weight)
    table = preprocessing.StandardScaler().fit_transform(table)
    inputs, vectors = (_within(part, labels, weight) for part in (table, attributes))
    scatter = vectors.T @ (weight[:, None] * vectors) / rows
    effects = np.linalg.pinv(scatter, 1e-6, hermitian=True) @ (
        vectors.T @ (weight[:, None] * inputs) / rows
    )
    noise = np.sqrt(weight)[:, None] * (inputs - vectors @ effects)
    # In units of the noise, as in a canonical correlation analysis.
    moves = _root(scatter) @ effects
    strengths, turns = np.linalg.eigh(moves @ _without_noise(noise, moves.T))
    # Weaker ones may be chance: with many columns, those of few rows are strong.
    chance = _largest_by_chance(noise, labels, scatter, weight)
    strongest = np.argsort(-strengths)[: np.sum(strengths > chance)]
    if not len(strongest):
        return None
    strengths, directions = strengths[strongest], turns.T[strongest] @ moves
    scaled = _without_noise(noise, directions.T)
    # Where the classes lie, whatever the attribute.
    rest, (_, first) = table - attributes @ effects, np.unique(labels, True)
    shares = np.bincount(labels, weight)[labels[first]] / rows
    means = (rest - _within(rest, labels, weight))[first]
    means -= shares @ means
    along = means @ scaled
    moved = attributes @ effects @ (scaled / strengths)
    # Of the label's separation, what the attribute costs as a noise, and what
    # an erasure of the first 1, 2, ... directions costs.
    spread = np.atleast_2d(np.cov(moved.T, aweights=weight))
    drowned = np.linalg.inv(np.linalg.pinv(spread, hermitian=True) + np.diag(strengths))
    separation = shares @ (means * _without_noise(noise, means.T).T).sum(1)
    noisy = separation - shares @ ((along @ drowned) * along).sum(1)
    erased = separation - np.cumsum(shares @ (along**2 / strengths))
    count = np.sum(erased >= KEPT * noisy)
    if not count:
        return None
    return Erasure((scaled / strengths)[:, :count], directions[:count])


def _within(values, labels, weight):
    """Returns deviations from the means of the classes."""
    sums = np.zeros((labels.max() + 1, values.shape[1]))
    np.add.at(sums, labels, weight[:, None] * values)
    totals = np.bincount(labels, weight)
    return values - (sums / np.maximum(totals, 1e-300)[:, None])[labels]


def _largest_by_chance(noise, labels, scatter, weight):
    """Returns a bound of the strongest effect that noise alone shows."""
    # The bound of Roy's largest root. Of one attribute column, Hotelling's test.
    columns, effects = _rank(noise.T @ noise), _rank(scatter)
    counted = weight.sum() ** 2 / (weight**2).sum()
    free = counted - len(np.unique(labels)) - effects
    larger = max(columns, effects)
    if free - larger + effects < 1:
        return np.inf
    quantile = stats.f.isf(LEVEL, larger, free - larger + effects)
    return quantile * larger / (free - larger + effects)


def _without_noise(noise, vectors):
    """Returns the inverse covariance of rows of noise, times vectors."""
    covariance = noise.T @ noise / len(noise)
    return np.linalg.solve(covariance + RIDGE * np.eye(len(covariance)), vectors)


def _rank(matrix):
    """Returns the rank of a positive semidefinite matrix."""
    values = np.linalg.eigvalsh(matrix)
    return np.sum(values > 1e-6 * values.max())


def _root(matrix):
    """Returns the square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
