"""What a fair classifier shows by chance, for its test rows are few."""

from collections.abc import Mapping

import numpy as np


def equal_opportunity_by_chance(
    rates: Mapping, positives: Mapping[object, int]
) -> float:
    """Computes the equal opportunity that two equal groups show by chance.

    It is the expectation of `|TP(a) - TP(b)|` if both groups have the same
    true positive rate p, that of all positive rows. A classifier without any
    difference shows this value on average, because the rows are few. The rate
    of `n` rows is assumed to be normal with variance `p (1 - p) / n`.

    Args:
        rates: dict from two attribute values to true positive rates.
        positives: dict from the same values to numbers of positive rows.

    Returns:
        Float in 0..1. NaN if a value has no positive rows.

    Raises:
        ValueError: if there are not two values, the same in both.

    Example:

    >>> round(equal_opportunity_by_chance({0: 0.9, 1: 0.8}, {0: 90, 1: 30}), 3)
    0.056
    """
    if rates.keys() != positives.keys() or len(rates) != 2:
        raise ValueError(
            "Equal opportunity by chance compares two groups. Expected: the "
            "same two attribute values in both dicts. Received: "
            f"{sorted(rates)} and {sorted(positives)}. Leave out other values."
        )
    counts = np.array([positives[value] for value in rates], float)
    if not counts.all():
        return float("nan")
    rate = np.average(list(rates.values()), weights=counts)
    variance = rate * (1 - rate) * np.sum(1 / counts)
    return float(np.sqrt(2 / np.pi * variance))
