"""Rows and labels of scikit-learn's users, checked for a network."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn import utils


def distinct(labels: np.ndarray) -> np.ndarray:
    """Returns the labels once each, in ascending order."""
    try:
        return np.unique(labels)
    except TypeError as error:
        types = sorted({type(label).__name__ for label in labels.tolist()})
        raise TypeError(
            "Labels of several types have no order. Expected: numbers or strings. "
            f"Received: {types}. Convert them, for example with y.astype(str)."
        ) from error


def times_as_seconds(X: Any) -> Any:
    """Returns rows with times as seconds, whatever unit their dtype has."""
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        X = pd.DataFrame(X)
    if not isinstance(X, pd.DataFrame):
        return X
    second = pd.Timedelta(seconds=1)
    columns = [
        (column - pd.Timestamp(0, tz=column.dt.tz)) / second
        if pd.api.types.is_datetime64_any_dtype(column)
        else column / second
        if pd.api.types.is_timedelta64_dtype(column)
        else column
        for _, column in X.items()
    ]
    return pd.concat(columns, axis=1) if columns else X


def check_rows(X: np.ndarray) -> np.ndarray:
    """Checks that a network can read the rows, and returns them."""
    kind = X.dtype.kind
    if kind == "O":
        kind = pd.api.types.infer_dtype(X.ravel(), skipna=False)
        if kind in ("integer", "floating", "mixed-integer-float", "boolean"):
            X, kind = X.astype(np.float64), "f"
    if kind not in ("b", "i", "u", "f", "U", "S", "string", "bytes"):
        raise TypeError(
            "The rows must hold numbers or texts. Expected: an array of one of the "
            f"two. Received: X of dtype {X.dtype}, {kind}. Encode the columns first, "
            "for example with a ColumnTransformer."
        )
    if kind == "f":
        # Also numbers that are infinite in float32, which networks compute in.
        with np.errstate(over="ignore"):
            utils.assert_all_finite(X.astype(np.float32), input_name="X")
    return X


def check_taken(X: np.ndarray, known: Any) -> None:
    """Checks that rows have the shape and the type of a known input."""
    if not isinstance(known, keras.KerasTensor):
        return
    text = X.dtype.kind in "OUS"
    same = tf.TensorShape(known.shape[1:]).is_compatible_with(X.shape[1:])
    if not same or text != (known.dtype == "string"):
        raise ValueError(
            "The encoder does not take such rows. Expected: shape "
            f"{(None, *known.shape[1:])} of {known.dtype}. Received: X of shape "
            f"{X.shape} of {'string' if text else X.dtype}. Pass rows as in `fit`, "
            "and to `fit` what `encoder` is made for."
        )
