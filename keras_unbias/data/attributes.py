"""Attribute vectors: what their columns mean, and the categories in them."""

import dataclasses
import numbers
from typing import Any

import numpy as np
import pandas as pd

# A number with more values than this is continuous.
MAX_VALUES = 12


@dataclasses.dataclass(frozen=True)
class AttributeSpec:
    """Describes the columns of attribute vectors.

    An attribute vector consists of parts, one after the other. A part of
    width 2 or more is the one-hot code of a category. A part of width 1 is a
    number.

    Args:
        widths: sequence of int, the width of each part.
        names: sequence of str, the name of each part. Defaults to `()`, which
            numbers the parts.

    Raises:
        ValueError: if `widths` is empty or not of integers >= 1, or if there
            is not one name per part.

    Example:

    >>> spec = AttributeSpec((3, 1))
    >>> spec.size
    4
    >>> AttributeSpec.infer(np.array([[1, 0, 0.3], [0, 1, 0.8]])).widths
    (2, 1)
    """

    widths: tuple[int, ...]
    names: tuple[str, ...] = ()

    def __post_init__(self):
        widths = tuple(self.widths)
        if not widths or not all(
            isinstance(width, numbers.Integral) and width >= 1 for width in widths
        ):
            raise ValueError(
                "The widths of an attribute's parts must be integers >= 1. "
                "Expected: a sequence such as (8, 8, 8). Received: "
                f"widths={self.widths!r}. List one width per part."
            )
        names = tuple(self.names) or tuple(map(str, range(len(widths))))
        if len(names) != len(widths):
            raise ValueError(
                "Every part of an attribute must have one name. Expected: "
                f"{len(widths)} names. Received: names={self.names!r}. Leave "
                "`names` out to number the parts."
            )
        object.__setattr__(self, "widths", tuple(map(int, widths)))
        object.__setattr__(self, "names", names)

    @classmethod
    def infer(cls, attributes: np.ndarray) -> "AttributeSpec":
        """Finds the parts of attribute vectors, from the left.

        Columns that hold exactly one 1 among zeros in every row form the
        one-hot code of one category. Every other column is a number.

        Args:
            attributes: float array of shape `(rows, a)`.

        Returns:
            The `AttributeSpec` of width `a`.
        """
        ones = (attributes == 0) | (attributes == 1)
        widths, start = [], 0
        while start < attributes.shape[1]:
            widths.append(1)
            sums = np.zeros(len(attributes))
            for end in range(start, attributes.shape[1]):
                sums = sums + attributes[:, end]
                if not ones[:, end].all() or sums.max() > 1:
                    break
                if sums.min() == 1:
                    widths[-1] = end + 1 - start
                    break
            start += widths[-1]
        return cls(tuple(widths))

    @property
    def size(self) -> int:
        """The width of a whole vector."""
        return sum(self.widths)

    def split(self, rows: Any) -> list:
        """Cuts vectors, or scores of the same width, into their parts.

        Args:
            rows: array or tensor of shape `(n, size)`.

        Returns:
            List of arrays or tensors of shape `(n, width)`, one per part.
        """
        ends = np.cumsum(self.widths).tolist()
        starts = [0, *ends[:-1]]
        return [rows[:, start:end] for start, end in zip(starts, ends, strict=True)]

    def positions(self, attributes: np.ndarray) -> np.ndarray:
        """Reads off vectors where rows lie, if categories have an order.

        Args:
            attributes: float array of shape `(rows, size)`. The columns of a
                part of width 2 or more are in order, as those of bins are.

        Returns:
            Float array of shape `(rows, parts)`: the number of the category,
            or the number itself where the width is 1.

        Raises:
            ValueError: if a part of width 2 or more is not a one-hot code, or if
                the vectors have another width.

        Example:

        >>> AttributeSpec((3, 1)).positions(np.array([[0, 0, 1, 0.3]]))
        array([[2. , 0.3]])
        """
        attributes = np.asarray(attributes, float)
        parts = self.split(attributes) if attributes.shape[1:] == (self.size,) else []
        codes = [part for part in parts if part.shape[1] > 1]
        if not parts or not all(map(_is_one_hot, codes)):
            raise ValueError(
                "A row lies in one category of each part. Expected: vectors of shape "
                f"(rows, {self.size}) with one-hot codes of the widths {self.widths}. "
                f"Received: others, of shape {attributes.shape}. Encode the attribute "
                "with AttributeEncoder."
            )
        return np.stack(
            [p.argmax(1) if p.shape[1] > 1 else p[:, 0] for p in parts], axis=1
        )

    def check_categories(self, attributes: np.ndarray) -> None:
        """Checks that vectors are what an attribute classifier can name.

        Args:
            attributes: array of shape `(rows, size)`. A part of width 2 or
                more must be a one-hot code, shares of the categories, or
                zeros for an unknown category. A part of width 1 must lie in
                0..1.

        Raises:
            ValueError: if they are not, or if a number is not finite.
        """
        attributes = np.asarray(attributes, float)
        check_finite(attributes)
        sums = [part.sum(1) for part in self.split(attributes) if part.shape[1] > 1]
        coded = all(np.isclose(s, np.round(s) > 0, atol=1e-3).all() for s in sums)
        if not coded or ((attributes < 0) | (attributes > 1)).any():
            raise ValueError(
                "The attribute must consist of categories. Expected: one-hot "
                f"codes of the widths {self.widths}, or 0..1 where a width is "
                "1. Received: other numbers. Encode it with AttributeEncoder, "
                "whose `bins` turn numbers into categories."
            )

    def categories(self, attributes: np.ndarray) -> "Categories":
        """Reads categories off vectors.

        The values of a number are its categories. A number with more than
        `MAX_VALUES` values is cut by `deciles`.

        Args:
            attributes: float array of shape `(rows, size)`.

        Returns:
            The `Categories` of the rows.
        """
        values, names, exact = [], [], True
        for _, series in self.frame(attributes).items():
            if series.dtype != "category":
                number = series.to_numpy()
                series = series.astype("category")
                if len(series.cat.categories) > MAX_VALUES:
                    series = deciles(number)
                    exact = False
            values.append(series.cat.codes.to_numpy(np.int64))
            names.append([_name(c) for c in series.cat.categories])
        return Categories(np.stack(values, 1), names, exact)

    def frame(self, attributes: np.ndarray) -> pd.DataFrame:
        """Reads categories and numbers off vectors.

        Args:
            attributes: float array of shape `(rows, size)`.

        Returns:
            Frame with a categorical column for each one-hot code, and a column
            of numbers for each column of the other parts.

        Example:

        >>> AttributeSpec((3, 1)).frame(np.array([[0, 0, 1, 0.3]])).values.tolist()
        [['2', 0.3]]
        """
        columns = []
        for block in self.split(attributes):
            if block.shape[1] > 1 and _is_one_hot(block):
                names = [str(code) for code in range(block.shape[1])]
                codes = pd.Categorical.from_codes(block.argmax(1), names)
                columns.append(pd.Series(codes))
            else:
                columns += map(pd.Series, block.T)
        return pd.concat(columns, axis=1)


@dataclasses.dataclass(frozen=True, eq=False)
class Categories:
    """Attributes as categories: one code for each part.

    Args:
        values: int array of shape `(rows, parts)`; codes count from 0.
        names: list of lists of str, the meaning of the codes of each part.
        exact: bool, whether the categories are the attribute itself. `False`
            where a number was cut into deciles: information about the
            categories is then a lower bound of information about the
            attribute.
    """

    values: np.ndarray
    names: list[list[str]]
    exact: bool

    @property
    def cells(self) -> np.ndarray:
        """Int array of shape `(rows,)`: one number per combination of codes."""
        return np.unique(self.values, axis=0, return_inverse=True)[1].ravel()


def deciles(number: np.ndarray) -> pd.Series:
    """Cuts a number into deciles, the package's one rule for it.

    A value that more than a tenth of the rows share is a category of its own.
    The other values are cut into ten quantiles.

    Args:
        number: float array of shape `(rows,)`.

    Returns:
        Categorical series of length `rows`.
    """
    number = pd.Series(number)
    frequent = number.map(number.value_counts(normalize=True)) > 0.1
    others = number[~frequent]
    cut = pd.qcut(others, 10, duplicates="drop", precision=4)
    if not frequent.any():
        return cut
    names = number.map(_name)
    names[~frequent] = cut.map(_name).astype(str)
    return names.astype("category")


def check_finite(attributes: np.ndarray) -> None:
    """Checks that every attribute is a finite number.

    Args:
        attributes: array of shape `(rows, a)`.

    Raises:
        ValueError: if NaN or infinity is among them.
    """
    attributes = np.asarray(attributes)
    if attributes.dtype.kind not in "biuf":
        raise ValueError(
            "The attribute must consist of numbers. Expected: a float array of shape "
            f"(n, a). Received: {attributes.dtype}. Encode it with AttributeEncoder."
        )
    # As floats of 32 bit, which the models compute in.
    finite = np.abs(attributes) <= np.finfo(np.float32).max
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(finite), -1).all(1))
        raise ValueError(
            "The attribute must be known for every row. Expected: finite "
            f"numbers. Received: NaN or infinity among them, in {len(rows)} "
            f"rows, the first of which is row {rows[0]}. Leave such rows out, "
            "or give them a category of their own."
        )


def _is_one_hot(block):
    return np.isin(block, (0, 1)).all() and (block.sum(1) == 1).all()


def _name(category):
    if not isinstance(category, numbers.Number):
        return str(category)
    # All digits: names tell the groups apart.
    short = np.float32(category)
    number = short if short == category else np.float64(category)
    return np.format_float_positional(number, trim="-")
