import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.information import donsker_varadhan_bound


@pytest.mark.parametrize("labels", [None, [0, 2, 0, 2, 2, 0]])
def test_bound_is_the_formula(labels):
    rng = np.random.default_rng(0)
    joint, marginal = rng.normal(size=6), 3 * rng.normal(size=(6, 6))
    value = donsker_varadhan_bound(
        joint.astype("float32"),
        marginal.astype("float32"),
        labels,
        num_classes=3,
        pairs=(
            None if labels is None else np.equal.outer(labels, labels).astype("float32")
        ),
    )
    expected = 0.0
    classes = np.zeros(6) if labels is None else np.asarray(labels)
    for y in np.unique(classes):
        mine = classes == y
        log_mean_exp = np.log(np.exp(marginal[mine][:, mine]).mean())
        expected += mine.mean() * (joint[mine].mean() - log_mean_exp)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_bound_survives_large_and_distant_scores():
    joint = tf.constant([500.0, 500.0, -500.0, -500.0])
    marginal = tf.stack([joint, joint - 2.0], 1)
    value = donsker_varadhan_bound(joint, marginal, [0, 0, 1, 1], 2)
    np.testing.assert_allclose(value, -np.log((1 + np.exp(-2)) / 2), rtol=1e-4)


def test_pairs_and_scores_may_be_vectors():
    joint, marginal = np.array([1.0, 2.0]), np.array([0.5, 3.0])
    value = donsker_varadhan_bound(joint, marginal, pairs=np.array([1.0, 0.0]))
    # The second pair does not count: E[T] - T(0).
    assert float(value) == pytest.approx(1.5 - 0.5)
    with pytest.raises(ValueError, match="labels and num_classes=None"):
        donsker_varadhan_bound(joint, marginal, [0, 1])


def test_gradient_of_the_bound_against_finite_differences():
    rng = np.random.default_rng(1)
    joint = tf.constant(rng.normal(size=5), tf.float64)
    marginal = tf.constant(rng.normal(size=(5, 5)), tf.float64)
    labels = np.array([0, 1, 0, 1, 1])
    pairs = tf.constant(np.equal.outer(labels, labels), tf.float64)

    def bound(joint, marginal):
        return donsker_varadhan_bound(joint, marginal, labels, 2, pairs)

    analytic, numeric = tf.test.compute_gradient(bound, [joint, marginal])
    for one, other in zip(analytic, numeric, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
