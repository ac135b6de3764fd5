"""The audit: how much features reveal about an attribute."""

import dataclasses
import math
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_unbias import information, replicas
from keras_unbias.auditing import critics, metrics, probes
from keras_unbias.auditing.bootstrap import Bootstrap
from keras_unbias.auditing.outputs import (
    check_predictions,
    collect_outputs,
    predicted_classes,
)
from keras_unbias.auditing.report import Audit, Leakage
from keras_unbias.data import AttributeSpec, BiasedDataset
from keras_unbias.data.attributes import Categories
from keras_unbias.information import discrete

# The better of two different critics counts, since either may miss what the
# other finds.
CRITICS = (information.SeparableCritic, information.ConcatenatedCritic)
DONSKER_VARADHAN = "Donsker-Varadhan"


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
    It fits two critics with the Donsker-Varadhan bound, and three probes
    (linear, MLP, gradient-boosted trees) with the bound `H(C) - CE`. In
    expectation all are lower bounds, so the largest is the most informative.
    On few rows their noise is a few hundredths of a nat in either direction.
    Information that no estimator finds may still be there. The trees take
    the longest, a minute or more for an attribute with many values.

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
    examined = _Rows(
        features=outputs.features[chosen],
        attributes=critics.scale_numbers(attributes),
        categories=categories,
        split=critics.split_rows(len(chosen), generator),
        seed=seed,
    )
    bootstrap = Bootstrap(resamples, generator)
    if labels is None:
        return Audit(rows=len(chosen), leakage=_leakage(examined, bootstrap))
    labels = labels[chosen]
    floor = discrete.discrete_mutual_information(labels, categories.cells)
    classes = np.unique(labels, return_inverse=True)[1]
    leakage = _leakage(examined, bootstrap, floor=floor)
    conditional = _leakage(examined, bootstrap, classes)
    rates = {}
    if predictions is not None:
        predictions = predictions[chosen]
        rates = metrics.accuracies(labels, predictions, categories, bootstrap)
    return Audit(len(chosen), leakage, conditional, **rates)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The audited rows.

    Args:
        features: float array of shape `(rows, d)`.
        attributes: float array of shape `(rows, a)`, the vectors for critics.
        categories: `Categories` of the attributes, for probes.
        split: as `critics.split_rows` returns it.
        seed: int, the seed of the estimators.
    """

    features: np.ndarray
    attributes: np.ndarray
    categories: Categories
    split: list[np.ndarray]
    seed: int


def _leakage(rows, bootstrap, labels=None, floor=0.0):
    """Returns the `Leakage` of all rows, or within the classes of `labels`."""
    _, choice, held_out = rows.split
    cells = rows.categories.cells
    classes = np.zeros(len(cells), int) if labels is None else labels
    shared = discrete.discrete_mutual_information(classes, cells)
    # log p(c), or log p(c|y), of every row.
    counts = np.zeros((classes.max() + 1, cells.max() + 1))
    np.add.at(counts, (classes, cells), 1)
    shares = counts / counts.sum(1, keepdims=True)
    frequencies = np.log(shares[classes, cells])
    results = probes.evaluate_probes(
        rows.features, rows.categories, labels, rows.split, seed=rows.seed
    )
    quality, bounds, probe_accuracy = {}, {}, {}
    for name, result in results.items():
        quality[name] = bootstrap.mean(result.choice - frequencies[choice])
        bounds[name] = bootstrap.mean(result.held_out - frequencies[held_out])
        probe_accuracy[name] = bootstrap.mean(result.correct)
    bound = _best_critic(rows, labels)
    quality[DONSKER_VARADHAN], bounds[DONSKER_VARADHAN] = (
        bootstrap(lambda drawn, part=part: bound(part[drawn]), len(part))
        for part in (choice, held_out)
    )
    majority = counts.argmax(1)[classes[held_out]]
    return Leakage(
        bounds=bounds,
        best_estimator=max(quality, key=lambda name: quality[name].low),
        floor=floor,
        ceiling=discrete.entropy(cells) - shared if rows.categories.exact else math.inf,
        probe_accuracy=probe_accuracy,
        majority_accuracy=float(np.mean(majority == cells[held_out])),
    )


def _best_critic(rows, labels):
    """Returns the function from row numbers to the best critic's bound."""
    fits = [
        critics.fit_critic(
            rows.features,
            rows.attributes,
            labels,
            num_classes=None if labels is None else labels.max() + 1,
            split=rows.split,
            generator=np.random.default_rng(rows.seed),
            critic=critic.for_attributes(rows.attributes, seed=rows.seed),
            epochs=40,
            batch_size=critics.choose_batch_size(len(rows.features)),
            seed=rows.seed,
        )
        for critic in CRITICS
    ]
    return max(fits, key=lambda fit: fit[0])[1]


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
    if len(set(lengths.values())) > 1 or min(len(features), rows) < 60:
        raise ValueError(
            "An audit fits estimators to two thirds of the rows. Expected: 60 rows or "
            f"more, and as many in each array. Received: {lengths}, rows={rows}."
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
