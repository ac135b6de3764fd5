"""Checks of arguments, shared by all modules."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_integer(name: str, value: Any, *, minimum: int) -> int:
    """Checks that an argument is an integer of at least `minimum`.

    Args:
        name: str, the name of the argument.
        value: the argument.
        minimum: int, the smallest valid value.

    Returns:
        Int, the argument. Keras neither builds layers with integers of NumPy
        nor saves them.

    Raises:
        ValueError: if it is not.

    Example:

    >>> check_integer("steps", np.int64(16), minimum=1)
    16
    """
    if not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` is out of range. Expected: an integer >= {minimum}. "
            f"Received: {name}={value!r}. Pass another number."
        )
    return int(value)


def check_choice(name: str, value: Any, known: Iterable) -> None:
    """Checks that an argument is one of several values.

    Args:
        name: str, the name of the argument.
        value: the argument.
        known: the valid values.

    Raises:
        ValueError: if it is not.

    Example:

    >>> check_choice("attribute", "bins", ("bins", "bits"))
    """
    if value not in known:
        raise ValueError(
            f"Unknown {name}. Expected: one of {list(known)}. Received: "
            f"{name}={value!r}. Correct the name."
        )


def check_weight(name: str, value: float) -> None:
    """Checks that an argument can weight a term of an objective.

    Args:
        name: str, the name of the argument.
        value: float, the argument.

    Raises:
        ValueError: if it is negative or not finite.

    Example:

    >>> check_weight("mi_weight", 0.5)
    """
    # NaN fails every comparison.
    if not isinstance(value, Real) or not 0 <= value < math.inf:
        raise ValueError(
            f"`{name}` weights a term of the objective. Expected: a finite number >= "
            f"0. Received: {name}={value}. Pass 0 to leave the term out."
        )


def check_width(received: int | None, expected: int | None) -> None:
    """Checks that attribute vectors have the expected number of columns.

    Args:
        received: int, the number of columns, or `None` if it is unknown.
        expected: int, the number of columns the model was made for, or
            `None` before it has seen any.

    Raises:
        ValueError: if both are known and differ.

    Example:

    >>> check_width(24, 24)
    """
    if None not in (received, expected) and received != expected:
        raise ValueError(
            "The attribute vectors have another width than those the model was made "
            f"for. Expected: {expected}. Received: {received}. Encode all rows in the "
            "same way, for example with one fitted AttributeEncoder."
        )


def check_vector(values: Any) -> np.ndarray:
    """Checks that values form a vector of at least one row.

    Args:
        values: array-like of shape `(rows,)`.

    Returns:
        The values as an array of shape `(rows,)`.

    Raises:
        ValueError: if they have another shape.

    Example:

    >>> check_vector([0, 1]).shape
    (2,)
    """
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise ValueError(
            "The values must form a vector. Expected: shape (rows,) with at "
            f"least one row. Received: shape={values.shape}. Flatten the "
            "array, or take the argmax of scores first."
        )
    return values


def check_same_length(**vectors: Any) -> None:
    """Checks that vectors describe the same rows.

    Args:
        **vectors: the vectors by name.

    Raises:
        ValueError: if their lengths differ.

    Example:

    >>> check_same_length(labels=[0, 1], predictions=[1, 1])
    """
    lengths = {name: len(vector) for name, vector in vectors.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "The vectors must describe the same rows. Expected: equal "
            f"lengths. Received: {lengths}. Pass one value per row in each."
        )
