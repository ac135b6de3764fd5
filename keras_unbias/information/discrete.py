"""Entropy and mutual information of discrete variables, from counts."""

import numpy as np

from keras_unbias.checks import check_same_length, check_vector


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
    check_same_length(first=first, second=second)
    joint = first * (second.max() + 1) + second
    # H(a) + H(b) - H(a, b): the corrections of the three entropies add up to
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
    """Renumbers integer codes to 0..K-1, so that pairs of them fit an int."""
    values = check_vector(values)
    if values.dtype.kind not in "biu":
        raise ValueError(
            "Entropies are estimated from counts of integer codes. "
            f"Expected: an integer array. Received: dtype={values.dtype}. "
            "Number the values first, e.g. with "
            "`np.unique(values, return_inverse=True)[1]`."
        )
    return np.unique(values, return_inverse=True)[1]
