import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_unbias import data as datasets
from keras_unbias.data import BiasedDataset, Split

ROWS, WIDTH = 20, 3


def make_split(rows=ROWS, **changes):
    # Every row can be told from its input.
    numbers = np.arange(rows)
    values = {
        "inputs": np.stack([numbers, numbers * 2], 1).astype(np.uint8),
        "labels": numbers % 4,
        "attributes": np.stack([numbers * 10, numbers, numbers * 0], 1),
        **changes,
    }
    return Split(**values)


def make_dataset(**changes):
    values = {
        "name": "rows",
        "train": make_split(),
        "test": make_split(7),
        "num_classes": 4,
        "attribute_size": WIDTH,
        **changes,
    }
    return BiasedDataset(**values)


def encode(inputs):
    first = tf.cast(inputs[:, :1], tf.float32)
    return tf.concat([first * 10, first, first * 0], axis=1)


def make_encoded_dataset():
    return make_dataset(
        train=make_split(attributes=None),
        test=make_split(7, attributes=None),
        encode_attribute=encode,
    )


BOTH = pytest.mark.parametrize("make", [make_dataset, make_encoded_dataset])


def row_numbers(stream, elements):
    return [inputs[:, 0].numpy() for inputs, _ in stream.take(elements)]


def assert_whole_rows(inputs, targets):
    numbers = inputs.numpy()[:, 0].astype(int)
    np.testing.assert_array_equal(inputs.numpy()[:, 1], numbers * 2)
    np.testing.assert_array_equal(targets["label"], numbers % 4)
    expected = np.stack([numbers * 10, numbers, numbers * 0], 1)
    np.testing.assert_array_equal(targets["attribute"], expected)
    assert inputs.dtype == tf.uint8
    assert targets["label"].dtype == tf.int32
    assert targets["attribute"].dtype == tf.float32


def test_split_casts_labels_and_attributes():
    split = make_split()
    assert split.labels.dtype == np.int32
    assert split.attributes.dtype == np.float32
    assert split.inputs.dtype == np.uint8
    assert len(split) == ROWS


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_split().labels = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_dataset().name = "other"


def test_split_refuses_lengths_that_differ():
    with pytest.raises(ValueError, match="Expected: 19 rows of inputs"):
        make_split(labels=np.zeros(19, int))
    with pytest.raises(ValueError, match=r"Expected: shape \(20, attrib"):
        make_split(attributes=np.zeros((19, WIDTH)))
    with pytest.raises(ValueError, match=r"Received: shape=\(20,\)"):
        make_split(attributes=np.zeros(20))


@pytest.mark.parametrize(
    "labels",
    [np.zeros(ROWS), np.zeros((ROWS, 1), int), np.full(ROWS, 2**32)],
    ids=["float", "column", "too wide for int32"],
)
def test_split_refuses_labels_that_are_no_class_numbers(labels):
    with pytest.raises(ValueError, match="one class number per row"):
        make_split(labels=labels)


@pytest.mark.parametrize("label", [-1, 4])
def test_dataset_refuses_labels_out_of_range(label):
    labels = np.arange(7) % 4
    labels[5] = label
    with pytest.raises(
        ValueError, match=rf"test split.*0\.\.3.*{label} in 1 of 7"
    ):
        make_dataset(test=make_split(7, labels=labels))


def test_dataset_refuses_attributes_of_the_wrong_width():
    with pytest.raises(ValueError, match=r"width 4.*shape \(20, 3\)"):
        make_dataset(attribute_size=4)
    with pytest.raises(ValueError, match=r"width 3.*shape \(1, 2\)"):
        make_dataset(
            train=make_split(attributes=None),
            encode_attribute=lambda x: tf.cast(x, tf.float32),
        )


def test_dataset_refuses_an_encoding_that_is_not_float32():
    with pytest.raises(ValueError, match="float32 rows.*Received: uint8"):
        make_dataset(
            train=make_split(attributes=None),
            attribute_size=2,
            encode_attribute=lambda x: x,
        )


def test_dataset_refuses_an_attribute_from_no_place_or_from_two():
    with pytest.raises(ValueError, match="Received: neither"):
        make_dataset(train=make_split(attributes=None))
    with pytest.raises(ValueError, match="Received: both"):
        make_dataset(encode_attribute=encode)


@BOTH
def test_attributes_of_a_split(make):
    numbers = np.arange(7)
    received = make().attributes("test")
    expected = np.stack([numbers * 10, numbers, numbers * 0], 1)
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == np.float32
    assert make().attributes("train").shape == (ROWS, WIDTH)


@BOTH
def test_batches_are_one_ordered_pass_with_a_partial_end(make):
    batches = list(make().batches("train", 8))
    assert [len(inputs) for inputs, _ in batches] == [8, 8, 4]
    for inputs, targets in batches:
        assert_whole_rows(inputs, targets)
    numbers = np.concatenate([inputs[:, 0] for inputs, _ in batches])
    np.testing.assert_array_equal(numbers, np.arange(ROWS))


@BOTH
def test_stream_keeps_rows_whole(make):
    stream = make().stream(6, seed=0, estimator_batches=2)
    for inputs, targets in stream.take(4):
        assert inputs.shape == (18, 2)
        assert_whole_rows(inputs, targets)


def test_stream_walks_once_through_every_epoch():
    steps = row_numbers(make_dataset().stream(6, seed=0), 6)
    first, second = np.concatenate(steps[:3]), np.concatenate(steps[3:])
    for epoch in (first, second):
        # 20 rows make three steps of six; the remainder is dropped.
        assert len(np.unique(epoch)) == 18
        assert list(epoch) != sorted(epoch)
    assert list(first) != list(second)


def test_stream_starts_at_any_epoch():
    dataset = make_dataset()
    settings = {"seed": 5, "estimator_batches": 2}
    whole = list(dataset.stream(6, **settings).take(15))
    resumed = list(dataset.stream(6, first_epoch=3, **settings).take(6))
    expected = tf.nest.flatten(whole[9:])
    for a, b in zip(expected, tf.nest.flatten(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stream_alone_augments_and_leaves_the_attribute():
    def jitter(inputs, seed):
        noise = tf.random.stateless_uniform(tf.shape(inputs), seed, 1, 200)
        return inputs + tf.cast(noise, inputs.dtype)

    made = make_encoded_dataset()
    plain = dataclasses.replace(made, augment=lambda inputs, seed: inputs)
    made = dataclasses.replace(made, augment=jitter)
    settings = {"seed": 5, "estimator_batches": 1}
    whole = list(made.stream(6, **settings).take(12))
    expected = list(plain.stream(6, **settings).take(12))
    noises = set()
    for (a, targets), (b, others) in zip(whole, expected, strict=True):
        assert np.all(a.numpy() - b.numpy() >= 1)
        noises.add(round(float(tf.reduce_sum(a - b)), 4))
        for name in targets:
            np.testing.assert_array_equal(targets[name], others[name])
    assert len(noises) == 12
    resumed = list(made.stream(6, first_epoch=3, **settings).take(3))
    for (a, _), (b, _) in zip(whole[9:], resumed, strict=True):
        np.testing.assert_array_equal(a, b)
    for (a, _), (b, _) in zip(
        made.batches("train", 5), plain.batches("train", 5), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_task_rows_do_not_depend_on_the_estimator_batches():
    dataset = make_dataset()
    plain = row_numbers(dataset.stream(6, seed=2), 7)
    pooled = row_numbers(dataset.stream(6, seed=2, estimator_batches=3), 7)
    for expected, received in zip(plain, pooled, strict=True):
        np.testing.assert_array_equal(received[:6], expected)


def test_estimator_batches_walk_through_permutations_of_their_own():
    steps = row_numbers(
        make_dataset().stream(10, seed=2, estimator_batches=2), 2
    )
    walks = np.concatenate([s.reshape(3, 10) for s in steps], axis=1)
    for walk in walks:
        np.testing.assert_array_equal(np.sort(walk), np.arange(ROWS))
    assert len({tuple(walk) for walk in walks}) == 3


def test_stream_depends_on_the_seed_alone():
    dataset = make_dataset()
    first, again, other = (
        np.concatenate(row_numbers(dataset.stream(6, seed=seed), 6))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(other)


def test_seed_and_epoch_do_not_stand_in_for_each_other():
    dataset = make_dataset()
    a = np.concatenate(row_numbers(dataset.stream(6, seed=1), 3))
    b = np.concatenate(row_numbers(dataset.stream(6, seed=0, first_epoch=1), 3))
    assert list(a) != list(b)


def test_stream_permutations_are_uniform():
    steps = row_numbers(make_dataset().stream(ROWS, seed=0), 400)
    mean_row_by_place = np.mean(steps, axis=0)
    # The standard error of each mean is 5.8 / 20.
    assert np.all(np.abs(mean_row_by_place - 9.5) < 1.5)


def test_stream_is_endless_and_of_static_shape():
    stream = make_encoded_dataset().stream(6, seed=0, estimator_batches=1)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    inputs, targets = stream.element_spec
    assert inputs.shape == (12, 2)
    assert targets["label"].shape == (12,)
    assert targets["attribute"].shape == (12, WIDTH)


def test_pipelines_of_a_split_share_their_tensors():
    split = make_split()
    assert split.tensors[0] is split.tensors[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 21}, "batch_size <= 20 rows.*batch_size=21.*Lower"),
        ({"batch_size": 0}, "integer >= 1. Received: batch_size=0"),
        ({"batch_size": 2.0}, "integer >= 1. Received: batch_size=2.0"),
        ({"seed": -1}, "integer >= 0. Received: seed=-1"),
        ({"first_epoch": -1}, "integer >= 0. Received: first_epoch=-1"),
        ({"estimator_batches": -1}, "Received: estimator_batches=-1"),
    ],
)
def test_stream_refuses_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        make_dataset().stream(**{"batch_size": 6, "seed": 0, **settings})


def test_batches_and_attributes_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="'test', 'train'.*'validation'"):
        make_dataset().batches("validation", 4)
    with pytest.raises(ValueError, match="'test', 'train'.*'name'"):
        make_dataset().attributes("name")
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        make_dataset().batches("train", 0)


def test_load_passes_settings_on(monkeypatch):
    def loader(size, *, seed=0):
        return size, seed

    monkeypatch.setitem(datasets.DATASETS, "made", loader)
    assert datasets.load("made", size=3, seed=4) == (3, 4)


def test_load_refuses_an_unknown_name():
    with pytest.raises(ValueError, match="colored_mnist.*name='colored'"):
        datasets.load("colored")


def test_load_refuses_unknown_settings():
    with pytest.raises(
        ValueError, match=r"color_variance.*Received: \['sigma'\]"
    ):
        datasets.load("colored_mnist", sigma=0.02, seed=0)


def test_an_attribute_is_one_part_unless_it_says_otherwise():
    assert make_dataset().attribute_parts == (WIDTH,)
    assert make_dataset(attribute_parts=[1, 2]).attribute_parts == (1, 2)
    with pytest.raises(ValueError, match=r"add up to 3. Received: .*\(2, 2\)"):
        make_dataset(attribute_parts=(2, 2))
