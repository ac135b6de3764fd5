"""What a user of Keras expects of `compile` and `fit`."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.information import (
    MutualInformationEstimator,
    SeparableCritic,
)
from keras_unbias.methods import (
    AttributeConfusion,
    MutualInformationBackpropagation,
    RepresentationClassifier,
)


class Encoder(keras.Model):
    """A subclassed encoder with two inputs."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(8, activation="relu")
        self.second = keras.layers.Dense(4)

    def call(self, inputs):
        return self.second(self.first(inputs["a"])) + inputs["b"]


def functional():
    inputs = {
        "a": keras.Input((5,), name="a"),
        "b": keras.Input((4,), name="b"),
    }
    hidden = keras.layers.Dense(8, activation="relu")(inputs["a"])
    return keras.Model(inputs, keras.layers.Dense(4)(hidden) + inputs["b"])


def rows(count=256, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    inputs = {
        "a": rng.normal(size=(count, 5)).astype("float32") + label[:, None],
        "b": rng.normal(size=(count, 4)).astype("float32"),
    }
    attribute = np.eye(2, dtype="float32")[label ^ (rng.random(count) < 0.1)]
    return inputs, {"label": label, "attribute": attribute}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "batches_for_estimator"), [(Encoder, 0), (functional, 1)]
)
def test_dicts_of_inputs_and_validation_data(encoder, batches_for_estimator):
    model = MutualInformationBackpropagation(
        encoder(), 2, mi_weight=0.1, estimator_batches=batches_for_estimator
    )
    model.compile(
        keras.optimizers.Adam(1e-2),
        estimator_optimizer=keras.optimizers.SGD(0.1),
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(1)],
    )
    data = tf.data.Dataset.from_tensor_slices(rows()).batch(64)
    history = model.fit(
        data, validation_data=rows(500, seed=1), epochs=20, verbose=0
    ).history
    # The best that is possible: two normals whose means are sqrt(5) apart.
    assert history["val_accuracy"][-1] == pytest.approx(0.868, abs=0.06)
    assert "val_sparse_top_k_categorical_accuracy" in history
    assert isinstance(model.estimator.optimizer, keras.optimizers.SGD)
    assert model.estimator.optimizer.iterations > 0


@pytest.mark.slow
def test_another_optimizer_of_the_critic_is_used_and_saved(problem, tmp_path):
    model = MutualInformationBackpropagation(problem.encoder(), 3)
    model.compile(estimator_optimizer="adam")
    model.fit(*problem.train, batch_size=256, verbose=0)
    critic = model.estimator.critic.get_weights()
    # At a rate of 0 it learns nothing more.
    model.compile(estimator_optimizer=keras.optimizers.SGD(0.0))
    model.fit(*problem.train, batch_size=256, verbose=0)
    for before, after in zip(
        critic, model.estimator.critic.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.estimator.optimizer, keras.optimizers.SGD)
    assert int(loaded.estimator.optimizer.iterations) == 6 * 16


def first_loss(model, weights=None, **arguments):
    inputs, targets = rows()
    keras.utils.set_random_seed(0)
    return model.fit(
        inputs,
        targets,
        sample_weight=weights,
        batch_size=256,
        verbose=0,
        **arguments,
    ).history["loss"][0]


def fresh(method=RepresentationClassifier):
    keras.utils.set_random_seed(0)
    model = method(functional(), 2)
    model.compile(keras.optimizers.SGD(0.0))
    return model


def cross_entropies(model):
    inputs, targets = rows()
    logits = np.asarray(model(inputs)["logits"])
    chosen = logits[np.arange(len(logits)), targets["label"]]
    return np.log(np.exp(logits).sum(1)) - chosen, targets["label"]


@pytest.mark.parametrize(
    "method",
    [
        RepresentationClassifier,
        pytest.param(MutualInformationBackpropagation, marks=pytest.mark.slow),
    ],
)
def test_class_and_sample_weights_weigh_the_loss(method):
    model = fresh(method)
    loss = first_loss(model, class_weight={1: 3.0})
    entropies, labels = cross_entropies(model)
    of_class = np.where(labels == 1, 3.0, 1.0)
    assert loss == pytest.approx((of_class * entropies).mean(), rel=1e-5)

    weights = np.random.default_rng(0).uniform(size=256).astype("float32")
    loss = first_loss(model, weights)
    # The compiled step has forgotten the weights of the classes.
    assert loss == pytest.approx((weights * entropies).mean(), rel=1e-5)
    loss = first_loss(model, weights, class_weight={1: 3.0})
    assert loss == pytest.approx(
        (weights * of_class * entropies).mean(), rel=1e-5
    )
    evaluated = model.evaluate(*rows(), verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(entropies.mean(), rel=1e-4)


def test_weights_of_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"Received: \['2', 'a'\]"):
        first_loss(fresh(), class_weight={2: 1.0, "a": 1.0})
    with pytest.raises(ValueError, match="a dict.*Received: 'balanced'"):
        first_loss(fresh(), class_weight="balanced")


@pytest.mark.parametrize(
    ("loss", "metric", "label"),
    [
        pytest.param(
            keras.losses.MeanSquaredError(),
            "mae",
            lambda a: a[:, :2].sum(1),
            marks=pytest.mark.slow,
        ),
        (
            keras.losses.BinaryCrossentropy(from_logits=True),
            keras.metrics.BinaryAccuracy(threshold=0.0),
            lambda a: (a[:, :3] > 1).astype("float32"),
        ),
    ],
    ids=["regression", "several labels"],
)
def test_other_heads(loss, metric, label):
    inputs, targets = rows()
    label = label(inputs["a"]).reshape(len(inputs["a"]), -1)
    targets = {**targets, "label": label}
    model = MutualInformationBackpropagation(
        functional(), label.shape[1], mi_weight=0.1
    )
    model.compile(keras.optimizers.Adam(1e-2), loss=loss, metrics=[metric])
    losses = model.fit(inputs, targets, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    logits = model.predict(inputs, verbose=0)["logits"]
    evaluated = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    if "mae" in evaluated:
        expected = np.abs(logits - label).mean()
        assert evaluated["mae"] == pytest.approx(expected, rel=1e-4)
    else:
        expected = ((logits > 0) == label).mean()
        assert evaluated["binary_accuracy"] == pytest.approx(expected)


def test_all_rows_of_arrays_come_to_the_task():
    # With one row a batch for the task, out of four: the weights of a linear
    # model say which rows it has seen.
    inputs = np.eye(16, dtype="float32")
    targets = {
        "label": np.zeros(16, int),
        "attribute": np.random.default_rng(0).normal(size=(16, 1)),
    }
    model = MutualInformationBackpropagation(
        keras.Sequential(
            [
                keras.Input((16,)),
                keras.layers.Dense(
                    2, use_bias=False, kernel_initializer="ones"
                ),
            ]
        ),
        2,
        mi_weight=0.0,
        estimator_batches=3,
    )
    model.compile(keras.optimizers.SGD(0.1))
    keras.utils.set_random_seed(0)
    model.fit(inputs, targets, batch_size=4, epochs=30, verbose=0)
    kernel = model.encoder.get_weights()[0]
    assert (np.abs(kernel - 1).max(1) > 1e-4).all()


def weights_after(model, optimizer, **kwargs):
    """The encoder's weights after three steps from the same start."""
    keras.utils.set_random_seed(0)
    # Three steps take less time than their compilation.
    model.compile(optimizer, run_eagerly=True)
    model.fit(*rows(), batch_size=256, epochs=3, verbose=0, **kwargs)
    return np.concatenate([w.ravel() for w in model.encoder.get_weights()])


@pytest.mark.parametrize(
    ("make", "scaled"),
    [
        pytest.param(
            lambda: MutualInformationBackpropagation(
                functional(), 2, own_optimizer=False
            ),
            lambda: keras.optimizers.LossScaleOptimizer(
                keras.optimizers.SGD(0.1)
            ),
            marks=pytest.mark.slow,
        ),
        (
            lambda: MutualInformationBackpropagation(functional(), 2),
            lambda: keras.optimizers.SGD(0.1, loss_scale_factor=1024.0),
        ),
        (
            lambda: AttributeConfusion(functional(), 2, attribute_parts=(2,)),
            lambda: keras.optimizers.SGD(0.1, loss_scale_factor=1024.0),
        ),
    ],
    ids=["one optimizer", "own optimizer", "adversary"],
)
def test_a_scaled_loss_is_scaled_back(make, scaled):
    found = []
    for optimizer in (keras.optimizers.SGD(0.1), scaled()):
        keras.utils.set_random_seed(0)
        found.append(weights_after(make(), optimizer))
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "BinaryCrossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.binary_crossentropy,
    ],
    ids=["name", "name of a class", "object", "function"],
)
def test_losses_of_probabilities_are_refused(loss):
    with pytest.raises(ValueError, match="Expected: from_logits=True"):
        fresh().compile(loss=loss)


def test_losses_of_ones_own_are_taken():
    model = fresh()
    model.compile(loss=lambda labels, logits: keras.ops.mean(logits**2, -1))
    assert np.isfinite(first_loss(model))


def test_weights_of_classes_and_rows_with_a_column_of_labels():
    inputs, targets = rows()
    column = {**targets, "label": targets["label"][:, None]}
    weights = {
        "class_weight": {0: 1.0, 1: 3.0},
        "sample_weight": np.linspace(0, 2, 256).astype("float32"),
    }
    found = []
    for y in (targets, column):
        keras.utils.set_random_seed(0)
        model = RepresentationClassifier(functional(), 2)
        model.compile(keras.optimizers.SGD(0.0))
        fitted = model.fit(inputs, y, batch_size=256, verbose=0, **weights)
        found.append(fitted.history["loss"][0])
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    one_hot = {**targets, "label": np.eye(2)[targets["label"]]}
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="Pass argmax of one-hot"):
        model.fit(inputs, one_hot, class_weight={0: 2.0}, verbose=0)


def test_a_single_logit_is_a_class_by_its_sign():
    inputs, targets = rows()
    model = MutualInformationBackpropagation(functional(), 1, conditional=True)
    model.compile(
        keras.optimizers.Adam(1e-2),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    model.fit(inputs, targets, class_weight={1: 2.0}, verbose=0)
    evaluated = model.evaluate(inputs, targets, verbose=0, return_dict=True)
    logits = model.predict(inputs, verbose=0)["logits"][:, 0]
    right = ((logits > 0) == targets["label"]).mean()
    assert evaluated["accuracy"] == pytest.approx(right)
    assert ((logits > 0.5) == targets["label"]).mean() != right


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attribute": np.full((256, 2), np.nan)}, "not known of all rows"),
        ({"label": np.full(256, 2)}, r"labels in 0..1. Received: \[2\] among"),
        ({"label": np.full(256, 0.5)}, r"Received: \[0.5\] among them, float"),
        ({"label": np.array(["0", "a"] * 128)}, r"Received: \['0', 'a'\]"),
        ({"label": np.eye(2)[[0, 1] * 128]}, r"labels of shape \(256, 2\)"),
        ({"attribute": [[0, 1]] * 256}, r"shape \(n, a\).*Received: list"),
    ],
)
def test_rows_are_checked_before_training(changes, message):
    model = MutualInformationBackpropagation(functional(), 2, conditional=True)
    model.compile()
    inputs, targets = rows()
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, {**targets, **changes}, verbose=0)


def test_large_numbers_are_warned_of():
    model = MutualInformationBackpropagation(functional(), 2)
    model.compile(run_eagerly=True)
    inputs, targets = rows(32)
    age = np.linspace(20, 80, 32)[:, None]
    both = np.concatenate([age / 100, age], 1)
    with pytest.warns(UserWarning, match=r"columns \[1\] of the attr") as seen:
        model.fit(inputs, {**targets, "attribute": both}, verbose=0)
    assert seen[0].filename == __file__


def test_a_pipeline_without_targets_is_refused():
    model = MutualInformationBackpropagation(functional(), 2)
    model.compile()
    inputs, _ = rows()
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(32)
    with pytest.raises(ValueError, match="does not name the attribute"):
        model.fit(data, verbose=0)


def test_the_attribute_keeps_its_width():
    model = MutualInformationBackpropagation(functional(), 2)
    model.compile(run_eagerly=True)
    inputs, targets = rows(64)
    model.fit(inputs, targets, verbose=0)
    narrow = {**targets, "attribute": targets["attribute"][:, :1]}
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="Expected: 2. Received: 1"):
            use(inputs, narrow, verbose=0)


def test_evaluation_needs_the_attribute_where_it_is_measured():
    inputs, targets = rows(64)
    labels = {"label": targets["label"]}
    for model in (
        MutualInformationBackpropagation(functional(), 2),
        AttributeConfusion(functional(), 2, attribute_parts=(2,)),
    ):
        model.compile(run_eagerly=True)
        with pytest.raises(ValueError, match="does not name the attribute"):
            model.evaluate(inputs, labels, verbose=0)


@pytest.mark.parametrize(
    "compiled",
    [
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"run_eagerly": True},
    ],
)
def test_a_last_batch_may_be_short_however_it_is_run(compiled):
    model = MutualInformationBackpropagation(
        functional(), 2, estimator_batches=3
    )
    model.compile(**compiled)
    # 54 rows in the last batch leave a remainder, 2 are fewer than its parts.
    for count in (118, 66):
        inputs, targets = rows(count)
        data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(64)
        for fitted in (
            model.fit(inputs, targets, batch_size=64, verbose=0),
            model.fit(data, verbose=0),
        ):
            assert np.isfinite(fitted.history["loss"][0])
            assert np.isfinite(fitted.history["mutual_information"][0])
    for weights in model.get_weights():
        assert np.isfinite(weights).all()


def test_all_made_trainable_the_task_trains_what_it_did():
    found = []
    for toggled in (False, True):
        keras.utils.set_random_seed(0)
        model = AttributeConfusion(functional(), 2, attribute_parts=(2,))
        model.build({"a": (None, 5), "b": (None, 4)})
        if toggled:
            model.trainable = False
            model.trainable = True
        found.append(weights_after(model, keras.optimizers.SGD(0.1)))
    np.testing.assert_array_equal(found[1], found[0])


def test_gradients_of_an_embedding_are_added():
    words = np.random.default_rng(0).integers(0, 50, (256, 6))
    kernels = []
    # An embedding is a linear layer of one-hot words.
    for inputs, layer in (
        (words, keras.layers.Embedding(50, 4)),
        (np.eye(50)[words], keras.layers.Dense(4, use_bias=False)),
    ):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential(
            [
                keras.Input(inputs.shape[1:]),
                layer,
                keras.layers.GlobalAveragePooling1D(),
            ]
        )
        model = MutualInformationBackpropagation(
            encoder,
            2,
            own_optimizer=False,
            clip=False,
            estimator=MutualInformationEstimator(SeparableCritic(seed=0)),
        )
        model.build((None, *inputs.shape[1:]))
        layer.set_weights([np.linspace(-1, 1, 200).reshape(50, 4)])
        model.classifier.set_weights(
            [np.linspace(-1, 1, 8).reshape(4, 2), np.zeros(2)]
        )
        model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
        model.fit(inputs, rows()[1], batch_size=256, verbose=0)
        kernels.append(layer.get_weights()[0])
    np.testing.assert_allclose(kernels[0], kernels[1], atol=1e-5)


class TwoHeads(RepresentationClassifier):
    """A subclass with weights of its own in the loss."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.second = keras.layers.Dense(1)

    def build(self, input_shape):
        super().build(input_shape)
        self.second.build(self.classifier.kernel.shape[:1])

    def compute_loss(self, x=None, y=None, y_pred=None, *args, **kwargs):
        other = keras.ops.mean(self.second(y_pred["features"]) ** 2)
        return super().compute_loss(x, y, y_pred, *args, **kwargs) + other


class Late(RepresentationClassifier):
    """A subclass with weights that its first step creates."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.second = keras.layers.Dense(1)

    def compute_loss(self, x=None, y=None, y_pred=None, *args, **kwargs):
        other = keras.ops.mean(self.second(y_pred["features"]) ** 2)
        return super().compute_loss(x, y, y_pred, *args, **kwargs) + other


# A compilation takes longer than its one pass.
@pytest.mark.parametrize(
    "run_eagerly", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_weights_that_come_late_are_trained(run_eagerly):
    model = Late(functional(), 2)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=run_eagerly)
    model.build({"a": (None, 5), "b": (None, 4)})
    model.fit(*rows(), verbose=0)
    assert len(model.trainable_variables) == 8
    # Two moments each, the count of steps and the rate.
    assert len(model.optimizer.variables) == 2 * 8 + 2


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


def test_a_subclass_trains_all_of_its_weights_and_goes_on(tmp_path):
    model = TwoHeads(functional(), 2)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(*rows(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"TwoHeads": TwoHeads}
    )
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations)
    before = loaded.second.get_weights()[0]
    loaded.fit(*rows(), verbose=0)
    assert (loaded.second.get_weights()[0] != before).all()
