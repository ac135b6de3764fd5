import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mutual_info_score

from keras_unbias.information import (
    CRITICS,
    ConcatenatedCritic,
    MutualInformationEstimator,
    SeparableCritic,
)


def batches(array, rows=256):
    return array.reshape(-1, rows, *array.shape[1:])


def held_out_bound(critic, z, c, labels=None, steps=600, rate=5e-3, **kwargs):
    """Fits on the first half, returns bound and standard error on the rest."""
    estimator = MutualInformationEstimator(
        critic, keras.optimizers.Adam(rate), steps=steps, **kwargs
    )
    half = len(z) // 2
    rows = [None if part is None else batches(part[:half]) for part in (z, c, labels)]
    estimator.update(*rows)
    values = [
        float(
            estimator.bound(
                *(
                    None if part is None else part[start : start + 256]
                    for part in (z, c, labels)
                )
            )
        )
        for start in range(half, len(z), 256)
    ]
    return np.mean(values), np.std(values) / np.sqrt(len(values))


def gaussians(rho, width, rows=8192, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(rows, width))
    c = rho * z + np.sqrt(1 - rho**2) * rng.normal(size=(rows, width))
    return z.astype("float32"), c.astype("float32")


def one_hot_channel(correct, rows=8192, values=4, seed=0):
    """C uniform, Z its noisy copy: z = c with probability `correct`."""
    rng = np.random.default_rng(seed)
    c = rng.integers(0, values, rows)
    other = (c + rng.integers(1, values, rows)) % values
    z = np.where(rng.random(rows) < correct, c, other)
    eye = np.eye(values, dtype="float32")
    wrong = (1 - correct) / (values - 1)
    truth = np.log(values) + correct * np.log(correct)
    truth += (1 - correct) * np.log(wrong)
    return eye[z], eye[c], truth


@pytest.mark.parametrize("name", CRITICS)
def test_gradient_in_the_features_against_finite_differences(name):
    z, c, _ = one_hot_channel(0.7, rows=64)
    labels = np.arange(64) % 2
    estimator = MutualInformationEstimator(
        CRITICS[name](), keras.optimizers.Adam(1e-2), num_classes=2
    )
    estimator.update(z[None], c[None], labels[None])
    features = tf.Variable(z)
    with tf.GradientTape() as tape:
        bound = estimator.bound(features.value(), c, labels)
    gradient = tape.gradient(bound, features).numpy()
    step = 3e-3 * gradient / np.abs(gradient).max()
    change = estimator.bound(z + step, c, labels) - estimator.bound(z - step, c, labels)
    np.testing.assert_allclose((gradient * step).sum() * 2, change, rtol=0.05)


@pytest.mark.parametrize(("rho", "width"), [(0.9, 1), (0.5, 10)])
def test_correlated_gaussians(rho, width):
    truth = -width / 2 * np.log(1 - rho**2)
    z, c = gaussians(rho, width, rows=32768)
    value, error = held_out_bound(ConcatenatedCritic(), z, c, steps=1200, rate=2e-3)
    assert 0.8 * truth - 2 * error < value < truth + 3 * error


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("correct", [0.5, 0.9])
def test_discrete_joint(name, correct):
    z, c, truth = one_hot_channel(correct)
    count = mutual_info_score(z.argmax(1), c.argmax(1))
    np.testing.assert_allclose(truth, count, atol=0.02)
    value, error = held_out_bound(CRITICS[name](), z, c)
    assert 0.9 * truth - 2 * error < value < truth + 3 * error


@pytest.mark.parametrize("name", CRITICS)
def test_independent_variables(name):
    z, _ = gaussians(0.0, 3)
    _, c, _ = one_hot_channel(0.5, seed=1)
    value, error = held_out_bound(CRITICS[name](), z, c, steps=100, rate=1e-3)
    assert abs(value) < 0.05 + 2 * error


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name != "separable"))
        for name in CRITICS
    ],
)
def test_conditional_independence(name):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 8192)
    eye = np.eye(3, dtype="float32")
    z = eye[y] + 0.3 * rng.normal(size=(8192, 3)).astype("float32")
    c = eye[np.where(rng.random(8192) < 0.8, y, rng.integers(0, 3, 8192))]
    plain, _ = held_out_bound(CRITICS[name](), z, c)
    conditional, error = held_out_bound(
        CRITICS[name](), z, c, y, steps=100, rate=1e-3, num_classes=3
    )
    assert plain > 0.3
    assert abs(conditional) < 0.05 + 2 * error


@pytest.mark.parametrize("name", CRITICS)
def test_known_conditional_information(name):
    # Y is independent of Z and C, so I(Z;C|Y) = I(Z;C).
    z, c, truth = one_hot_channel(0.9)
    y = np.random.default_rng(1).integers(0, 2, len(z))
    value, error = held_out_bound(CRITICS[name](), z, c, y, num_classes=2)
    assert 0.9 * truth - 2 * error < value < truth + 3 * error


@pytest.mark.parametrize("jit_compile", [False, True])
def test_update_is_k_steps_over_the_batches_in_turn(jit_compile):
    z, c, _ = one_hot_channel(0.7, rows=96)
    z, c = batches(z, 32), batches(c, 32)
    with_one = np.concatenate([c, np.ones_like(c[..., :1])], -1)
    estimator = MutualInformationEstimator(
        optimizer=keras.optimizers.SGD(0.5),
        steps=4,
        standardize=False,
        jit_compile=jit_compile,
    )
    estimator.bound(z[0], c[0])
    reference = SeparableCritic()
    reference.build(z.shape, c.shape)
    reference.set_weights(estimator.critic.get_weights())
    for batch in (0, 1, 2, 0):
        with tf.GradientTape() as tape:
            scores = reference.network(z[batch]) @ with_one[batch].T
            loss = -(
                tf.reduce_mean(tf.linalg.diag_part(scores))
                - tf.math.log(tf.reduce_mean(tf.exp(scores)))
            )
        variables = [v.value for v in reference.trainable_variables]
        for variable, gradient in zip(
            variables, tape.gradient(loss, variables), strict=True
        ):
            variable.assign_sub(0.5 * gradient)
    estimator.update(z, c)
    for one, other in zip(
        estimator.critic.get_weights(), reference.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert int(estimator.updates) == 4


def test_standardization_removes_scale_and_keeps_the_value():
    z, c, _ = one_hot_channel(0.7)
    scaled = (1000 * z + 77).astype("float32")
    keras.utils.set_random_seed(0)
    value, _ = held_out_bound(SeparableCritic(), z, c)
    keras.utils.set_random_seed(0)
    again, _ = held_out_bound(SeparableCritic(), scaled, c)
    assert again == pytest.approx(value, abs=0.02)


def test_zeros_are_a_value_like_others():
    """Two independent binary columns, which z equals: log 4 nats."""
    c = np.random.default_rng(0).integers(0, 2, (8192, 2)).astype("float32")
    critic = SeparableCritic.for_attributes(c)
    assert critic.constant
    value, error = held_out_bound(critic, c, c)
    assert value == pytest.approx(np.log(4), abs=0.04 + 3 * error)
    # Without the constant, a c of zeros scores 0 whatever z is.
    value, _ = held_out_bound(SeparableCritic(constant=False), c, c)
    assert value < 1


def test_a_short_last_batch_counts_in_proportion():
    """One row alone has no deviation, and an evaluation may come next."""
    rng = np.random.default_rng(0)
    z = rng.normal(2, 3, (1, 80, 4)).astype("float32")
    c = np.eye(2, dtype="float32")[rng.integers(0, 2, (1, 80))]
    estimator = MutualInformationEstimator(steps=1)
    # The first update counts in full, however few its rows are.
    estimator.update(z[:, :4], c[:, :4])
    np.testing.assert_allclose(estimator.mean, z[0, :4].mean(0), rtol=1e-5)
    estimator.update(z, c)
    mean, scale = z[0].mean(0), z[0].std(0) + 0.01
    np.testing.assert_allclose(estimator.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(estimator.scale, scale, rtol=1e-5)
    estimator.update(z[:, :2], c[:, :2])
    share = 2 / MutualInformationEstimator.MIN_ROWS
    for state, before, present in (
        (estimator.mean, mean, z[0, :2].mean(0)),
        (estimator.scale, scale, z[0, :2].std(0) + 0.01),
    ):
        expected = (1 - share) * before + share * present
        np.testing.assert_allclose(state, expected, rtol=1e-5)


def test_round_trip_through_the_config():
    estimator = MutualInformationEstimator(
        ConcatenatedCritic(hidden=(8,)),
        keras.optimizers.SGD(0.1),
        steps=3,
        num_classes=2,
        standardize=False,
        seed=4,
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(estimator)
    )
    assert copy.get_config() == estimator.get_config()
    assert copy.critic.hidden == (8,)


def test_no_state_is_kept_from_a_gpu():
    """TensorFlow leaves int32 variables on the host, out of XLA's reach."""
    z, c, _ = one_hot_channel(0.7, rows=8)
    estimator = MutualInformationEstimator(steps=1)
    estimator.bound(z, c)
    assert "int32" not in {variable.dtype for variable in estimator.variables}
    # Older files hold the count as int32.
    saved = [
        w.astype("int32") if w.dtype == "int64" else w for w in estimator.get_weights()
    ]
    estimator.set_weights(saved)
    estimator.update(z[None], c[None])
    assert int(estimator.updates) == 1


def test_errors():
    for steps in (0, 2.5):
        with pytest.raises(ValueError, match=f"integer >= 1.*steps={steps}"):
            MutualInformationEstimator(steps=steps)
    z, c, _ = one_hot_channel(0.7, rows=8)
    estimator = MutualInformationEstimator(num_classes=2)
    with pytest.raises(ValueError, match="needs the labels"):
        estimator.bound(z, c)
    with pytest.raises(ValueError, match="An update takes mini-batches"):
        estimator.update(z, c, np.zeros(8, int))


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("num_classes", [None, 2])
def test_accumulated_mini_batches_are_one_large_batch(critic, num_classes):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 8, 4)).astype("float32")
    attributes = np.eye(3, dtype="float32")[rng.integers(0, 3, (6, 8))]
    labels = rng.integers(0, 2, (6, 8))

    def fitted(accumulate, batches):
        estimator = MutualInformationEstimator(
            critic=CRITICS[critic](hidden=(5,), seed=1),
            steps=4,
            accumulate=accumulate,
            num_classes=num_classes,
        )
        shape = (batches, -1)
        estimator.update(
            features.reshape(*shape, 4),
            attributes.reshape(*shape, 3),
            labels.reshape(shape),
        )
        return estimator

    small, large = fitted(3, 6), fitted(1, 2)
    for one, other in zip(small.variables, large.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    # Steps on single mini-batches lead elsewhere.
    alone = fitted(1, 6)
    assert any(
        not np.allclose(one, other)
        for one, other in zip(small.variables, alone.variables, strict=True)
    )
    again = MutualInformationEstimator.from_config(small.get_config())
    assert again.accumulate == 3


def test_mini_batches_that_cannot_be_accumulated_are_refused():
    with pytest.raises(ValueError, match=r"integer >= 1.*accumulate=0"):
        MutualInformationEstimator(accumulate=0)
    estimator = MutualInformationEstimator(accumulate=3)
    with pytest.raises(ValueError, match=r"accumulate=3.*4 mini-batches"):
        estimator.update(np.zeros((4, 5, 2)), np.zeros((4, 5, 1)))


@pytest.mark.parametrize("critic", CRITICS)
def test_a_policy_of_half_precision_leaves_the_bound_alone(critic):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 4)).astype("float32")
    attributes = np.eye(2, dtype="float32")[(features[:, 0] > 0) * 1]
    found = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            estimator = MutualInformationEstimator(CRITICS[critic](seed=0))
            estimator.update(features[None], attributes[None])
            bound = estimator.bound(features, attributes)
        finally:
            keras.config.set_dtype_policy("float32")
        assert bound.dtype == "float32"
        found.append(float(bound))
    assert found[1] == pytest.approx(found[0], abs=1e-6)


def test_attributes_of_another_width_are_refused():
    estimator = MutualInformationEstimator(steps=1)
    features = np.zeros((4, 2), "float32")
    estimator.update(features[None], np.eye(4)[None])
    with pytest.raises(ValueError, match=r"Expected: 4. Received: 1"):
        estimator.bound(features, np.ones((4, 1)))


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("critic", [SeparableCritic, ConcatenatedCritic])
def test_the_bound_of_many_rows_is_that_of_all_pairs(critic, num_classes, monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    attributes = np.eye(3, dtype="float32")[(labels + (rng.random(600) < 0.4)) % 3]
    features = (attributes + rng.normal(0, 0.3, (600, 3))).astype("float32")
    estimator = MutualInformationEstimator(
        critic((16,), seed=0), steps=200, num_classes=num_classes
    )
    estimator.update(features[None], attributes[None], labels[None])
    whole = float(estimator.bound(features, attributes, labels))
    assert whole > 0.1
    # The random pairs of the concatenated critic are others, with a deviation.
    atol = 1e-5 if critic is SeparableCritic else 0.1
    value = estimator.evaluate(features, attributes, labels)
    assert value == pytest.approx(whole, abs=atol)
    order = np.argsort(attributes.argmax(1))
    ordered = estimator.evaluate(features[order], attributes[order], labels[order])
    assert ordered == pytest.approx(value, abs=atol)
    # Parts are random, so each holds pairs of all kinds.
    monkeypatch.setattr(MutualInformationEstimator, "PART", 150)
    in_parts = estimator.evaluate(features[order], attributes[order], labels[order])
    assert in_parts == pytest.approx(whole, abs=0.05 + atol)
