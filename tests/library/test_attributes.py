"""What the columns of attribute vectors mean, and their categories."""

import numpy as np
import pandas as pd
import pytest

from keras_unbias import AttributeSpec
from keras_unbias.data import attributes


def codes(*columns):
    """One-hot codes of int columns, one after the other."""
    return np.concatenate([np.eye(max(c) + 1)[list(c)] for c in columns], 1)


@pytest.mark.parametrize(
    ("vectors", "widths"),
    [
        (codes([0, 1, 2, 1]), (3,)),
        (codes([0, 1, 1, 0], [0, 1, 2, 0]), (2, 3)),
        ([[0.3], [0.1]], (1,)),
        ([[0], [1], [1]], (1,)),
        # A number before, between and after codes.
        ([[0.3, 1, 0, 7], [0.1, 0, 1, 5]], (1, 2, 1)),
        # Two bits are numbers unless exactly one of them is 1.
        ([[1, 1], [0, 1]], (1, 1)),
        ([[0, 0], [0, 1]], (1, 1)),
        # Shares are numbers.
        ([[0.5, 0.5], [1, 0]], (1, 1)),
    ],
)
def test_the_parts_of_vectors_are_found(vectors, widths):
    spec = AttributeSpec.infer(np.array(vectors))
    assert spec.widths == widths
    assert spec.size == np.array(vectors).shape[1]


def test_a_spec_is_a_value():
    spec = AttributeSpec([2, 1], ["sex", "age"])
    assert spec == AttributeSpec((np.int64(2), 1), ("sex", "age"))
    assert spec.names == ("sex", "age")
    assert AttributeSpec((3, 1)).names == ("0", "1")
    assert hash(spec) != hash(AttributeSpec((2, 1)))


@pytest.mark.parametrize(
    ("widths", "names", "message"),
    [
        ((), (), r"integers >= 1.*widths=\(\)"),
        ((2, 0), (), r"widths=\(2, 0\)"),
        ((2.0,), (), r"widths=\(2.0,\)"),
        ((2, 1), ("sex",), r"2 names. Received: names=\('sex',\)"),
    ],
)
def test_a_spec_that_describes_nothing_is_refused(widths, names, message):
    with pytest.raises(ValueError, match=message):
        AttributeSpec(widths, names)


def test_vectors_are_cut_into_their_parts():
    first, second, third = AttributeSpec((2, 1, 3)).split(np.arange(12).reshape(2, 6))
    assert first.tolist() == [[0, 1], [6, 7]]
    assert second.tolist() == [[2], [8]]
    assert third.tolist() == [[3, 4, 5], [9, 10, 11]]


@pytest.mark.parametrize(
    "vectors",
    [
        [[1, 0, 0.7], [0, 1, 0]],
        [[0.25, 0.75, 1], [0, 0, 1]],
    ],
)
def test_categories_shares_and_unknown_ones_can_be_named(vectors):
    AttributeSpec((2, 1)).check_categories(np.array(vectors))


@pytest.mark.parametrize(
    "vectors",
    [
        [[1, 1, 0]],
        [[0.5, 0, 0]],
        [[1, 0, 1.5]],
        [[1, 0, -0.1]],
        [[2, -1, 0]],
    ],
)
def test_other_numbers_are_no_categories(vectors):
    with pytest.raises(ValueError, match=r"widths \(2, 1\).*AttributeEncoder"):
        AttributeSpec((2, 1)).check_categories(np.array(vectors))


def test_categories_of_codes_and_of_numbers_with_few_values():
    vectors = np.concatenate([codes([2, 0, 1, 2]), [[5], [0.5], [5], [7]]], 1)
    found = AttributeSpec((3, 1)).categories(vectors)
    assert found.values.tolist() == [[2, 1], [0, 0], [1, 1], [2, 2]]
    assert found.names == [["0", "1", "2"], ["0.5", "5", "7"]]
    assert found.exact
    assert len(set(found.cells.tolist())) == 4


def test_equal_rows_share_a_cell():
    vectors = codes([0, 1, 0, 1, 1], [0, 0, 1, 0, 1])
    cells = AttributeSpec((2, 2)).categories(vectors).cells
    assert cells.tolist() == [0, 2, 1, 2, 3]


def test_numbers_with_many_values_become_deciles():
    number = np.random.default_rng(0).permutation(200).astype(float)
    assert len(set(number)) > attributes.MAX_VALUES
    found = AttributeSpec((1,)).categories(number[:, np.newaxis])
    assert not found.exact
    np.testing.assert_array_equal(found.values[:, 0], number // 20)
    assert found.values.dtype == np.int64


def test_deciles_have_a_tenth_of_the_rows_each():
    number = np.random.default_rng(0).lognormal(size=500)
    sizes = attributes.deciles(number).value_counts()
    assert sizes.tolist() == [50] * 10
    # Lower numbers come first.
    order = attributes.deciles(number).cat.codes
    assert pd.Series(number).groupby(order).max().is_monotonic_increasing


def test_a_frequent_value_is_a_category_of_its_own():
    rest = np.arange(1, 61)
    number = np.concatenate([np.zeros(40), rest])
    named = attributes.deciles(number)
    assert set(named[number == 0]) == {"0"}
    sizes = named[number > 0].value_counts()
    assert sizes[sizes > 0].tolist() == [6] * 10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_unknown_attributes_are_refused_with_their_row(value):
    vectors = np.zeros((6, 2))
    attributes.check_finite(vectors)
    vectors[[2, 5], 1] = value
    with pytest.raises(ValueError, match="in 2 rows, the first of which is row 2"):
        attributes.check_finite(vectors)
    with pytest.raises(ValueError, match="must be known for every row"):
        AttributeSpec((1, 1)).check_categories(vectors)
