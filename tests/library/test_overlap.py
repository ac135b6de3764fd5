"""Overlap weights, against a loop over the rows."""

import math

import numpy as np
import pytest

from keras_unbias import AttributeSpec, overlap_weights


def expected(labels, positions, width):
    """The weights as the docstring has them, row by row."""
    weights = []
    for label, position in zip(labels, positions, strict=True):
        near = {
            other: np.mean(
                [
                    math.exp(-sum(abs(np.subtract(position, c))) / width)
                    for y, c in zip(labels, positions, strict=True)
                    if y == other
                ]
            )
            for other in set(labels)
        }
        p = {other: share / sum(near.values()) for other, share in near.items()}
        weights.append(1 / (p[label] * sum(1 / share for share in p.values())))
    pairs = list(zip(weights, labels, strict=True))
    means = {y: np.mean([w for w, z in pairs if z == y]) for y in labels}
    return [w / means[y] for w, y in pairs]


@pytest.mark.parametrize("width", [0.7, 5.0])
@pytest.mark.parametrize("columns", [1, 2])
def test_weights_row_by_row(width, columns):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40)
    positions = np.round(rng.normal(labels[:, None], 1.5, (40, columns)), 1)
    np.testing.assert_allclose(
        overlap_weights(labels, positions, width=width),
        expected(labels.tolist(), positions.tolist(), width),
        rtol=1e-5,
    )


def test_classes_that_share_no_attribute_count_where_they_are_closest():
    ages = np.array([5, 20, 30, 41, 50, 80])
    labels = np.array([0, 0, 0, 1, 1, 1])
    weights = overlap_weights(labels, ages, width=5.0)
    assert (np.diff(weights[:3]) > 0).all() and (np.diff(weights[3:]) < 0).all()
    # Exponential in the distance, as far as the other class is rare.
    assert weights[2] / weights[1] == pytest.approx(math.exp(2), rel=0.1)


@pytest.mark.parametrize("classes", [2, 3])
def test_common_values_are_as_frequent_in_all_classes(classes):
    rng = np.random.default_rng(0)
    shares = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
    labels = rng.integers(0, classes, 3000)
    values = np.array([rng.choice(3, p=shares[label]) for label in labels])
    # So narrow a kernel does not mix the values.
    weights = overlap_weights(labels, values, width=0.02)
    found = [
        np.bincount(values[labels == y], weights[labels == y]) / sum(labels == y)
        for y in range(classes)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4)


def test_an_attribute_that_tells_nothing_weights_nothing():
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(overlap_weights(labels, np.zeros(4), width=1.0), 1)


def test_the_mean_of_every_class_is_one_and_names_do_not_matter():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 50)
    ages = rng.normal(30 + 10 * labels, 5)
    weights = overlap_weights(labels, ages, width=3.0)
    for label in (0, 1):
        assert weights[labels == label].mean() == pytest.approx(1)
    names = np.array(["woman", "man"])[labels]
    np.testing.assert_array_equal(overlap_weights(names, ages, width=3.0), weights)


def test_positions_of_bins_and_numbers():
    spec = AttributeSpec((3, 1, 2))
    vectors = np.array([[0, 1, 0, 0.5, 0, 1], [1, 0, 0, -2, 1, 0]])
    np.testing.assert_array_equal(spec.positions(vectors), [[1, 0.5, 1], [0, -2, 0]])


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((2, 4)),
        np.full((2, 4), 0.5),
        np.full((2, 4), np.nan),
        np.eye(3),
        np.eye(5),
        np.ones(4),
    ],
)
def test_rows_without_a_category_have_no_position(vectors):
    with pytest.raises(ValueError, match=r"shape \(rows, 4\) with one-hot codes"):
        AttributeSpec((3, 1)).positions(vectors)


@pytest.mark.parametrize("width", [0, -1, math.nan, math.inf, None])
def test_a_width_is_a_distance(width):
    with pytest.raises(ValueError, match="Expected: a finite number > 0"):
        overlap_weights([0, 1], [0, 1], width=width)


@pytest.mark.parametrize(
    ("labels", "positions", "message"),
    [
        ([0, 1], [0, 1, 2], "same rows"),
        ([0, 1], [0, math.nan], "NaN or infinity"),
        ([0, 1], ["a", "b"], "must consist of numbers"),
        ([0, 1], [0, 100], "no row near another class"),
        ([0, 0], [0, 1], "two classes or more"),
        ([], [], "at least one row"),
        ([[0], [1]], [0, 1], "must form a vector"),
    ],
)
def test_rows_that_cannot_be_weighted(labels, positions, message):
    with pytest.raises(ValueError, match=message):
        overlap_weights(labels, positions, width=1.0)
