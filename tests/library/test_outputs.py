"""Outputs and targets as arrays: what is read, and what is refused."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from known_information import binary
from sklearn import preprocessing

from keras_unbias.auditing.outputs import (
    class_numbers,
    collect_outputs,
    predicted_classes,
)


def test_a_frame_can_hold_features():
    features = pd.DataFrame(np.random.default_rng(0).normal(size=(90, 2)))
    outputs = collect_outputs(features, (None, {"attribute": features[[0]] > 0}))
    np.testing.assert_array_equal(outputs.features, features)
    np.testing.assert_array_equal(outputs.attributes, features[[0]] > 0)
    assert outputs.logits is outputs.labels is outputs.spec is None


def test_an_estimator_of_scikit_learn_is_refused():
    rows = (None, {"attribute": np.zeros((90, 1))})
    with pytest.raises(ValueError, match=r"Pass `estimator.transform"):
        collect_outputs(preprocessing.StandardScaler(), rows)


def test_a_function_is_called_on_batches():
    inputs = np.random.default_rng(0).normal(size=(120, 2)).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices(
        (inputs, {"attribute": inputs[:, :1] > 0})
    ).batch(50)
    outputs = collect_outputs(lambda x: {"features": 2 * x}, rows)
    np.testing.assert_array_equal(outputs.features, 2 * inputs)
    assert outputs.logits is None
    assert outputs.attributes.shape == (120, 1)


def test_the_test_split_of_a_data_set_is_taken():
    model, dataset = binary(1.0, rows=90)
    outputs = collect_outputs(model, dataset)
    predicted = model.predict(dataset.test.inputs, verbose=0)
    np.testing.assert_allclose(outputs.features, predicted["features"])
    np.testing.assert_allclose(
        outputs.logits, predicted["logits"], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(outputs.labels, dataset.test.labels)
    np.testing.assert_array_equal(outputs.attributes, dataset.test.attributes)
    assert outputs.spec == dataset.attribute_spec


def test_inputs_may_be_a_list_of_arrays():
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, 600)
    inputs = [rng.normal(size=(600, 2)), np.eye(2)[attribute]]
    outputs = collect_outputs(
        lambda x: {"features": np.concatenate(x, 1)},
        (inputs, {"attribute": attribute}),
    )
    np.testing.assert_array_equal(outputs.features, np.concatenate(inputs, 1))
    assert outputs.attributes.shape == (600, 1)
    rows = list(inputs[0])
    outputs = collect_outputs(
        lambda x: {"features": x}, (rows, {"attribute": attribute})
    )
    np.testing.assert_array_equal(outputs.features, inputs[0])


def test_endless_batches_are_refused():
    rows = {"attribute": np.zeros((60, 1), "float32")}
    batches = tf.data.Dataset.from_tensors((np.zeros((60, 2)), rows)).repeat()
    with pytest.raises(ValueError, match="repeats without end"):
        collect_outputs(lambda x: {"features": x}, batches)


def test_a_bare_encoder_is_refused_with_a_way_out():
    targets = {"attribute": np.zeros(90)}
    with pytest.raises(ValueError, match=r"'features'.*Received: list.*lambda"):
        collect_outputs(lambda x: [x], (np.zeros((90, 2)), targets))
    with pytest.raises(ValueError, match=r"Received: \['logits'\]"):
        collect_outputs(lambda x: {"logits": x}, (np.zeros((90, 2)), targets))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"label": np.zeros(90)}, r"not name the attribute.*targets \['label'\]"),
        (np.zeros(90), "Received: targets ndarray"),
        ({"attribute": np.full(90, "a")}, "Encode columns with Attribute"),
        ({"attribute": np.full((90, 1), np.nan)}, "NaN or infinity among"),
        ({"attribute": np.zeros((90, 2, 2))}, r"shape \(90, 2, 2\), float64\."),
        ({"attribute": np.zeros(90), "label": np.full(90, "a")}, "numbers"),
    ],
)
def test_targets_are_checked(targets, message):
    with pytest.raises(ValueError, match=message):
        collect_outputs(np.zeros((90, 2)), (None, targets))


def test_batches_are_checked_before_the_model_is_called():
    def model(x):
        raise AssertionError("The model was called.")

    rows = np.zeros((90, 2), "float32")
    for parts, message in (
        ((rows, {"label": rows[:, 0]}), r"Received: targets \['label'\]"),
        ((rows,), "Received: targets NoneType"),
        (rows, "Received: targets NoneType"),
    ):
        batches = tf.data.Dataset.from_tensor_slices(parts).batch(30)
        with pytest.raises(ValueError, match=message):
            collect_outputs(model, batches)
    targets = {"attribute": rows}
    batches = tf.data.Dataset.from_tensor_slices((rows, targets))
    with pytest.raises(ValueError, match=r"Received: no batch. `drop"):
        collect_outputs(model, batches.batch(100, drop_remainder=True))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([True, False], [1, 0]),
        ([[3], [4]], [3, 4]),
        ([0.0, 1.0], [0, 1]),
        ([0.0, 2.0], None),
        ([[0, 1], [1, 0]], None),
    ],
)
def test_class_numbers(labels, expected):
    numbers = class_numbers(np.array(labels))
    if expected is None:
        assert numbers is None
    else:
        np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("logits", [1, 3])
def test_labels_must_be_classes_of_the_model(logits):
    with pytest.raises(ValueError, match=r"Received: -1\.\.3"):
        predicted_classes(np.zeros((200, logits)), np.arange(-1, 199) // 50)


def test_logits_must_be_a_matrix():
    with pytest.raises(ValueError, match=r"shape \(60,\). Add an axis"):
        predicted_classes(np.zeros(60), np.zeros(60, int))


class Shuffled(keras.utils.PyDataset):
    """Batches that are shuffled after each pass, as users write them."""

    def __init__(self, attribute):
        super().__init__()
        self.attribute = attribute

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = self.attribute[30 * index : 30 * (index + 1)]
        return part, {"attribute": part}

    def on_epoch_end(self):
        self.attribute = np.random.default_rng(1).permutation(self.attribute)


def test_arrays_need_rows_in_one_order():
    attribute = np.arange(60, dtype="float32")[:, None]
    slices = tf.data.Dataset.from_tensor_slices((attribute, {"attribute": attribute}))
    for dataset in (slices.shuffle(60).batch(30), Shuffled(attribute)):
        with pytest.raises(ValueError, match="has another order at each pass"):
            collect_outputs(attribute, dataset)
        with pytest.raises(ValueError, match="has another order at each pass"):
            collect_outputs(lambda x: {"features": x}, dataset, in_order=True)
        # A model sees the rows that come with their targets.
        outputs = collect_outputs(lambda x: {"features": x}, dataset)
        np.testing.assert_array_equal(outputs.features, outputs.attributes)
    # Of a single pass the order cannot be checked.
    with pytest.raises(ValueError, match="in a single pass"):
        collect_outputs(attribute, iter([(None, {"attribute": attribute})]))
    unlabeled = {"attribute": attribute, "label": np.full(60, np.nan)}
    whole = tf.data.Dataset.from_tensor_slices((attribute, unlabeled)).batch(30)
    assert collect_outputs(attribute, whole).labels is None
    fixed = slices.shuffle(60, reshuffle_each_iteration=False).batch(30)
    assert len(collect_outputs(attribute, fixed).attributes) == 60


class Noisy(keras.Layer):
    """A layer that changes its inputs unless it is told not to."""

    def call(self, inputs, training=True):
        return {"features": inputs + 1.0 if training else inputs}


def test_layers_are_called_in_inference_mode():
    x = np.arange(240, dtype="float32").reshape(60, 4)
    outputs = collect_outputs(Noisy(), (x, {"attribute": x[:, :1]}))
    np.testing.assert_array_equal(outputs.features, x)
