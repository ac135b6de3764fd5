"""Columns of a table as attribute vectors."""

import numpy as np
import pandas as pd
import pytest
from sklearn import base

from keras_unbias import AttributeEncoder


def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], 60),
            "adult": rng.random(60) < 0.5,
            "children": rng.integers(0, 4, 60),
            "income": rng.lognormal(size=60),
        }
    )


def test_columns_are_coded_one_after_the_other():
    columns = frame()
    encoder = AttributeEncoder(bins=5)
    with pytest.warns(UserWarning, match=r"\['income'\] are cut into 5"):
        vectors = encoder.fit_transform(columns)
    assert encoder.spec_.widths == (2, 2, 4, 5)
    assert encoder.spec_.names == tuple(columns)
    assert vectors.dtype == np.float32
    expected = [
        pd.get_dummies(columns.sex),
        pd.get_dummies(columns.adult),
        pd.get_dummies(columns.children),
        pd.get_dummies(pd.qcut(columns.income, 5)),
    ]
    np.testing.assert_array_equal(vectors, np.concatenate(expected, axis=1))
    assert list(encoder.get_feature_names_out()[:2]) == [
        "sex_f",
        "sex_m",
    ]


def test_a_number_may_stay_one():
    income = frame().income
    encoder = base.clone(AttributeEncoder(bins=None))
    vectors = encoder.fit_transform(income)
    np.testing.assert_allclose(
        vectors[:, 0], (income - income.mean()) / income.std(ddof=0), rtol=1e-5
    )
    # As an array, the same column without its name.
    again = encoder.transform(income.to_numpy())
    np.testing.assert_array_equal(again, vectors)


def test_types_are_those_of_the_fit():
    numbers = pd.Series(range(80), dtype="Int64")
    with pytest.warns(UserWarning, match="are cut into 10"):
        nullable = AttributeEncoder().fit(numbers)
    np.testing.assert_array_equal(
        nullable.transform(numbers.astype(int)), nullable.transform(numbers)
    )
    for fitted, later in (
        ([0, 1, 0], ["0", "1", "0"]),
        (pd.Series([0, 1, 0], dtype="category"), [0, 1, 0]),
        (pd.Series([0, 1, 0], dtype="Int64"), [0.0, 1.0, 0.0]),
        ([True, False, None], [True, False, True]),
    ):
        encoder = AttributeEncoder().fit(fitted)
        vectors = encoder.transform(later)
        np.testing.assert_array_equal(vectors.sum(1), 1)
        np.testing.assert_array_equal(vectors[:2], encoder.transform(fitted)[:2])


def test_a_category_that_was_not_seen_has_no_code():
    encoder = AttributeEncoder().fit(["a", "b", "a"])
    np.testing.assert_array_equal(encoder.transform(["b", "c"]), [[0, 1], [0, 0]])
    # Whatever the other rows are.
    np.testing.assert_array_equal(encoder.transform(["c"]), [[0, 0]])


@pytest.mark.parametrize(
    ("fitted", "later", "received"),
    [
        (pd.Series(["1", "2"]), pd.Series([1.0, 2.0]), r"\['1.0', '2.0'\]"),
        (
            pd.DataFrame({"sex": ["f", "m"], "race": ["a", "b"]}),
            pd.DataFrame({"race": ["a", "b"], "gender": ["f", "m"]}),
            r"'sex' some of \['f', 'm'\]. Received: \['a', 'b'\]",
        ),
    ],
)
def test_a_column_without_any_known_category_is_refused(fitted, later, received):
    encoder = AttributeEncoder().fit(fitted)
    with pytest.raises(ValueError, match=received):
        encoder.transform(later)


def test_the_attributes_must_be_known():
    columns = frame()
    columns.loc[3, "income"] = np.nan
    with pytest.raises(ValueError, match=r"missing in columns \['income'\]"):
        AttributeEncoder().fit(columns)
    with pytest.raises(ValueError, match=r"4 features.*expecting 1 features"):
        AttributeEncoder().fit(["a", "b"]).transform(columns)
    with pytest.raises(ValueError, match="a name for each column"):
        AttributeEncoder().fit(pd.concat([columns.sex, columns.sex], axis=1))


@pytest.mark.filterwarnings("ignore:Bins whose width", "ignore:Continuous")
def test_a_number_without_quantiles_is_refused():
    gain = np.zeros(400)
    gain[:20] = np.arange(1, 21)
    with pytest.raises(ValueError, match="Received: a single one"):
        AttributeEncoder().fit(gain)
    with pytest.raises(ValueError, match=r"bins=1. Pass"):
        AttributeEncoder(bins=1).fit(gain)


def test_columns_are_found_by_name_and_by_kind():
    columns = frame()[["sex", "income"]].rename(columns={"sex": "a__b"})
    encoder = AttributeEncoder(bins=None).fit(columns)
    np.testing.assert_array_equal(
        encoder.transform(columns[["income", "a__b"]]),
        encoder.transform(columns),
    )
    # An array of both is one of objects.
    array = columns.to_numpy(dtype=object)
    assert AttributeEncoder(bins=None).fit(array).spec_.widths == (2, 1)


@pytest.mark.parametrize("attribute", ["sex", None, 3, {"a": 1}, {1, 2}])
def test_an_attribute_is_a_value_for_every_row(attribute):
    with pytest.raises(ValueError, match=r"must be a value for every row"):
        AttributeEncoder().fit(attribute)


def test_infinity_is_named():
    age = np.arange(50.0)
    encoder = AttributeEncoder(bins=None).fit(age)
    age[3] = np.inf
    with pytest.raises(ValueError, match=r"infinity in columns \['0'\]"):
        AttributeEncoder(bins=None).fit(age)
    with pytest.raises(ValueError, match=r"infinity in columns \['0'\]"):
        encoder.transform(age)
    with pytest.raises(ValueError, match="A column of numbers holds something else"):
        encoder.transform(["x"])


@pytest.mark.filterwarnings("ignore:Continuous")
@pytest.mark.parametrize("unit", [1e-300, 1e-20, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_the_unit_of_a_number_has_no_effect(unit, offset):
    values = np.arange(100.0)
    number = unit * (offset + values)
    expected = np.eye(10)[np.arange(100) // 10]
    np.testing.assert_array_equal(AttributeEncoder().fit_transform(number), expected)
    scored = AttributeEncoder(bins=None).fit_transform(number)[:, 0]
    np.testing.assert_allclose(scored, (values - 49.5) / values.std(), atol=1e-5)


@pytest.mark.parametrize(
    "unknown",
    [[np.nan], [None], [pd.NA], [3], [True], ["green"], np.array([3], object)],
)
def test_the_code_of_a_row_does_not_depend_on_the_others(unknown):
    encoder = AttributeEncoder().fit(["red", "blue"])
    alone = encoder.transform(unknown)
    among = encoder.transform([*unknown, "red"])
    np.testing.assert_array_equal(alone, [[0, 0]])
    np.testing.assert_array_equal(among, [[0, 0], [0, 1]])
