"""Accuracies by attribute value, and group fairness."""

import math

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from keras_unbias.checks import check_same_length, check_vector
from keras_unbias.data.attributes import Categories
from keras_unbias.dependence.bootstrap import Bootstrap

# The accuracy of a group with fewer rows is too noisy to report.
SMALLEST_GROUP = 10


def true_positive_rates(
    labels: np.ndarray,
    predictions: np.ndarray,
    attribute_values: np.ndarray,
    *,
    positive: int = 1,
) -> dict:
    """Computes the recall of the positive class for each attribute value.

    Args:
        labels: array of shape `(rows,)`, the true classes.
        predictions: array of shape `(rows,)`, the predicted classes.
        attribute_values: array of shape `(rows,)`, one discrete value per
            row.
        positive: the positive class. Defaults to 1.

    Returns:
        Dict from each attribute value, in ascending order, to a float in
        0..1. The rate of a value without positive rows is NaN.

    Raises:
        ValueError: if the arrays are empty, are not vectors, or differ in
            length.

    Example:

    >>> true_positive_rates([1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 1, 1])
    {0: 0.5, 1: 1.0}
    """
    labels, predictions = check_vector(labels), check_vector(predictions)
    attribute_values = check_vector(attribute_values)
    check_same_length(
        labels=labels, predictions=predictions, attribute_values=attribute_values
    )
    # Without scikit-learn's recall_score, whose checks would take most of the
    # time of an audit's bootstrap.
    rates = {}
    for value in np.unique(attribute_values).tolist():
        found = predictions[(attribute_values == value) & (labels == positive)]
        rates[value] = float(np.mean(found == positive)) if len(found) else float("nan")
    return rates


def equal_opportunity(
    labels: np.ndarray,
    predictions: np.ndarray,
    attribute_values: np.ndarray,
    *,
    positive: int = 1,
) -> float:
    """Computes the largest difference between two true positive rates.

    For two attribute values it is `|TP(a) - TP(b)|` (paper, section 5.3).

    Reference: Hardt, Price & Srebro, "Equality of Opportunity in Supervised
    Learning", NeurIPS 2016.

    Args:
        labels: as in `true_positive_rates`.
        predictions: as in `true_positive_rates`.
        attribute_values: as in `true_positive_rates`.
        positive: as in `true_positive_rates`.

    Returns:
        Float in 0..1. NaN if a value has no positive rows, or if there is only
        one value.

    Raises:
        ValueError: as in `true_positive_rates`.

    Example:

    >>> equal_opportunity([1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 1, 1])
    0.5
    """
    rates = true_positive_rates(
        labels, predictions, attribute_values, positive=positive
    )
    return float(np.ptp(list(rates.values()))) if len(rates) > 1 else math.nan


def binary_task(
    labels: np.ndarray,
    predictions: np.ndarray,
    attribute_values: np.ndarray,
    *,
    positive: int = 1,
) -> dict:
    """Summarizes the predictions of a binary classifier by attribute value.

    A classifier that always predicts `positive` has an equal opportunity of
    0. The other numbers distinguish it from a fair classifier.

    Args:
        labels: as in `true_positive_rates`.
        predictions: as in `true_positive_rates`.
        attribute_values: as in `true_positive_rates`.
        positive: as in `true_positive_rates`.

    Returns:
        Dict with `equal_opportunity`, `balanced_accuracy` (the mean recall of
        the classes), `share_predicted_positive`, and two dicts whose keys are
        the attribute values as strings: `true_positive_rates` and `positives`,
        the numbers of positive rows.

    Raises:
        ValueError: as in `true_positive_rates`.

    Example:

    >>> task = binary_task([1, 1, 1, 0], [1, 0, 1, 1], [0, 0, 1, 1])
    >>> task["share_predicted_positive"], task["positives"]
    (0.75, {'0': 2, '1': 1})
    """
    arrays = labels, predictions, attribute_values
    rates = true_positive_rates(*arrays, positive=positive)
    labels, predictions, attribute_values = map(np.asarray, arrays)
    positives = labels == positive
    return {
        "equal_opportunity": equal_opportunity(*arrays, positive=positive),
        "balanced_accuracy": float(balanced_accuracy_score(labels, predictions)),
        "share_predicted_positive": float(np.mean(predictions == positive)),
        "true_positive_rates": {str(v): rate for v, rate in rates.items()},
        "positives": {
            str(v): int(positives[attribute_values == v].sum()) for v in rates
        },
    }


def accuracies(
    labels: np.ndarray,
    predictions: np.ndarray,
    categories: Categories,
    bootstrap: Bootstrap,
) -> dict:
    """Computes the accuracies of a classifier by attribute value.

    Args:
        labels: int array of shape `(rows,)`, the true classes.
        predictions: int array of shape `(rows,)`, the predicted classes.
        categories: `Categories` of the attributes.
        bootstrap: `Bootstrap` of the intervals.

    Returns:
        Dict of the `accuracy`, `accuracy_per_attribute`, `worst_group` and
        `equal_opportunity` of an `Audit`.

    Example:

    >>> labels, attribute = np.array([[0, 1, 1, 0] * 10, [0, 0, 1, 1] * 10])
    >>> found = accuracies(
    ...     labels,
    ...     labels * attribute,
    ...     ku.AttributeSpec((1,)).categories(attribute[:, None]),
    ...     Bootstrap(10, np.random.default_rng(0)),
    ... )
    >>> found["accuracy"].value, found["worst_group"]
    (0.75, ('label 1, attribute 0', 0.0))
    """
    groups = [
        (name if len(categories.names) == 1 else f"{part}: {name}", member)
        for part, names in enumerate(categories.names)
        for code, name in enumerate(names)
        if (member := categories.values[:, part] == code).any()
    ]
    correct = labels == predictions
    group_accuracies = {
        f"label {label}, attribute {name}": float(correct[both].mean())
        for name, member in groups
        for label in np.unique(labels)
        if (both := member & (labels == label)).sum() >= SMALLEST_GROUP
    }
    opportunity = None
    binary = len(np.unique(labels)) == 2 and len(categories.names) == 1
    if binary and len(categories.names[0]) > 1:
        values = categories.values[:, 0]

        def difference(rows):
            # A sample may miss a group, and then has nothing to compare.
            if len(np.unique(values[rows])) < len(np.unique(values)):
                return math.nan
            return equal_opportunity(
                labels[rows], predictions[rows], values[rows], positive=labels.max()
            )

        opportunity = bootstrap(difference, len(labels))
    worst = min(group_accuracies, key=group_accuracies.get, default="none of 10 rows")
    return {
        "accuracy": bootstrap.mean(correct),
        "accuracy_per_attribute": {
            name: bootstrap.mean(correct[member]) for name, member in groups
        },
        "worst_group": (worst, group_accuracies.get(worst, math.nan)),
        "equal_opportunity": opportunity,
    }
