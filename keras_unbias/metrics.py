"""Accuracy and discrete information; NumPy in, float out."""

import numpy as np
from sklearn.metrics import balanced_accuracy_score


def entropy(values):
    """Entropy of a discrete variable, estimated from counts.

    The plug-in estimate `-sum p log p` of the observed frequencies is too
    small on average; the Miller-Madow term `(K - 1) / (2 N)`, with `K` the
    number of occupied cells and `N` the number of rows, is added to it
    (Miller, "Note on the bias of information estimates", 1955).

    Args:
        values: Integer array of shape `(rows,)`, the code of each row.

    Returns:
        The entropy in nats, a float.

    Raises:
        ValueError: If `values` is not a filled vector of integers.
    """
    return _corrected_entropy(_codes(values))


def discrete_mutual_information(first, second):
    """Mutual information of two discrete variables, estimated from counts.

    The plug-in estimate is too large on average. The Miller-Madow correction
    `(K_ab - K_a - K_b + 1) / (2 N)` is subtracted from it, with `K_ab` the
    occupied cells of the joint table, `K_a` and `K_b` those of its margins
    and `N` the number of rows (Miller, "Note on the bias of information
    estimates", 1955). The result is never below 0.

    Args:
        first: Integer array of shape `(rows,)`, the code of each row.
        second: Integer array of shape `(rows,)`, likewise.

    Returns:
        The mutual information in nats, a float.

    Raises:
        ValueError: If the arguments are not filled vectors of integers of
            the same length.
    """
    first, second = _codes(first), _codes(second)
    _check_same_length(first=first, second=second)
    joint = first * (second.max() + 1) + second
    # H(a) + H(b) - H(a, b): the corrections of the three entropies add up to
    # the one of the docstring.
    information = (
        _corrected_entropy(first)
        + _corrected_entropy(second)
        - _corrected_entropy(joint)
    )
    return max(0.0, information)


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
    labels, predictions = _vector(labels), _vector(predictions)
    _check_same_length(labels=labels, predictions=predictions)
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
    labels, predictions = _vector(labels), _vector(predictions)
    attribute_values = _vector(attribute_values)
    _check_same_length(
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


def _corrected_entropy(codes):
    counts = np.unique(codes, return_counts=True)[1]
    frequencies = counts / len(codes)
    plug_in = -np.sum(frequencies * np.log(frequencies))
    return float(plug_in + (len(counts) - 1) / (2 * len(codes)))


def _codes(values):
    """Renumbers integer codes to 0..K-1, so that pairs of them fit an int."""
    values = _vector(values)
    if values.dtype.kind not in "biu":
        raise ValueError(
            "Entropies are estimated from counts of integer codes. "
            f"Expected: an integer array. Received: dtype={values.dtype}. "
            "Number the values first, e.g. with "
            "`np.unique(values, return_inverse=True)[1]`."
        )
    return np.unique(values, return_inverse=True)[1]


def _vector(values):
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise ValueError(
            "Metrics are taken over vectors. Expected: shape (rows,) with "
            f"at least one row. Received: shape={values.shape}. Flatten the "
            "array or take the argmax of scores first."
        )
    return values


def _check_same_length(**vectors):
    lengths = {name: len(vector) for name, vector in vectors.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "The vectors must describe the same rows. Expected: equal "
            f"lengths. Received: {lengths}. Pass one value per row in each."
        )
