"""Accuracies and group fairness; NumPy in, float out."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from keras_unbias.checks import check_same_length, check_vector


def accuracy(labels, predictions):
    """Share of the rows whose prediction is the label.

    Args:
        labels: Array of shape `(rows,)`, the true classes.
        predictions: Array of shape `(rows,)`, the predicted classes.

    Returns:
        The accuracy, a float in 0..1.

    Raises:
        ValueError: If the arguments are not filled vectors of the same
            length.
    """
    labels, predictions = check_vector(labels), check_vector(predictions)
    check_same_length(labels=labels, predictions=predictions)
    return float(np.mean(labels == predictions))


def true_positive_rates(labels, predictions, attribute_values, *, positive=1):
    """Share of the positive rows of each attribute value that is found.

    Args:
        labels: Array of shape `(rows,)`, the true classes.
        predictions: Array of shape `(rows,)`, the predicted classes.
        attribute_values: Array of shape `(rows,)`, one discrete value per
            row.
        positive: The class whose rows are looked at. Defaults to 1.

    Returns:
        A dict from each value that occurs, in ascending order, to a float in
        0..1, NaN where a value has no positive row.

    Raises:
        ValueError: If the arguments are not filled vectors of the same
            length.
    """
    labels, predictions = check_vector(labels), check_vector(predictions)
    attribute_values = check_vector(attribute_values)
    check_same_length(
        labels=labels,
        predictions=predictions,
        attribute_values=attribute_values,
    )
    rates = {}
    for value in np.unique(attribute_values).tolist():
        found = predictions[(attribute_values == value) & (labels == positive)]
        rates[value] = (
            float(np.mean(found == positive)) if len(found) else float("nan")
        )
    return rates


def equal_opportunity(labels, predictions, attribute_values, *, positive=1):
    """Largest difference between the true positive rates of two values.

    For two values it is `|TP(a) - TP(b)|` (paper, section 5.3; Hardt, Price
    and Srebro, "Equality of Opportunity in Supervised Learning", 2016).

    Args:
        labels: As in `true_positive_rates`.
        predictions: As in `true_positive_rates`.
        attribute_values: As in `true_positive_rates`.
        positive: As in `true_positive_rates`.

    Returns:
        A float in 0..1; NaN if a value has no positive row or there is but
        one value, for there is nothing to compare then.

    Raises:
        ValueError: If the arguments are not filled vectors of the same
            length.
    """
    rates = np.array(
        list(
            true_positive_rates(
                labels, predictions, attribute_values, positive=positive
            ).values()
        )
    )
    if len(rates) < 2:
        return float("nan")
    return float(rates.max() - rates.min())


def equal_opportunity_by_chance(rates, positives):
    """Equal opportunity that two equal groups show, for their rows are few.

    The expectation of `|TP(a) - TP(b)|` where both groups have the same true
    positive rate, that of all positive rows: what a classifier without any
    difference shows on average, less in some samples and more in others. The
    rates of `n` rows are taken to be normal, with variance `p (1 - p) / n`.

    Args:
        rates: Dict from two attribute values to true positive rates, as
            `binary_task` has them.
        positives: Dict from the same values to numbers of positive rows.

    Returns:
        A float in 0..1; NaN if a value has no positive row.

    Raises:
        ValueError: If there are not two values, the same in both.
    """
    if rates.keys() != positives.keys() or len(rates) != 2:
        raise ValueError(
            "Chance is between two groups. Expected: the same two attribute "
            f"values in both. Received: {sorted(rates)} and "
            f"{sorted(positives)}."
        )
    counts = np.array([positives[value] for value in rates], float)
    if not counts.all():
        return float("nan")
    rate = np.average(list(rates.values()), weights=counts)
    variance = rate * (1 - rate) * np.sum(1 / counts)
    return float(np.sqrt(2 / np.pi * variance))


def binary_task(labels, predictions, attribute_values, *, positive=1):
    """What is said of a binary classifier whose attribute has few values.

    A classifier that always says `positive` has an equal opportunity of 0;
    the other numbers tell it from a fair one.

    Args:
        labels: As in `true_positive_rates`.
        predictions: As in `true_positive_rates`.
        attribute_values: As in `true_positive_rates`; integers.
        positive: As in `true_positive_rates`.

    Returns:
        A dict: `equal_opportunity`; `balanced_accuracy`, the mean of the
        classes' recalls; `share_predicted_positive`; and by attribute value,
        as a string, `true_positive_rates` and `positives`, the number of
        positive rows.

    Raises:
        ValueError: If the arguments are not filled vectors of the same
            length.
    """
    rates = true_positive_rates(
        labels, predictions, attribute_values, positive=positive
    )
    labels, attribute_values = np.asarray(labels), np.asarray(attribute_values)
    return {
        "equal_opportunity": equal_opportunity(
            labels, predictions, attribute_values, positive=positive
        ),
        "balanced_accuracy": float(
            balanced_accuracy_score(labels, predictions)
        ),
        "share_predicted_positive": float(
            np.mean(np.asarray(predictions) == positive)
        ),
        "true_positive_rates": {str(v): rate for v, rate in rates.items()},
        "positives": {
            str(v): int(np.sum(labels[attribute_values == v] == positive))
            for v in rates
        },
    }
