import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.data import targets


def test_a_batch_names_label_and_attribute():
    batch = {"label": 1, "attribute": 2}
    assert targets.attribute_of(batch) == 2
    assert targets.labels_and_weights(batch, 3) == (1, 3)
    # Keras gives weights the structure of the targets.
    weights = {"label": 4, "attribute": 5}
    assert targets.labels_and_weights(batch, weights) == (1, 4)
    with pytest.raises(ValueError, match=r"attribute.*targets \['label'\]"):
        targets.attribute_of({"label": 1})
    with pytest.raises(ValueError, match=r"label\..*targets ndarray"):
        targets.labels_and_weights(np.zeros(2), None)


def test_class_numbers_are_one_per_row():
    for labels in ([0, 2], [[0], [2]]):
        numbers = targets.as_class_numbers(tf.constant(labels, tf.float32))
        assert numbers.dtype == tf.int32 and numbers.numpy().tolist() == [0, 2]
        assert targets.check_classes(np.array(labels), 3).tolist() == [0, 2]
    with pytest.raises(ValueError, match="Pass the argmax"):
        targets.as_class_numbers(tf.zeros((2, 3)))
    with pytest.raises(ValueError, match="Pass the argmax"):
        targets.check_classes(np.zeros((2, 3)), 3)


@pytest.mark.parametrize(
    ("labels", "received"),
    [
        ([0, 3], r"\[3\] among them, int64"),
        ([0, -1], r"\[-1\] among them, int64"),
        ([0.5, 1], r"\[0.5\] among them, float64"),
        ([np.nan, 1], r"\[nan\] among them, float64"),
        (["0", "a"], r"\['0', 'a'\] among them, <U1"),
    ],
)
def test_other_labels_are_refused(labels, received):
    with pytest.raises(ValueError, match=f"in 0..2. Received: {received}"):
        targets.check_classes(np.array(labels), 3)
    assert targets.check_classes(np.array([True, False]), 2).tolist() == [1, 0]


def test_attributes_are_vectors():
    for vectors in (np.zeros((2, 1)), tf.TensorSpec((None, 3))):
        targets.check_vectors(vectors)
    with pytest.raises(ValueError, match=r"Received: shape \(2,\)"):
        targets.check_vectors(np.zeros(2))
    with pytest.raises(ValueError, match="Received: list"):
        targets.check_vectors([[0, 1]])


def test_large_numbers_are_warned_of_at_the_callers_line():
    columns = np.array([[0.5, 20.0], [0.1, 40.0]])
    with pytest.warns(UserWarning, match=r"columns \[1\].*large") as seen:
        targets.warn_of_large(columns, stacklevel=1)
    assert seen[0].filename == __file__
    targets.warn_of_large(columns[:, :1], stacklevel=1)


class OneBatch(keras.utils.PyDataset):
    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def test_inputs_and_targets_are_found_in_every_kind_of_data():
    x, y = (
        np.zeros((4, 3)),
        {"label": np.zeros(4), "attribute": np.ones((4, 2))},
    )
    assert targets.inputs_and_targets(x, y) == (x, y)
    assert targets.inputs_and_targets(OneBatch((x, y)), None) == (x, y)
    pipeline = tf.data.Dataset.from_tensor_slices((x, y, x)).batch(2)
    inputs, found = targets.inputs_and_targets(pipeline, None)
    assert inputs.shape.as_list() == [None, 3]
    assert found["attribute"].shape.as_list() == [None, 2]
    alone = tf.data.Dataset.from_tensor_slices(x)
    assert targets.inputs_and_targets(alone, None)[1] is None
    assert targets.inputs_and_targets(iter([(x, y)]), None) is None
