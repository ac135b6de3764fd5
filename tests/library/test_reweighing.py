"""The divided prior, against counts in a table."""

import numpy as np
import pandas as pd
import pytest

from keras_unbias import AttributeSpec
from keras_unbias.methods.reweighing import divide_prior


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 3, 4000)
    labels = (rng.random(4000) < 0.2 + 0.3 * attribute).astype(int)
    return labels, attribute


def expected_weights(labels, attribute, weight=1.0):
    """Returns p(y) p(c) / p(y, c) of the rows."""
    table = pd.DataFrame({"y": labels, "c": attribute, "w": weight})

    def share(*names):
        return table.groupby(list(names)).w.transform("sum") / table.w.sum()

    return (share("y") * share("c") / share("y", "c")).to_numpy()


def test_without_a_share_for_the_logits_the_rows_are_reweighed(rows):
    labels, attribute = rows
    prior, shares, weights = divide_prior(
        labels, np.eye(3)[attribute], AttributeSpec((3,)), strength=0.0
    )
    np.testing.assert_allclose(weights, expected_weights(labels, attribute), rtol=5e-3)
    np.testing.assert_allclose(shares, np.bincount(labels) / 4000, rtol=1e-3)
    np.testing.assert_array_equal(prior(np.eye(3)), np.zeros((3, 2)))


def test_the_logits_can_have_the_whole_prior(rows):
    labels, attribute = rows
    prior, _, weights = divide_prior(
        labels, np.eye(3)[attribute], AttributeSpec((3,)), strength=1.0
    )
    np.testing.assert_array_equal(weights, 1)
    positive = [labels[attribute == value].mean() for value in range(3)]
    np.testing.assert_allclose(np.exp(prior(np.eye(3)))[:, 1], positive, rtol=5e-3)


def test_a_half_is_the_square_root(rows):
    labels, attribute = rows
    weights = divide_prior(
        labels, np.eye(3)[attribute], AttributeSpec((3,)), strength=0.5
    )[2]
    np.testing.assert_allclose(
        weights, expected_weights(labels, attribute) ** 0.5, rtol=5e-3
    )


def test_rows_count_by_their_weight_and_keep_it(rows):
    labels, attribute = rows
    given = np.random.default_rng(1).uniform(0.5, 9.5, 4000)
    weights = divide_prior(
        labels,
        np.eye(3)[attribute],
        AttributeSpec((3,)),
        strength=0.0,
        sample_weight=given,
    )[2]
    np.testing.assert_allclose(
        weights, given * expected_weights(labels, attribute, given), rtol=5e-3
    )


def test_a_number_is_counted_by_decile():
    rng = np.random.default_rng(0)
    number = rng.normal(size=4000)
    labels = (number + rng.normal(size=4000) > 0).astype(int)
    weights = divide_prior(labels, number[:, None], AttributeSpec((1,)), strength=0.0)[
        2
    ]
    deciles = pd.qcut(number, 10, labels=False)
    expected = expected_weights(labels, deciles)
    # A row between two centers may take the other decile's.
    assert np.median(np.abs(weights / expected - 1)) < 0.01
