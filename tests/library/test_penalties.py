"""Penalties, against plain NumPy and known values."""

import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.data import AttributeSpec
from keras_unbias.methods import penalties


def by_hand(scores, groups, weights):
    """The formula row by row, in double precision."""
    rows = [i for i in range(len(scores)) if weights[i]]
    kept = np.asarray(scores, float)[rows]
    kept = (kept - kept.mean()) / kept.std()
    width = (0.75 * len(rows)) ** (-1 / 5)
    joint = np.zeros((50, groups.shape[1]))
    for u, place in enumerate(np.linspace(-2.5, 2.5, 50)):
        for score, i in zip(kept, rows, strict=True):
            density = np.exp(-0.5 * ((place - score) / width) ** 2)
            joint[u] += density * groups[i]
    joint /= joint.sum()
    total = 0.0
    for u in range(50):
        for v in range(groups.shape[1]):
            margin = joint[u].sum() * joint[:, v].sum()
            if margin > 0:
                total += joint[u, v] ** 2 / margin
    return total - 1


def draw(rows=200, shift=1.0, values=2):
    rng = np.random.default_rng(0)
    group = rng.integers(0, values, rows)
    scores = rng.normal(size=rows) + shift * group
    weights = (rng.random(rows) < 0.7).astype("float32")
    return scores.astype("float32"), np.eye(values)[group], weights


def chi_squared(scores, groups, weights):
    return float(
        penalties.chi_squared(
            tf.constant(scores),
            tf.constant(groups, tf.float32),
            tf.constant(weights),
        )
    )


@pytest.mark.parametrize("values", [2, 3])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_chi_squared_is_the_formula(values, shift):
    data = draw(shift=shift, values=values)
    assert chi_squared(*data) == pytest.approx(by_hand(*data), abs=1e-4)


def test_chi_squared_grows_from_independence_to_the_number_of_groups_less_one():
    scores, groups, weights = draw(rows=2000)
    noise = np.random.default_rng(1).normal(size=2000).astype("float32")
    assert chi_squared(noise, groups, weights) < 0.01
    told = (100 * groups[:, 1] + 0.001 * noise).astype("float32")
    assert chi_squared(told, groups, weights) == pytest.approx(1, abs=0.02)
    assert chi_squared(scores, groups, weights) < 0.5


@pytest.mark.parametrize("case", ["one score", "one group", "no rows"])
def test_where_nothing_can_depend_the_penalty_and_its_gradient_are_zero(case):
    scores, groups, weights = draw()
    if case == "one score":
        scores = np.full_like(scores, 0.3)
    elif case == "one group":
        groups = np.eye(2)[np.zeros(len(groups), int)]
    else:
        weights = np.zeros_like(weights)
    scores = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = penalties.chi_squared(
            scores, tf.constant(groups, tf.float32), tf.constant(weights)
        )
    assert float(value) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(tape.gradient(value, scores), 0, atol=1e-4)


def test_the_gradient_is_that_of_finite_differences():
    scores, groups, weights = draw(rows=40)
    variable = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = penalties.chi_squared(
            variable, tf.constant(groups, tf.float32), tf.constant(weights)
        )
    gradient = tape.gradient(value, variable).numpy()
    for row in range(5):
        moved = [scores.astype(float).copy() for _ in range(2)]
        moved[0][row] -= 1e-4
        moved[1][row] += 1e-4
        low, high = (by_hand(m, groups, weights) for m in moved)
        assert gradient[row] == pytest.approx((high - low) / 2e-4, abs=1e-3)


def test_the_penalty_looks_at_positive_rows_alone():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    attribute = rng.integers(0, 2, (600, 1)).astype("float32")
    logits = rng.normal(size=(600, 2))
    # The negative rows alone depend on the attribute.
    logits[:300, 1] += 5 * attribute[:300, 0]
    penalty = penalties.equal_opportunity_penalty(
        tf.constant(logits, tf.float32), tf.constant(labels), attribute
    )
    assert float(penalty) < 0.05
    other = penalties.equal_opportunity_penalty(
        tf.constant(logits, tf.float32), tf.constant(labels), attribute, 0
    )
    assert float(other) > 0.3
    one_hot = np.eye(2, dtype="float32")[attribute[:, 0].astype(int)]
    assert float(
        penalties.equal_opportunity_penalty(
            tf.constant(logits, tf.float32), tf.constant(labels), one_hot
        )
    ) == pytest.approx(float(penalty), rel=1e-5)


def test_losses_of_an_attribute_classifier_by_hand():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 6))
    attributes = np.concatenate(
        [np.eye(2)[[0, 1, 1, 0, 1]], np.eye(3)[[0, 2, 1, 1, 0]]], 1
    )
    number = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    attributes = np.concatenate([attributes, number[:, None]], 1)
    told, flat, sure = [], [], []
    for row, c in zip(logits, attributes, strict=True):
        scores = [row[:2], row[2:5], np.array([0.0, row[5]])]
        targets = [c[:2], c[2:5], np.array([1 - c[5], c[5]])]
        for score, target in zip(scores, targets, strict=True):
            q = np.exp(score) / np.exp(score).sum()
            told.append(-np.log(q[target.argmax()]))
            flat.append(-np.log(q).mean())
            sure.append((q * np.log(q)).sum())
    expected = [np.mean(told), np.mean(flat), np.mean(sure)]
    for parts in ((2, 3, 1), AttributeSpec((2, 3, 1))):
        values = (
            penalties.attribute_cross_entropy(logits, attributes, parts),
            penalties.confusion(logits, parts),
            penalties.negative_entropy(logits, parts),
        )
        np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_only_ratios_of_weights_count_in_the_dependence():
    rng = np.random.default_rng(0)
    groups = np.eye(2, dtype="float32")[rng.integers(0, 2, 200)]
    scores = (groups[:, 0] + rng.normal(0, 0.5, 200)).astype("float32")
    weights = rng.integers(1, 4, 200).astype("float32")
    values = [
        float(penalties.chi_squared(scores, groups, scale * weights / 3))
        for scale in (1.0, 1e-6, 1e6)
    ]
    assert values[0] > 0.1
    np.testing.assert_allclose(values, values[0], rtol=1e-4)
