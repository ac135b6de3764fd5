"""Columns of any kind as numbers that do not depend on their units."""

import dataclasses
import functools
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from keras_unbias.data.attribute_encoder import as_frame
from keras_unbias.data.attributes import MAX_VALUES, Categories

# Estimators of continuous columns see so many components at most.
MAX_WIDTH = 128
NORMAL = np.inf
# With fewer, nothing can be learned about a value.
ROWS_PER_VALUE = 15


@dataclasses.dataclass(frozen=True, eq=False)
class Columns:
    """One side of the mutual information.

    Args:
        ranks: float array of shape `(rows, continuous columns)`, the share of
            the rows that lie below, in 0..1.
        categories: `Categories` of the other columns.
    """

    ranks: np.ndarray
    categories: Categories

    @property
    def are_constant(self) -> bool:
        """Whether no column has two values."""
        return not self.ranks.shape[1] and not self.categories.names

    @property
    def are_categories(self) -> bool:
        """Whether all columns are categories."""
        return self.ranks.shape[1] == 0

    @functools.cached_property
    def one_hot(self) -> np.ndarray:
        """Float array of shape `(rows, values)`: the categories' codes."""
        names, codes = self.categories.names, self.categories.values.T
        parts = [np.eye(len(n))[column] for n, column in zip(names, codes, strict=True)]
        return np.concatenate([np.zeros((len(self.ranks), 0)), *parts], 1)

    def scores(self, freedom: float = NORMAL) -> np.ndarray:
        """Returns the columns as quantiles of Student's distribution.

        Ranks, and so the scores, stay the same under increasing maps of a
        column. Categories have one-hot codes less their mean.

        Args:
            freedom: float, the degrees of freedom. Defaults to infinity, for
                the normal distribution.

        Returns:
            Float array of shape `(rows, columns)`. Of more than `MAX_WIDTH`
            columns these are the first principal components.
        """
        scores = self._all_scores(freedom)
        return scores if scores.shape[1] <= MAX_WIDTH else scores @ self._components

    def _all_scores(self, freedom):
        position = np.rint(2 * len(self.ranks) * self.ranks).astype(int) - 1
        quantiles = _quantiles(len(self.ranks), freedom)[position]
        return np.concatenate([quantiles, self.one_hot - self.one_hot.mean(0)], 1)

    @functools.cached_property
    def _components(self):
        scores = self._all_scores(NORMAL)
        # In ascending order of the variances.
        return np.linalg.eigh(scores.T @ scores)[1][:, -MAX_WIDTH:]


def read_columns(name: str, given: Any) -> Columns:
    """Reads one side from what a user has.

    Args:
        name: str, the argument's name, for errors.
        given: array, list, series or frame of shape `(rows,)` or `(rows,
            columns)`.

    Returns:
        The `Columns`. Columns of one value are left out.

    Raises:
        ValueError: if these are not columns, if a value is missing, infinite
            or complex, if all columns are constant, or if a column of texts
            has fewer than `ROWS_PER_VALUE` rows per value.

    Example:

    >>> columns = read_columns("x", {"age": range(20), "sex": ["f", "m"] * 10})
    >>> columns.ranks.shape, columns.categories.names
    ((20, 1), [['f', 'm']])
    """
    frame = _checked(name, given)
    columns = rank_columns(frame)
    most = max(MAX_VALUES, len(frame) // ROWS_PER_VALUE)
    for column, values in _texts(frame).nunique().items():
        if values > most:
            raise ValueError(
                f"A category must have several rows. Expected: {ROWS_PER_VALUE} rows "
                f"per value of a column of {name}. Received: {values} values of "
                f"{column!r} in {len(frame)} rows. Merge values, or leave out what "
                "names single rows."
            )
    if columns.are_constant:
        raise ValueError(
            "Information about a constant is 0. Expected: a column with two values or "
            f"more. Received: {name} with one value in all rows. Check which columns "
            "were selected."
        )
    return columns


def rank_columns(frame: pd.DataFrame) -> Columns:
    """Turns a frame without missing values into ranks and categories.

    Args:
        frame: frame of shape `(rows, columns)`.

    Returns:
        The `Columns`. Columns of one value are left out.
    """
    ranks, codes, names = [], [], []
    texts = _texts(frame)
    for column in frame.columns:
        # 1 and "1" are one value.
        series = texts[column] if column in texts else frame[column]
        values = series.nunique()
        if values == 1:
            continue
        if column not in texts and values > MAX_VALUES:
            position = stats.rankdata(_exact(series))
            ranks.append((position - 0.5) / len(series))
            continue
        values, code = np.unique(series, return_inverse=True)
        codes.append(code)
        names.append([str(value) for value in values])
    rows = len(frame)
    return Columns(
        np.reshape(ranks, (-1, rows)).T.copy(),
        Categories(
            np.reshape(codes, (-1, rows)).T.astype(int, order="C"), names, exact=True
        ),
    )


def _exact(series):
    """Returns numbers as they are: floats would merge large integers."""
    return series.to_numpy(int if series.dtype.kind in "iu" else float)


def _texts(frame):
    """Returns the columns that do not hold numbers, as texts."""
    kinds = frame.dtypes.map(pd.api.types.is_numeric_dtype)
    return frame.loc[:, ~kinds.to_numpy(bool)].astype(str)


def _checked(name, given):
    shape = np.shape(given) if hasattr(given, "shape") else None
    if given is None or np.isscalar(given) or (shape is not None and len(shape) > 2):
        received = type(given).__name__ if shape is None else f"shape {shape}"
        raise ValueError(
            f"`{name}` must hold a row of values for each row. Expected: an array, a "
            f"series or a frame of shape (rows,) or (rows, columns). Received: "
            f"{received}. Flatten pictures to (rows, pixels)."
        )
    try:
        # Of a sparse matrix pandas would make one column.
        frame = as_frame(given.toarray() if sparse.issparse(given) else given)
    # Generators, columns of one name.
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` cannot be read as columns. Expected: an array, a series or a "
            f"frame of shape (rows,) or (rows, columns). Received: {error} Convert it "
            "to an array."
        ) from error
    times = frame.select_dtypes(["datetime", "datetimetz", "timedelta"])
    numbers = frame.select_dtypes("number")
    flaws = {
        "no rows or no columns": not frame.size,
        "complex numbers": any(kind.kind == "c" for kind in numbers.dtypes),
        "times": times.shape[1] > 0,
        "missing values": bool(frame.isna().to_numpy().any()),
    }
    if not any(flaws.values()):
        flaws["infinity"] = not np.isfinite(numbers.to_numpy(float)).all()
    found = [flaw for flaw, present in flaws.items() if present]
    if found:
        raise ValueError(
            f"`{name}` cannot be ranked. Expected: real numbers, texts, booleans or "
            f"categories, known in every row. Received: shape {frame.shape} with "
            f"{', '.join(found)}. Drop such rows, or turn the columns into numbers."
        )
    return frame


@functools.lru_cache(maxsize=32)
def _quantiles(rows, freedom):
    """Returns the quantiles of all possible ranks, which go in steps of a half."""
    shares = np.arange(1, 2 * rows) / (2 * rows)
    if freedom == NORMAL:
        return special.ndtri(shares)
    return stats.t.ppf(shares, freedom)
