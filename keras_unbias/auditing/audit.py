"""The audit: how much features reveal about an attribute."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.auditing import metrics
from keras_unbias.auditing.outputs import (
    check_predictions,
    collect_outputs,
    predicted_classes,
)
from keras_unbias.auditing.report import Audit, Leakage
from keras_unbias.checks import check_integer
from keras_unbias.data import AttributeSpec, BiasedDataset
from keras_unbias.data.attributes import Categories
from keras_unbias.dependence.bootstrap import Bootstrap
from keras_unbias.dependence.columns import rank_columns
from keras_unbias.dependence.cross_fitting import Probed, cross_fit
from keras_unbias.information import discrete

# With fewer, no probe can be fitted and calibrated.
MIN_ROWS = 60


def audit(
    model_or_features: Callable | np.ndarray,
    dataset: BiasedDataset | tf.data.Dataset | tuple,
    *,
    predictions: np.ndarray | None = None,
    seed: int = 0,
    rows: int = 12_000,
    resamples: int = 200,
) -> Audit:
    """Measures how much a representation reveals about the attribute.

    The audit fits estimators of its own and never uses that of the training.
    I(Z;C) is the information of features and attribute as
    `mutual_information` finds it, beside three probes (linear, MLP,
    gradient-boosted trees) of the features as they are, with the bound
    `H(C) - CE`. By the chain rule, I(Z;C|Y) is the information of features and
    label together, less that of the label. For it a number is cut into deciles.
    Every row is held out once from the fit and the choice of estimators. In
    expectation the values are lower bounds. On few rows their noise is a few
    hundredths of a nat in either direction, and the intervals leave out the
    part of it that comes from the fits. Information that no estimator finds may
    still be there. The probes take the longest, a minute or more for an
    attribute with many values.

    Args:
        model_or_features: a `RepresentationClassifier`, the result of
            `load_classifier`, or any function from a batch of inputs to a dict
            with `"features"` and, for the accuracies, `"logits"`. Or the
            features themselves, an array of shape `(rows, d)`.
        dataset: rows that the model was not trained on: a `BiasedDataset`,
            whose test split is used, a `tf.data.Dataset` of batches `(x,
            {"label": y, "attribute": c})`, or one such pair of arrays. With
            features, `x` may be `None`. The label may be missing. Labels
            count only if they are class numbers: integers, booleans, or 0.0
            and 1.0.
        predictions: int array of shape `(rows,)`, classes predicted by another
            kind of model. Defaults to `None`, which takes the largest logit,
            or the sign of a single one.
        seed: int, the seed of the choice of rows, the estimators and the
            bootstrap. Defaults to 0.
        rows: int, the number of rows to use, drawn at random. Defaults to
            12,000. A smaller data set is used as a whole.
        resamples: int, bootstrap samples per interval. Defaults to 200.

    Returns:
        An `Audit`. Print it, plot it, or read its numbers.

    Raises:
        ValueError: if there are fewer than 60 rows, if the features are not a
            matrix of finite numbers, if arrays differ in length, if all rows
            have the same attribute, or if labels or predictions are not
            classes, or in the scope of a strategy of several replicas.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> attribute = rng.integers(0, 2, 300)
    >>> features = np.eye(2)[attribute] + rng.normal(0, 0.1, (300, 2))
    >>> result = ku.audit(
    ...     features, (None, {"attribute": attribute}), resamples=10
    ... )
    >>> result.leakage.information.value > 0.5  # At most log(2) = 0.693 nats.
    True
    """
    replicas.check_no_scope("`audit`")
    check_integer("seed", seed, minimum=0)
    check_integer("resamples", resamples, minimum=1)
    outputs = collect_outputs(
        model_or_features, dataset, in_order=predictions is not None
    )
    labels = outputs.labels
    if predictions is not None:
        predictions = check_predictions(predictions)
    elif outputs.logits is not None and labels is not None:
        predictions = predicted_classes(outputs.logits, labels)
    _check(outputs, predictions, rows)
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(outputs.features))[:rows]
    attributes = outputs.attributes[chosen]
    spec = outputs.spec or AttributeSpec.infer(attributes)
    categories = spec.categories(attributes)
    _check_values(categories, attributes)
    bootstrap = Bootstrap(resamples, generator)

    def leakage(labels=None, floor=0.0):
        return _leakage(
            outputs.features[chosen],
            spec.frame(attributes),
            categories,
            labels,
            floor=floor,
            seed=seed,
            bootstrap=bootstrap,
        )

    if labels is None:
        return Audit(rows=len(chosen), leakage=leakage())
    labels = labels[chosen]
    floor = discrete.discrete_mutual_information(labels, categories.cells)
    classes = np.unique(labels, return_inverse=True)[1]
    found = leakage(floor=floor), leakage(classes)
    rates = {}
    if predictions is not None:
        predictions = predictions[chosen]
        rates = metrics.accuracies(labels, predictions, categories, bootstrap)
    return Audit(len(chosen), *found, **rates)


def _leakage(
    features: np.ndarray,
    attributes: pd.DataFrame,
    categories: Categories,
    labels: np.ndarray | None,
    *,
    floor: float,
    seed: int,
    bootstrap: Bootstrap,
) -> Leakage:
    """Returns the `Leakage` of all rows, or within the classes of `labels`."""
    inputs = pd.DataFrame(features)
    if labels is not None:
        inputs["label"] = labels.astype(str)
        # What the label tells can be counted of categories alone.
        attributes = pd.DataFrame(categories.values).astype(str)
    found = cross_fit(
        (rank_columns(inputs), rank_columns(attributes)),
        Probed(features, categories, labels),
        seed=seed,
        generator=bootstrap.generator,
    )
    cells = categories.cells
    classes = np.zeros(len(cells), int) if labels is None else labels
    counts = np.zeros((classes.max() + 1, cells.max() + 1))
    np.add.at(counts, (classes, cells), 1)
    # log p(c|y) / p(c) of every row, 0 without labels.
    of_labels = np.log(
        (counts / counts.sum(1, keepdims=True))[classes, cells]
        / (counts.sum(0) / len(cells))[cells]
    )
    shared = discrete.discrete_mutual_information(classes, cells)
    # Counts make the mean too large where there are few rows.
    of_labels += shared - of_labels.mean()
    return Leakage(
        found.information(bootstrap, known=of_labels),
        floor=floor,
        ceiling=discrete.entropy(cells) - shared if categories.exact else math.inf,
        probe_accuracy={
            name: bootstrap.mean(correct) for name, correct in found.correct.items()
        },
        majority_accuracy=float(np.mean(counts.argmax(1)[classes] == cells)),
    )


def _check(outputs, predictions, rows):
    features = outputs.features
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            "Features must be one vector of finite numbers per row. Expected: "
            f"shape (rows, d). Received: shape {features.shape}"
            + (", NaN or infinity among them." * (features.ndim == 2))
        )
    arrays = {
        "features": features,
        "attribute": outputs.attributes,
        "label": outputs.labels,
        "predictions": predictions,
    }
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1 or min(len(features), rows) < MIN_ROWS:
        raise ValueError(
            f"An audit fits estimators to most of the rows. Expected: {MIN_ROWS} rows "
            f"or more, and as many in each array. Received: {lengths}, rows={rows}."
        )


def _check_values(categories, attributes):
    values = len(np.unique(categories.cells))
    if values == 1:
        raise ValueError(
            "All rows have the same attribute, so features can reveal nothing "
            "about it. Expected: rows with two values or more. Received: one, "
            f"{attributes[0].tolist()}. Check which columns were encoded."
        )
    if 15 * values > len(attributes):
        warnings.warn(
            f"There are {values} values of the attribute in {len(attributes)} rows. "
            "With fewer than 15 rows per value the floor is too high and the bounds "
            "are too low: merge values, or audit the columns one by one.",
            stacklevel=3,
        )
