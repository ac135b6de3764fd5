"""Columns of a table encoded as attribute vectors."""

import warnings

import numpy as np
import pandas as pd
from sklearn import base, compose, preprocessing
from sklearn.utils import validation

from keras_unbias.data.attributes import MAX_VALUES


class AttributeEncoder(base.TransformerMixin, base.BaseEstimator):
    """One-hot codes of every column of attributes, one after the other.

    Columns of strings, categories, booleans and of numbers with at most 12
    values are categories. Other numbers are continuous.

    Args:
        bins: int, the quantiles that a continuous column is cut into, or
            `None`: it stays a number, with mean 0 and deviation 1. Defaults
            to 10.

    Attributes (after `fit`):
        parts_: list of int, the width of each column's codes.
        texts_: list of str, the columns that are read as text.
        n_features_in_: int, the number of columns.
    """

    def __init__(self, bins=10):
        self.bins = bins

    def fit(self, X, y=None):
        """Learns the values of the columns.

        Args:
            X: `(rows,)` or `(rows, columns)` array, frame, series or list.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: a continuous number is missing in a row or nearly
                always the same, or there are no rows or columns.
        """
        if self.bins is not None and self.bins < 2:
            raise ValueError(
                "`bins` cuts a number into quantiles. Expected: an integer >= "
                f"2 or None. Received: bins={self.bins}."
            )
        frame = _frame(X)
        self.texts_ = _texts(frame)
        continuous = _continuous(frame)
        nullable = [
            name
            for name, dtype in frame.dtypes.items()
            if not isinstance(dtype, np.dtype)
        ]
        frame = self._typed(frame, continuous + nullable)
        missing = [name for name in continuous if frame[name].isna().any()]
        if missing or not frame.size:
            raise ValueError(
                "Attributes must be known. Expected: rows with a value in "
                "every column of numbers. Received: a frame of shape "
                f"{frame.shape}, values missing in columns {missing}. Drop "
                "the rows or fill them."
            )
        if continuous and self.bins is not None:
            warnings.warn(
                f"Continuous attributes {continuous} are cut into {self.bins} "
                "quantiles. For others, bin them yourself; bins=None leaves "
                "them as they are.",
                stacklevel=2,
            )
        self.encoder_ = compose.ColumnTransformer(
            [
                (f"column{number}", self._column(name in continuous), [name])
                for number, name in enumerate(frame)
            ],
            verbose_feature_names_out=False,
        )
        self.encoder_.set_output(transform="default")
        self.encoder_.fit(frame)
        indices = self.encoder_.output_indices_
        parts = [indices[name] for name, _, _ in self.encoder_.transformers_]
        self.parts_ = [part.stop - part.start for part in parts]
        for name, width in zip(frame, self.parts_, strict=True):
            if name in continuous and self.bins is not None and width < 2:
                raise ValueError(
                    f"Nearly all rows have one value of the attribute {name!r}. "
                    f"Expected: {self.bins} quantiles. Received: a single one. "
                    "Cut it yourself, e.g. into zero and more."
                )
        self.names_ = list(frame)
        self.n_features_in_ = len(self.names_)
        return self

    def transform(self, X):
        """Attribute vectors.

        Args:
            X: as in `fit`, with as many columns; those of a frame with the
                same names are taken by name, others in order. A category that
                `fit` did not see has zeros for its code.

        Returns:
            `(rows, a)` float32 array.

        Raises:
            ValueError: there are more or fewer columns than in `fit`, or one
                has none of the categories that it had there.
        """
        validation.check_is_fitted(self)
        frame = _frame(X)
        if frame.shape[1] != self.n_features_in_:
            raise ValueError(
                "These are other attributes. Expected: "
                f"{self.n_features_in_} columns, as in `fit`. Received: "
                f"{frame.shape[1]}. Pass the same columns in the same order."
            )
        if set(frame.columns) == set(self.names_):
            frame = frame[self.names_]
        frame.columns = self.names_
        frame = self._typed(frame, self.names_)
        codes = self.encoder_.transform(frame).astype(np.float32)
        self._check_categories(frame, codes)
        return codes

    def get_feature_names_out(self, input_features=None):
        """A name for each entry of a vector."""
        return self.encoder_.get_feature_names_out()

    def _check_categories(self, frame, codes):
        for name, encoder, _ in self.encoder_.transformers_:
            part = codes[:, self.encoder_.output_indices_[name]]
            if len(part) and hasattr(encoder, "categories_") and not part.any():
                (column,) = encoder.feature_names_in_
                raise ValueError(
                    "An attribute has no category that `fit` saw. Expected: in "
                    f"column {column!r} some of "
                    f"{encoder.categories_[0][:5].tolist()}. Received: "
                    f"{frame[column].unique()[:5].tolist()}. Pass the same "
                    "columns, in the same order and of the same types."
                )

    def _typed(self, frame, numbers):
        """Texts as `str`, `numbers` (names) as `float`."""
        # Mixed types would have no order, nullable ones are read-only.
        types = dict.fromkeys(numbers, float) | dict.fromkeys(self.texts_, str)
        return frame.astype(types)

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


def _frame(X):
    # Columns of objects may hold numbers, e.g. where others hold strings.
    frame = pd.DataFrame(X).reset_index(drop=True).infer_objects()
    frame.columns = frame.columns.astype(str)
    if not frame.columns.is_unique:
        raise ValueError(
            "Attributes are told apart by their names. Expected: a name for "
            f"each column. Received: {list(frame.columns)}. Rename them."
        )
    return frame


def _texts(frame):
    return list(frame.select_dtypes(exclude=["number", "bool"]))


def _continuous(frame):
    return [
        name
        for name in frame.select_dtypes("number")
        if frame[name].nunique() > MAX_VALUES
    ]
