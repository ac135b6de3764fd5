"""Numbers that a user passes, refused where they make no sense."""

import math
from numbers import Integral

import numpy as np


def check_integer(name, value, *, minimum):
    """Raises a `ValueError` unless `value` is an integer >= `minimum`."""
    if not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` is out of range. Expected: an integer >= {minimum}. "
            f"Received: {name}={value!r}. Pass another number."
        )


def check_weight(name, value):
    """Raises a `ValueError` unless `value` can weigh a part of an objective."""
    # NaN fails every comparison.
    if not 0 <= value < math.inf:
        raise ValueError(
            f"`{name}` weighs a part of the objective. Expected: a finite "
            f"number >= 0. Received: {name}={value}. With 0 that part is left "
            "out."
        )


def check_vector(values):
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise ValueError(
            "Metrics are taken over vectors. Expected: shape (rows,) with "
            f"at least one row. Received: shape={values.shape}. Flatten the "
            "array or take the argmax of scores first."
        )
    return values


def check_same_length(**vectors):
    lengths = {name: len(vector) for name, vector in vectors.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "The vectors must describe the same rows. Expected: equal "
            f"lengths. Received: {lengths}. Pass one value per row in each."
        )
