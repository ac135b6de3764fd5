"""The erasure given the label, and the trial that judges it."""

import numpy as np
import pytest
from sklearn import linear_model, preprocessing

from keras_unbias.methods import erasure, trial


def draw(agreement=0.95, rows=3000, seed=0):
    """Draws classes that move one column, and attributes that move others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    attribute = np.where(rng.random(rows) < agreement, labels, rng.integers(0, 3, rows))
    mixture = np.eye(6) + 0.2 * rng.normal(size=(6, 6))
    table = rng.normal(size=(rows, 6)) @ mixture
    table[:, 0] += 4 * labels
    table[:, 2:5] += 3 * np.eye(3)[attribute]
    return table, labels, np.eye(3)[attribute]


def erased(table, found):
    columns = preprocessing.StandardScaler().fit_transform(table)
    return columns - columns @ found.readout @ found.directions


def effects(columns, labels, attributes):
    """Returns what a regression on class and attribute says of the attribute."""
    answers = np.column_stack([np.eye(2)[labels], attributes[:, 1:]])
    regression = linear_model.LinearRegression(fit_intercept=False)
    return regression.fit(answers, columns).coef_[:, 2:]


@pytest.mark.parametrize("agreement", [0.5, 0.8])
def test_nothing_linear_is_left_within_a_class(agreement):
    table, labels, attributes = draw(agreement)
    found = erasure.find_erasure(table, labels, attributes)
    assert found.directions.shape == (2, 6)
    before = effects(preprocessing.scale(table), labels, attributes)
    after = effects(erased(table, found), labels, attributes)
    assert np.abs(before).max() > 0.5
    np.testing.assert_allclose(after, 0, atol=1e-9)


def test_it_is_a_projection_that_moves_rows_least():
    table, labels, attributes = draw()
    found = erasure.find_erasure(table, labels, attributes)
    matrix = found.readout @ found.directions
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-9)
    # It is orthogonal in the metric of the noise: covariance @ matrix is
    # symmetric. Of all erasures that one moves the noise least.
    columns = preprocessing.scale(table)
    answers = np.column_stack([np.eye(2)[labels], attributes[:, 1:]])
    fit = linear_model.LinearRegression(fit_intercept=False).fit(answers, columns)
    noise = columns - fit.predict(answers)
    covariance = noise.T @ noise / len(noise) + erasure.RIDGE * np.eye(6)
    product = covariance @ matrix
    np.testing.assert_allclose(product, product.T, atol=1e-9)


def test_what_the_label_moves_stays():
    table, labels, attributes = draw()
    # The attribute now moves rows as the label does, and in no other way.
    table[:, :] = np.random.default_rng(1).normal(size=table.shape)
    table[:, 0] += 2 * labels + 2 * attributes[:, 1]
    found = erasure.find_erasure(table, labels, attributes)
    if found is not None:
        assert np.abs(erased(table, found)[:, 0]).std() > 0.5
    assert erasure.find_erasure(table[:, :1], labels, attributes) is None


def test_weighted_rows_count_by_their_weight():
    table, labels, attributes = draw(0.8)
    weight = np.random.default_rng(0).integers(0, 4, len(labels))
    found = erasure.find_erasure(table, labels, attributes, weight)
    assert len(found.directions) == 2
    counted = (
        np.repeat(part, weight, 0)
        for part in (erased(table, found), labels, attributes)
    )
    np.testing.assert_allclose(effects(*counted), 0, atol=1e-9)
    everyone = effects(erased(table, found), labels, attributes)
    assert np.abs(everyone).max() > 1e-3


def test_more_columns_than_rows_are_left_alone():
    table, labels, attributes = draw(rows=60)
    wide = np.tile(table, 10)
    assert erasure.find_erasure(wide, labels, attributes) is None


def test_halves_share_every_kind():
    kinds = np.random.default_rng(0).integers(0, 4, 101)
    kinds[kinds == 3] = 2
    kinds[7] = 3
    first, second = trial.halves(kinds, seed=1)
    assert sorted([*first, *second]) == [*range(101)]
    counts = [np.bincount(kinds[half], minlength=4) for half in (first, second)]
    assert {*(counts[0] - counts[1])} <= {0, 1}
    assert counts[0][3] == 1
    assert [*trial.halves(kinds, seed=2)[0]] != [*first]


def test_better_answers_are_better_by_more_than_chance():
    unusual = np.arange(400) < 40
    right = np.ones(400, bool)
    # One gained and one lost is nothing.
    one, another = (np.arange(400) != row for row in (0, 1))
    assert not trial.is_better(one, another, unusual)
    ten_wrong = np.arange(400) >= 10
    assert trial.is_better(right, ten_wrong, unusual)
    assert not trial.is_better(ten_wrong, right, unusual)
    # Usual rows count as much: 36 of 360 are as many as 4 of 40.
    mixed = (np.arange(400) >= 4) & True
    other = ~((np.arange(400) >= 40) & (np.arange(400) < 100))
    assert not trial.is_better(other, mixed, unusual)


def test_weights_count_as_repeated_rows():
    rng = np.random.default_rng(3)
    right, other = rng.random((2, 60)) < [[0.9], [0.6]]
    unusual = np.arange(60) < 20
    weight = np.repeat([3.0, 1e-9], 30)
    assert trial.count(unusual, weight) == pytest.approx(20)
    assert trial.count(~unusual, weight) == pytest.approx(10)
    kept = np.arange(30)
    for first, second in ((right, other), (other, right)):
        assert trial.is_better(first, second, unusual, weight) == trial.is_better(
            first[kept], second[kept], unusual[kept]
        )
