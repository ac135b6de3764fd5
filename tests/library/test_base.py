"""What a user of Keras expects of `compile` and `fit`."""

import keras
import numpy as np
import pytest
from small_models import TwoInputs, two_input_rows, two_inputs

from keras_unbias.methods import (
    MutualInformationBackpropagation,
    RepresentationClassifier,
)


def first_loss(model, weights=None, **arguments):
    inputs, targets = two_input_rows()
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
    model = method(two_inputs(), 2)
    model.compile(keras.optimizers.SGD(0.0))
    return model


def cross_entropies(model):
    inputs, targets = two_input_rows()
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
    assert loss == pytest.approx((weights * of_class * entropies).mean(), rel=1e-5)
    evaluated = model.evaluate(*two_input_rows(), verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(entropies.mean(), rel=1e-4)


def test_weights_of_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"in 0\.\.\d+ to weights.*\{2: 1.0, 'a'"):
        first_loss(fresh(), class_weight={2: 1.0, "a": 1.0})
    with pytest.raises(ValueError, match=r"a dict.*Received: 'balanced'"):
        first_loss(fresh(), class_weight="balanced")


def test_weights_of_classes_and_rows_with_a_column_of_labels():
    inputs, targets = two_input_rows()
    column = {**targets, "label": targets["label"][:, None]}
    weights = {
        "class_weight": {0: 1.0, 1: 3.0},
        "sample_weight": np.linspace(0, 2, 256).astype("float32"),
    }
    found = []
    for y in (targets, column):
        keras.utils.set_random_seed(0)
        model = RepresentationClassifier(two_inputs(), 2)
        model.compile(keras.optimizers.SGD(0.0))
        fitted = model.fit(inputs, y, batch_size=256, verbose=0, **weights)
        found.append(fitted.history["loss"][0])
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    one_hot = {**targets, "label": np.eye(2)[targets["label"]]}
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="Pass the argmax of one-hot"):
        model.fit(inputs, one_hot, class_weight={0: 2.0}, verbose=0)


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
    inputs, targets = two_input_rows()
    label = label(inputs["a"]).reshape(len(inputs["a"]), -1)
    targets = {**targets, "label": label}
    model = MutualInformationBackpropagation(
        two_inputs(), label.shape[1], mi_weight=0.1
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


def test_a_single_logit_is_a_class_by_its_sign():
    inputs, targets = two_input_rows()
    model = MutualInformationBackpropagation(two_inputs(), 1, conditional=True)
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


class TwoHeads(RepresentationClassifier):
    """A subclass whose loss has weights of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.second = keras.layers.Dense(1)

    def build(self, input_shape):
        super().build(input_shape)
        self.second.build(self.classifier.kernel.shape[:1])

    def compute_loss(self, x=None, y=None, y_pred=None, *args, **kwargs):
        other = keras.ops.mean(self.second(y_pred["features"]) ** 2)
        return super().compute_loss(x, y, y_pred, *args, **kwargs) + other


def test_a_subclass_trains_all_of_its_weights_and_goes_on(tmp_path):
    model = TwoHeads(two_inputs(), 2)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(*two_input_rows(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"TwoHeads": TwoHeads}
    )
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations)
    before = loaded.second.get_weights()[0]
    loaded.fit(*two_input_rows(), verbose=0)
    assert (loaded.second.get_weights()[0] != before).all()


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
    model = Late(two_inputs(), 2)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=run_eagerly)
    model.build({"a": (None, 5), "b": (None, 4)})
    model.fit(*two_input_rows(), verbose=0)
    assert len(model.trainable_variables) == 8
    # Two moments each, the count of steps and the rate.
    assert len(model.optimizer.variables) == 2 * 8 + 2


def test_the_encoder_returns_a_vector_per_row():
    images = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="End it with a Flatten"):
        RepresentationClassifier(images, 2).build((None, 8, 8, 1))


def test_a_batch_names_its_labels():
    inputs, targets = two_input_rows()
    with pytest.raises(ValueError, match="do not name the label"):
        fresh().fit(inputs, targets["label"], verbose=0)


def test_a_subclassed_encoder_is_saved_and_served(tmp_path):
    """Its inputs are known from the shapes the model was built with."""
    model = RepresentationClassifier(TwoInputs(), 2)
    model.compile()
    inputs, targets = two_input_rows(32)
    model.fit(inputs, targets, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"TwoInputs": TwoInputs}
    )
    expected = model.predict(inputs, verbose=0)
    for served in (model.inference_model(), loaded.inference_model()):
        np.testing.assert_allclose(
            served(inputs)["logits"], expected["logits"], atol=1e-5
        )
