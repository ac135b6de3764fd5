"""Encoder from the columns of a table to attribute vectors."""

import warnings
from collections.abc import Iterator, Set

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import base, compose, preprocessing
from sklearn.utils import validation

from keras_unbias.data.attributes import MAX_VALUES, AttributeSpec


class AttributeEncoder(base.TransformerMixin, base.BaseEstimator):
    """Encodes every column of attributes, one code after the other.

    Columns of strings, categories, booleans, and of numbers with at most 12
    values are categories, which get one-hot codes. Other numbers are
    continuous.

    Args:
        bins: int, number of quantiles that a continuous column is cut into,
            which then get one-hot codes. `None` standardizes it to mean 0 and
            standard deviation 1 instead. Defaults to 10.

    Attributes:
        spec_: `AttributeSpec`, widths and names of the columns' codes.
        texts_: list of str, the columns that are read as text.
        scales_: dict from the names of continuous columns to the powers of 2
            that they are multiplied with.
        n_features_in_: int, the number of columns.

    Example:

    >>> encoder = AttributeEncoder().fit(["red", "blue", "red"])
    >>> encoder.transform(["red", "blue"])
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    >>> encoder.spec_.widths
    (2,)
    """

    def __init__(self, bins: int | None = 10):
        self.bins = bins

    def fit(self, X: ArrayLike, y: None = None) -> "AttributeEncoder":
        """Learns the values of the columns.

        Args:
            X: array, list, series or frame of shape `(rows,)` or `(rows,
                columns)`.
            y: ignored.

        Returns:
            The encoder itself.

        Raises:
            ValueError: if there are no rows or no columns, if a number is
                infinite, or if a continuous number is missing in a row or is
                the same in nearly all rows.
        """
        if self.bins is not None and self.bins < 2:
            raise ValueError(
                "`bins` must be the number of quantiles of a continuous "
                f"column. Expected: an integer >= 2 or None. Received: "
                f"bins={self.bins}. Pass another number."
            )
        frame = as_frame(X)
        validation.validate_data(self, frame.to_numpy(), skip_check_array=True)
        self.texts_ = list(frame.select_dtypes(exclude=["number", "bool"]))
        values = frame.select_dtypes("number").nunique()
        continuous = list(values.index[values > MAX_VALUES])
        types = frame.dtypes.items()
        nullable = [name for name, kind in types if not isinstance(kind, np.dtype)]
        frame = self._typed(frame, continuous + nullable)
        self._check_known(frame, continuous)
        self.scales_ = {name: _scale(frame[name]) for name in continuous}
        frame = frame.assign(**self._scaled(frame))
        if continuous and self.bins is not None:
            warnings.warn(
                f"Continuous attributes {continuous} are cut into {self.bins} "
                "quantiles. Cut them yourself for other bins, or pass "
                "bins=None to keep them continuous.",
                stacklevel=2,
            )
        columns = [
            (f"column{number}", self._column(name in continuous), [name])
            for number, name in enumerate(frame)
        ]
        self.encoder_ = compose.ColumnTransformer(
            columns, verbose_feature_names_out=False
        )
        self.encoder_.set_output(transform="default")
        self.encoder_.fit(frame)
        parts = [
            self.encoder_.output_indices_[t[0]] for t in self.encoder_.transformers_
        ]
        widths = [part.stop - part.start for part in parts]
        self.spec_ = AttributeSpec(tuple(widths), tuple(frame))
        for name, width in zip(frame, widths, strict=True):
            if name in continuous and self.bins is not None and width < 2:
                raise ValueError(
                    "A continuous attribute must have several values. "
                    f"Expected: {self.bins} quantiles of {name!r}. Received: "
                    "a single one, because nearly all rows have the same "
                    "value. Cut it yourself, such as into zero and more."
                )
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Encodes rows as attribute vectors.

        Args:
            X: as in `fit`, with as many columns. The columns of a frame with
                the same names are taken by name, others in their order. A
                category that `fit` did not see gets zeros for its code.

        Returns:
            Float32 array of shape `(rows, a)`.

        Raises:
            ValueError: if there are other columns than in `fit`, or columns
                of another type.
        """
        validation.check_is_fitted(self)
        frame = as_frame(X, infer=False)
        values = frame.to_numpy()
        validation.validate_data(self, values, reset=False, skip_check_array=True)
        names = list(self.spec_.names)
        if set(frame.columns) == set(names):
            frame = frame[names]
        self._check_columns(frame)
        frame.columns = names
        frame = self._typed(frame, names)
        self._check_known(frame, list(self.scales_))
        frame = frame.assign(**self._scaled(frame))
        return self.encoder_.transform(frame).astype(np.float32)

    def get_feature_names_out(self, input_features: None = None) -> np.ndarray:
        """Names the entries of a vector.

        Args:
            input_features: ignored.

        Returns:
            Array of str of shape `(a,)`.
        """
        return self.encoder_.get_feature_names_out()

    def _check_columns(self, frame):
        """Checks what tells columns apart, whatever categories the rows have."""
        for position, (_, encoder, (name,)) in enumerate(self.encoder_.transformers_):
            given = frame.iloc[:, position]
            moved = given.name != name and given.name in self.spec_.names
            categories = getattr(encoder, "categories_", [[]])[0]
            numbers = pd.api.types.is_numeric_dtype(given.dtype)
            # A column of missing values alone has no type.
            numbers = numbers and not given.isna().all()
            if moved or (
                name in self.texts_
                and numbers
                and not any(_is_text_of(text, given.dtype) for text in categories)
            ):
                raise ValueError(
                    "An attribute has other columns than in `fit`. Expected: in column "
                    f"{name!r} some of {list(categories[:5])}. Received: "
                    f"{given.astype(str).unique()[:5].tolist()}. Pass the same "
                    "columns, in the same order and of the same types."
                )

    def _scaled(self, frame):
        return {name: frame[name] * scale for name, scale in self.scales_.items()}

    def _check_known(self, frame, continuous):
        numbers = frame.select_dtypes("number").astype(float)
        infinite = list(numbers.columns[np.isinf(numbers).any()])
        missing = [name for name in continuous if frame[name].isna().any()]
        if missing or infinite or not frame.size:
            raise ValueError(
                "Attributes must be known. Expected: rows with a value in every column "
                f"of numbers. Received: a frame of shape {frame.shape}, values missing "
                f"in columns {missing}, infinity in columns {infinite}. Drop the rows "
                "or fill them."
            )

    def _typed(self, frame, numbers):
        """Casts texts to `str` and the columns `numbers` to `float`."""
        # Values of mixed types could not be sorted, and arrays of nullable
        # types are read-only.
        types = dict.fromkeys(numbers, float) | dict.fromkeys(self.texts_, str)
        try:
            return frame.astype(types)
        except (ValueError, TypeError) as error:
            raise ValueError(
                "A column of numbers holds something else. Expected: numbers in "
                f"{[name for name in numbers if name not in self.texts_]}. Received: "
                f"{error}. Pass columns of the same types as to `fit`."
            ) from error

    def _column(self, continuous):
        if not continuous:
            return preprocessing.OneHotEncoder(
                handle_unknown="ignore", sparse_output=False
            )
        if self.bins is None:
            return preprocessing.StandardScaler()
        return preprocessing.KBinsDiscretizer(
            self.bins,
            encode="onehot-dense",
            random_state=0,
            quantile_method="averaged_inverted_cdf",
        )


def _scale(number):
    """Returns the power of 2 that raises a small deviation to 1 or more.

    KBinsDiscretizer drops bins narrower than 1e-8, whatever the unit.
    """
    with np.errstate(all="ignore"):
        exponent = np.ceil(-np.log2(np.std(number.to_numpy())))
    return 2.0 ** int(np.clip(exponent, 0, 1000))


def _is_text_of(text, dtype):
    try:
        return str(pd.Series([text]).astype(dtype)[0]) == text
    except (ValueError, TypeError):
        return False


def as_frame(columns: ArrayLike, infer: bool = True) -> pd.DataFrame:
    """Returns columns of attributes as a frame with names that are strings.

    Args:
        columns: see `AttributeEncoder.fit`.
        infer: bool, whether the values of lists and of columns of objects
            decide on their types. Defaults to `True`.

    Returns:
        Frame of shape `(rows, columns)`, whose index counts the rows.

    Raises:
        ValueError: if the values are no columns, or if names are not unique.
    """
    # Neither has rows in an order that X could have too.
    unordered = isinstance(columns, (Set, Iterator))
    scalar = columns is None or np.isscalar(columns) or unordered
    try:
        if scalar:
            raise ValueError("no rows and columns")
        typed = infer or not isinstance(columns, (list, tuple))
        frame = pd.DataFrame(columns, dtype=None if typed else object)
    except (ValueError, TypeError) as error:
        received = repr(columns) if scalar else f"{type(columns).__name__}, {error}"
        raise ValueError(
            "The attribute must be a value for every row. Expected: an array, a list, "
            "a series or a frame of shape (rows,) or (rows, columns). Received: "
            f"{received}. Pass the values of the column, such as table['sex'], not "
            "its name."
        ) from error
    frame = frame.reset_index(drop=True)
    if infer:
        # Columns of objects may hold numbers, such as in an array with strings
        # in other columns.
        frame = frame.infer_objects()
    frame.columns = [str(name) for name in frame.columns]
    if not frame.columns.is_unique:
        raise ValueError(
            "Attributes must have different names. Expected: a name for "
            f"each column. Received: {list(frame.columns)}. Rename them."
        )
    return frame
