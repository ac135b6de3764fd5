import subprocess
import sys

import keras
import numpy as np
import pytest
from small_models import label_prior, make

from keras_unbias.methods import BiasBalanced, LabelPrior


def test_label_prior_counts(problem):
    labels = problem.train[1]["label"]
    attributes = problem.train[1]["attribute"]
    prior = label_prior(problem, strength=0.5, smoothing=2.0)
    for cell in np.eye(problem.classes, dtype="float32"):
        mine = labels[(attributes == cell).all(1)]
        counts = np.bincount(mine, minlength=problem.classes) + 2.0
        np.testing.assert_allclose(
            prior(cell[None])[0],
            0.5 * np.log(counts / counts.sum()),
            rtol=1e-5,
        )
    seen, near = prior(np.float32([[0, 1, 0], [0.1, 0.8, 0.0]]))
    np.testing.assert_array_equal(seen, near)
    column = LabelPrior(problem.classes, strength=0.5, smoothing=2.0)
    column.adapt(attributes, labels[:, None])
    np.testing.assert_array_equal(column.log_prior, prior.log_prior)


def test_cells_far_from_zero_are_told_apart_in_any_precision():
    labels = np.array([0, 1, 1])
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        prior = LabelPrior(2)
        prior.adapt(np.array([[20000], [20001], [20003]]), labels)
        told = np.asarray(prior(np.array([[20000], [20001], [20003]])))
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(told.argmax(1), labels)


def test_the_prior_enters_the_training_loss_alone(problem):
    model = make(problem, "bias_balanced")
    model.compile()
    model.build((None, 2 * problem.classes))
    inputs, targets = problem.test
    logits = model.predict(inputs, verbose=0)["logits"]
    prior = np.asarray(model.label_prior(targets["attribute"]))

    def cross_entropy(logits):
        shifted = logits - logits.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        return -log_p[np.arange(len(logits)), targets["label"]].mean()

    for training, expected in ((True, logits + prior), (False, logits)):
        loss = model.compute_loss(inputs, targets, model(inputs), training=training)
        assert float(loss) == pytest.approx(cross_entropy(expected), rel=1e-5)
    tested = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    assert tested["loss"] == pytest.approx(cross_entropy(logits), rel=1e-4)


REPLICAS = """
import keras
import numpy as np
import tensorflow as tf

from keras_unbias import BiasBalanced, LabelPrior

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
label = np.arange(64) % 2
x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
targets = {"label": label, "attribute": np.eye(2, dtype="float32")[label]}
losses = []
for strategy in (
    tf.distribute.get_strategy(),
    tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        prior = LabelPrior(2)
        prior.adapt(targets["attribute"], label)
        encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        model = BiasBalanced(encoder, 2, label_prior=prior)
        model.compile(keras.optimizers.SGD(0.1))
        model.build((None, 3))
    fit = {"batch_size": 64, "epochs": 2, "shuffle": False, "verbose": 0}
    losses.append(model.fit(x, targets, **fit).history["loss"])
np.testing.assert_allclose(*losses, rtol=1e-4)
"""


@pytest.mark.slow
def test_bias_balanced_training_is_the_same_on_two_replicas():
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_prior_is_required_and_of_the_same_classes(problem):
    with pytest.raises(ValueError, match="label_prior=None"):
        BiasBalanced(problem.encoder(), 3, label_prior=None)
    prior = LabelPrior(2)
    prior.adapt(np.eye(2), np.array([False, True]))
    with pytest.raises(ValueError, match=r"with num_classes=1.*num_classes=2"):
        BiasBalanced(problem.encoder(), 1, label_prior=prior)


def test_what_a_prior_cannot_count_is_refused():
    for attributes, labels, message in (
        (np.arange(5000)[:, None], np.zeros(5000, int), "Received: 5000. Bin"),
        (np.zeros((2, 1)), np.array([-1, 0]), r"in 0..1. Received: \[-1\]"),
        (np.zeros((2, 1)), np.array([2, 0]), r"in 0..1. Received: \[2\]"),
        (np.zeros(2), np.array([0, 1]), r"attributes of shape \(2,\)"),
        (np.zeros((0, 2)), np.zeros(0, int), r"attributes of shape \(0, 2\)"),
        (np.zeros((2, 1)), np.zeros((2, 3), int), r"of shape \(2, 3\)"),
        (np.array([[np.nan], [0]]), np.array([0, 1]), "known for every row"),
        (np.zeros((2, 1)), np.array([0.5, 1]), "0.5.* among them, float64"),
        (np.zeros((2, 1)), np.array([np.inf, 1]), "inf.* among them, float64"),
        (np.zeros((2, 1)), np.array(["a", "b"]), "among them, <U1"),
    ):
        with pytest.raises(ValueError, match=message):
            LabelPrior(2).adapt(attributes, labels)


def test_a_prior_keeps_its_cells():
    with pytest.raises(ValueError, match="has no counts yet"):
        LabelPrior(3)(np.zeros((1, 3), "float32"))
    prior = LabelPrior(2)
    prior.adapt(np.eye(2), np.array([False, True]))
    with pytest.raises(ValueError, match=r"Received: 3 of width 3. Make a new"):
        prior.adapt(np.eye(3), np.array([0, 1, 1]))
    for wrong in (np.zeros((3, 1)), np.zeros(2)):
        with pytest.raises(ValueError, match=r"Expected: shape \(n, 2\)"):
            prior(wrong)


def test_rows_count_by_their_weights():
    attributes, labels = np.zeros((4, 1)), np.array([0, 0, 1, 1])
    prior = LabelPrior(2, smoothing=0.0)
    prior.adapt(attributes, labels, np.array([1, 2, 3, 6]))
    np.testing.assert_allclose(np.exp(prior(attributes[:1])), [[0.25, 0.75]])
    smoothed = LabelPrior(2, smoothing=[4.0, 0.0])
    smoothed.adapt(attributes, labels)
    np.testing.assert_allclose(
        np.exp(smoothed(attributes[:1])), [[0.75, 0.25]], rtol=1e-6
    )


def test_an_unknown_attribute_means_the_frequency_of_the_labels():
    rng = np.random.default_rng(0)
    colors, sizes, labels = rng.integers(0, [3, 2, 2], (600, 3)).T
    labels |= colors == 1
    codes = np.concatenate([np.eye(3)[colors], np.eye(2)[sizes]], 1)
    prior = LabelPrior(2, smoothing=1e-6)
    prior.adapt(codes, labels)
    unknown = np.zeros((1, 5))
    # Only the color is known.
    color = np.array([[0, 1, 0, 0, 0]])
    mine = labels[colors == 1]
    for rows, mine in (
        (unknown, labels),
        (unknown * np.nan, labels),
        (color, labels[colors == 1]),
        (
            np.where(color, 1, np.where(np.arange(5) < 3, 0, np.nan)),
            labels[colors == 1],
        ),
    ):
        expected = np.bincount(mine, minlength=2) / len(mine)
        np.testing.assert_allclose(np.exp(prior(rows))[0], expected, atol=1e-5)


def test_only_ratios_of_weights_count():
    attributes, labels = np.eye(2)[[0, 0, 1, 1]], np.array([0, 1, 1, 1])
    weights = np.array([1.0, 3.0, 2.0, 0.5])
    priors = []
    for scale in (1e-30, 1.0, 1e30):
        prior = LabelPrior(2)
        prior.adapt(attributes, labels, scale * weights)
        priors.append(prior(attributes))
    np.testing.assert_allclose(priors[0], priors[1], rtol=1e-6)
    np.testing.assert_allclose(priors[2], priors[1], rtol=1e-6)
    for bad, message in (
        (-weights, "finite numbers >= 0"),
        (weights * np.nan, "finite numbers >= 0"),
        (weights * 0, "zeros only"),
    ):
        with pytest.raises(ValueError, match=message):
            LabelPrior(2).adapt(attributes, labels, bad)


def test_values_that_float32_confuses_are_refused():
    times = 1.7e9 + np.arange(4.0)[:, None]
    with pytest.raises(ValueError, match="the same in float32"):
        LabelPrior(2).adapt(times, np.array([0, 1, 0, 1]))
    LabelPrior(2).adapt(times - times.mean(), np.array([0, 1, 0, 1]))
