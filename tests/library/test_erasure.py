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
    noise = np.random.default_rng(0).normal(size=(60, 60))
    wide = np.column_stack([table, noise])
    assert erasure.find_erasure(wide, labels, attributes) is None
    assert erasure.find_erasure(table, labels, attributes) is not None


def chance_by_permutation(table, labels, attribute):
    """Returns how often permuted attributes explain as much."""
    rng = np.random.default_rng(0)

    def explained(values):
        """Returns a determinant, smaller if attributes explain more."""
        known = np.column_stack([np.eye(2)[labels], values])
        rest = table - known @ np.linalg.lstsq(known, table, rcond=None)[0]
        return np.linalg.slogdet(rest.T @ rest)[1]

    def permuted():
        values = attribute.copy()
        for label in (0, 1):
            values[labels == label] = rng.permutation(values[labels == label])
        return values

    found = explained(attribute)
    return np.mean([explained(permuted()) <= found for _ in range(300)])


@pytest.mark.parametrize(("rows", "columns"), [(70, 50), (400, 8)])
def test_chance_is_not_erased(rows, columns):
    clear = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        labels, attribute = rng.integers(0, 2, (2, rows))
        table = rng.normal(size=(rows, columns))
        table[:, 0] += 4 * labels
        # Every other attribute has an effect.
        table[:, 1] += (seed % 2) * 30 / np.sqrt(rows) * attribute
        chance = chance_by_permutation(table, labels, attribute)
        if 0.02 < chance < 0.1:
            continue
        found = erasure.find_erasure(table, labels, attribute[:, None])
        assert (found is None) == (chance > 0.05)
        clear.add(found is None)
    assert clear == {True, False}


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


def biased(rows=4000, seed=0):
    """Draws evidence of a label and of an attribute that mostly agrees."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    attribute = np.where(rng.random(rows) < 0.95, labels, 1 - labels)
    # For two normals at -1/2 and 1/2, log p(x|1) - log p(x|0) is x.
    means = np.stack([labels, attribute]) - 0.5
    shown, other = means + rng.normal(size=means.shape)
    known = np.log(np.where(np.eye(2)[attribute] > 0, 0.95, 0.05))
    return labels, known, *(np.stack([-x / 2, x / 2], 1) for x in (shown, other))


def test_evidence_that_repeats_the_attribute_is_less_likely():
    labels, known, shown, other = biased()
    honest = trial.likelihood(shown, known, labels)
    assert honest > trial.likelihood(0 * shown, known, labels) + 0.005
    assert honest > trial.likelihood(shown + other, known, labels) + 0.002
    # Without the attribute nearly all rows would speak for it.
    even = np.log(np.full((len(labels), 2), 0.5))
    assert trial.likelihood(shown + other, even, labels) > trial.likelihood(
        shown, even, labels
    )


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_the_strength_of_the_evidence_is_fitted(scale):
    labels, known, shown, _ = biased()
    rows = np.arange(len(labels))

    def mean(factor):
        joint = np.exp(factor * shown + known)
        return np.log(joint[rows, labels] / joint.sum(1)).mean()

    expected = max(map(mean, np.linspace(0, 3, 301)))
    found = trial.likelihood(scale * shown, known, labels)
    assert found == pytest.approx(expected, abs=1e-5)
    # Evidence against the label is worth nothing.
    nothing = trial.likelihood(-shown, known, labels)
    assert nothing == pytest.approx(known[rows, labels].mean(), abs=1e-5)


def test_weights_count_as_repeated_rows():
    labels, known, shown, _ = biased(200)
    weight = np.random.default_rng(1).integers(0, 4, 200)
    repeated = (np.repeat(part, weight, 0) for part in (shown, known, labels))
    assert trial.likelihood(shown, known, labels, weight) == pytest.approx(
        trial.likelihood(*repeated), abs=1e-6
    )
