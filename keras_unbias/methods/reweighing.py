"""A label prior, divided between the logits and the weights of the rows.

References:
    Hong & Yang, "Unbiased Classification through Bias-Contrastive and
    Bias-Balanced Learning", NeurIPS 2021.
    Kamiran & Calders, "Data preprocessing techniques for classification
    without discrimination", KAIS 2012.
"""

import math

import numpy as np
import pandas as pd

from keras_unbias.data import AttributeSpec
from keras_unbias.data.targets import mean_one
from keras_unbias.methods.bias_balanced import LabelPrior


def divide_prior(
    labels: np.ndarray,
    attributes: np.ndarray,
    spec: AttributeSpec,
    *,
    strength: float,
    sample_weight: np.ndarray | None = None,
) -> tuple[LabelPrior, np.ndarray, np.ndarray]:
    """Divides log p(y|c) / p(y) between the logits and the row weights.

    Args:
        labels: int array of shape `(rows,)`, class numbers from 0.
        attributes: float array of shape `(rows, a)`.
        spec: `AttributeSpec` of the attributes. Each combination of its
            categories is a cell of the prior, and the mean of its vectors is
            the center of the cell.
        strength: float in 0..1, the share for the logits. 1 is bias-balanced
            training and 0 is reweighing.
        sample_weight: float array of shape `(rows,)`, how much each row
            counts. Defaults to `None`, equally.

    Returns:
        The `LabelPrior` for the logits, the label shares p(y) of shape
        `(classes,)`, and the row weights of shape `(rows,)`, which include
        `sample_weight`.

    Example:

    >>> labels, attribute = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    >>> _, shares, weights = divide_prior(
    ...     labels, np.eye(2)[attribute], AttributeSpec((2,)), strength=0.5
    ... )
    >>> shares.shape, weights.shape
    ((2,), (4,))
    """
    given, rows = sample_weight, np.arange(len(labels))
    if sample_weight is not None:
        sample_weight = mean_one(sample_weight)
    counts = np.bincount(labels, sample_weight) + 1 / len(labels)
    shares = counts / counts.sum()
    # The smoothing pulls cells of few rows towards the shares of all rows.
    prior = LabelPrior(len(shares), smoothing=(len(shares) * shares).tolist())
    cells = spec.categories(attributes).cells
    centers = pd.DataFrame(attributes).groupby(cells).transform("mean")
    prior.adapt(centers.to_numpy(), labels, sample_weight)
    log_ratio = np.log(shares)[labels] - log_prior(prior, attributes)[rows, labels]
    prior.strength = strength
    weights = np.exp((1 - strength) * log_ratio)
    return prior, shares, weights if given is None else weights * given


def log_prior(prior: LabelPrior, attributes: np.ndarray) -> np.ndarray:
    """Computes `strength * log p(y|c)` of many rows.

    Args:
        prior: `LabelPrior` that was adapted.
        attributes: float array of shape `(rows, a)`.

    Returns:
        Float array of shape `(rows, classes)`.
    """
    # In chunks, because the prior computes distances to all cells.
    chunks = np.array_split(attributes, math.ceil(len(attributes) / 1024))
    return np.concatenate([prior(chunk) for chunk in chunks])
