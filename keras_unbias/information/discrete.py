"""Entropy and mutual information of discrete variables, from counts.

The plug-in estimates are corrected for their bias as in Miller, "Note on the
bias of information estimates", 1955.
"""

import numpy as np

from keras_unbias.checks import check_same_length, check_vector


def entropy(values: np.ndarray) -> float:
    """Estimates the entropy of a discrete variable.

    The plug-in estimate `-sum p log p` of the observed frequencies is too
    small on average. The Miller-Madow correction `(K - 1) / (2 N)` is added
    to it. `K` is the number of distinct values and `N` the number of rows.

    Args:
        values: int array of shape `(rows,)`, a code for each row.

    Returns:
        Float, the entropy in nats.

    Raises:
        ValueError: if `values` is not a vector of integers with at least one
            row.

    Example:

    >>> round(entropy(np.repeat([0, 1], 500)), 3)
    0.694
    """
    return _corrected_entropy(_codes(values))


def discrete_mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """Estimates the mutual information of two discrete variables.

    The plug-in estimate is too large on average. The Miller-Madow correction
    `(K_ab - K_a - K_b + 1) / (2 N)` is subtracted from it. `K_ab` is the
    number of distinct pairs, `K_a` and `K_b` are the numbers of distinct
    values, and `N` is the number of rows.

    Args:
        first: int array of shape `(rows,)`, a code for each row.
        second: int array of shape `(rows,)`, a code for each row.

    Returns:
        Float >= 0, the mutual information in nats.

    Raises:
        ValueError: if the arguments are not vectors of integers of the same
            length, with at least one row.

    Example:

    >>> codes = np.repeat([0, 1], 500)
    >>> round(discrete_mutual_information(codes, 1 - codes), 3)
    0.694
    """
    first, second = _codes(first), _codes(second)
    check_same_length(first=first, second=second)
    joint = first * (second.max() + 1) + second
    # H(a) + H(b) - H(a, b). The corrections of the three entropies add up to
    # the one of the docstring.
    information = (
        _corrected_entropy(first)
        + _corrected_entropy(second)
        - _corrected_entropy(joint)
    )
    return max(0.0, information)


def _corrected_entropy(codes):
    counts = np.unique(codes, return_counts=True)[1]
    frequencies = counts / len(codes)
    plug_in = -np.sum(frequencies * np.log(frequencies))
    return float(plug_in + (len(counts) - 1) / (2 * len(codes)))


def _codes(values):
    """Renumbers codes to 0..K-1, so that the codes of pairs fit an integer."""
    values = check_vector(values)
    if values.dtype.kind not in "biu":
        raise ValueError(
            "Entropy is estimated from counts of integer codes. Expected: an integer "
            f"array. Received: dtype={values.dtype}. Number the values first, for "
            "example with `np.unique(values, return_inverse=True)[1]`."
        )
    return np.unique(values, return_inverse=True)[1]
