"""Splits, their checks, and the batches that a data set makes of them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.data import AttributeSpec, BiasedDataset, Split
from keras_unbias.data.dataset import describe

ROWS, WIDTH = 20, 3
# Two steps of six rows of epoch 1 with the seed 2.
RECORDED = [[9, 2, 11, 15, 14, 18], [17, 16, 4, 3, 13, 6]]


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
        **changes,
    }
    return BiasedDataset(**values)


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
    with pytest.raises(ValueError, match=r"inputs of shape \(19, \.\.\.\)"):
        make_split(labels=np.zeros(19, int))
    with pytest.raises(ValueError, match=r"attributes of shape \(20, a\)"):
        make_split(attributes=np.zeros((19, WIDTH)))
    with pytest.raises(ValueError, match=r"Received: .* and \(20,\)\."):
        make_split(attributes=np.zeros(20))


@pytest.mark.parametrize(
    "labels",
    [np.zeros(ROWS), np.zeros((ROWS, 1), int), np.full(ROWS, 2**32)],
    ids=["float", "column", "too wide for int32"],
)
def test_split_refuses_labels_that_are_no_class_numbers(labels):
    with pytest.raises(ValueError, match="one class number per row"):
        make_split(labels=labels)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_split_refuses_attributes_that_are_not_finite(value):
    attributes = np.zeros((ROWS, WIDTH))
    attributes[[4, 9], 1] = value
    with pytest.raises(ValueError, match=r"in 2 rows, the first of.*row 4"):
        make_split(attributes=attributes)


@pytest.mark.parametrize("label", [-1, 4])
def test_dataset_refuses_labels_out_of_range(label):
    labels = np.arange(7) % 4
    labels[5] = label
    with pytest.raises(ValueError, match=rf"test split.*0\.\.3.*{label} in 1 of 7"):
        make_dataset(test=make_split(7, labels=labels))


def test_dataset_refuses_attributes_of_the_wrong_width():
    narrow = make_split(7, attributes=np.zeros((7, 2)))
    with pytest.raises(ValueError, match=r"test split .*\(rows, 3\).*shape \(7, 2\)"):
        make_dataset(test=narrow)
    with pytest.raises(ValueError, match=r"other split .*\(rows, 3\)"):
        make_dataset(further={"other": narrow})
    with pytest.raises(ValueError, match=r"train split .*\(rows, 4\).*shape \(20, 3\)"):
        make_dataset(attribute_spec=AttributeSpec((2, 2)))


def test_attributes_of_a_split():
    numbers = np.arange(7)
    received = make_dataset().attributes("test")
    expected = np.stack([numbers * 10, numbers, numbers * 0], 1)
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == np.float32
    assert make_dataset().attributes("train").shape == (ROWS, WIDTH)


def test_batches_are_one_ordered_pass_with_a_partial_end():
    batches = list(make_dataset().batches("train", 8))
    assert [len(inputs) for inputs, _ in batches] == [8, 8, 4]
    for inputs, targets in batches:
        assert_whole_rows(inputs, targets)
    numbers = np.concatenate([inputs[:, 0] for inputs, _ in batches])
    np.testing.assert_array_equal(numbers, np.arange(ROWS))


def test_batches_of_chosen_rows():
    (batch,) = make_dataset().batches("train", 8, rows=np.array([7, 2, 2]))
    np.testing.assert_array_equal(batch[0][:, 0], [7, 2, 2])
    assert_whole_rows(*batch)


def test_inputs_are_decoded_before_anything_else():
    dataset = make_dataset(
        decode=lambda inputs: tf.cast(inputs[:, :1], tf.float32) / 2,
        augment=lambda inputs, seed: inputs + 100,
    )
    assert dataset.input_shape == (1,)
    inputs, _ = next(iter(dataset.batches("train", 5)))
    np.testing.assert_array_equal(inputs[:, 0], np.arange(5) / 2)
    inputs, targets = next(iter(dataset.stream(6, seed=0)))
    rows = targets["attribute"][:, 1]
    np.testing.assert_array_equal(inputs[:, 0], rows / 2 + 100)


def test_evaluation_batches_take_16_megabytes_at_most():
    assert make_dataset().evaluation_batch == 500
    wide = np.zeros((2, 2**17), np.float64)
    split = Split(wide, [0, 1], np.zeros((2, WIDTH)))
    assert make_dataset(train=split).evaluation_batch == 16


def test_stream_keeps_rows_whole():
    stream = make_dataset().stream(6, seed=0, estimator_batches=2)
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

    made = make_dataset()
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


def test_weights_go_with_their_rows():
    dataset = make_dataset()
    weights = np.arange(len(dataset.train)) + 0.5
    settings = {"seed": 5, "estimator_batches": 2}
    plain = dataset.stream(6, **settings)
    weighted = dataset.stream(6, **settings, sample_weight=weights)
    assert len(plain.element_spec) == 2
    for number, ((x, y), (same, targets, found)) in enumerate(
        zip(plain, weighted, strict=False)
    ):
        np.testing.assert_array_equal(same, x)
        np.testing.assert_array_equal(targets["label"], y["label"])
        assert found.dtype == tf.float32
        np.testing.assert_array_equal(found, weights[x.numpy()[:, 0].astype(int)])
        if number == 9:
            break
    context = tf.distribute.InputContext(num_replicas_in_sync=2)
    shared = dataset.stream(6, **settings, sample_weight=weights, input_context=context)
    for x, _, found in shared.take(4):
        assert len(x) == 9
        np.testing.assert_array_equal(found, weights[x.numpy()[:, 0].astype(int)])
    with pytest.raises(ValueError, match=r"same rows.*sample_weight"):
        dataset.stream(6, seed=5, sample_weight=weights[1:])
    with pytest.raises(ValueError, match=r"finite numbers >= 0"):
        dataset.stream(6, seed=5, sample_weight=-weights)
    with pytest.raises(ValueError, match=r"must form a vector"):
        dataset.stream(6, seed=5, sample_weight=weights[:, None])


def test_task_rows_do_not_depend_on_the_estimator_batches():
    dataset = make_dataset()
    plain = row_numbers(dataset.stream(6, seed=2), 7)
    pooled = row_numbers(dataset.stream(6, seed=2, estimator_batches=3), 7)
    for expected, received in zip(plain, pooled, strict=True):
        np.testing.assert_array_equal(received[:6], expected)


def test_estimator_batches_walk_through_permutations_of_their_own():
    steps = row_numbers(make_dataset().stream(10, seed=2, estimator_batches=2), 2)
    walks = np.concatenate([s.reshape(3, 10) for s in steps], axis=1)
    for walk in walks:
        np.testing.assert_array_equal(np.sort(walk), np.arange(ROWS))
    assert len({tuple(walk) for walk in walks}) == 3


def test_the_order_of_recorded_runs_stays():
    steps = row_numbers(make_dataset().stream(6, seed=2, first_epoch=1), 2)
    assert [step.tolist() for step in steps] == RECORDED


def test_the_seeds_of_augmentation_of_recorded_runs_stay():
    def show(inputs, seed):
        rows = tf.cast(seed % 251, inputs.dtype)[tf.newaxis]
        return tf.repeat(rows, len(inputs), 0)

    stream = make_dataset(augment=show).stream(
        6, seed=2, first_epoch=1, estimator_batches=2
    )
    seeds = [inputs[0].numpy().tolist() for inputs, _ in stream.take(3)]
    assert seeds == [[10, 3], [10, 4], [10, 5]]


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
    stream = make_dataset().stream(6, seed=0, estimator_batches=1)
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
    with pytest.raises(ValueError, match=r"'test', 'train'.*'validation'"):
        make_dataset().batches("validation", 4)
    with pytest.raises(ValueError, match=r"'test', 'train'.*'name'"):
        make_dataset().attributes("name")
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        make_dataset().batches("train", 0)


def test_the_attribute_spec_is_inferred_from_all_splits():
    codes = np.eye(3)[np.arange(ROWS) % 2]
    test = make_split(7, attributes=np.eye(3)[np.arange(7) % 3])
    dataset = make_dataset(train=make_split(attributes=codes), test=test)
    assert dataset.attribute_spec == AttributeSpec((3,))
    assert dataset.attribute_size == 3
    assert make_dataset().attribute_spec.widths == (1, 1, 1)
    assert make_dataset(train=test, test=test).attribute_spec.widths == (3,)


def test_an_attribute_spec_that_is_given_stays():
    spec = AttributeSpec((1, 2), ("age", "sex"))
    assert make_dataset(attribute_spec=spec).attribute_spec is spec
    assert make_dataset(attribute_spec=spec).attribute_size == 3


def test_facts_describe_label_and_attribute():
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    cells = np.array([4, 4, 4, 4, 7, 7, 7, 7])
    train = Split(np.zeros((8, 1)), labels, np.zeros((8, 1)))
    test = Split(np.zeros((3, 1)), labels[:3], np.zeros((3, 1)))
    facts = describe(train, test, cells, source="made", note="")
    # Joint shares 3/8, 1/8, 4/8 against 3/8 and 5/8, 1/2 and 1/2; the
    # corrections of Miller and Madow are (3 - 2 - 2 + 1) / 16 and 1 / 16.
    information = 3 / 8 * np.log(2) + 1 / 8 * np.log(2 / 5) + 1 / 2 * np.log(8 / 5)
    assert facts == {
        "source": "made",
        "train_size": 8,
        "test_size": 3,
        "floor_nats": pytest.approx(information),
        "attribute_entropy_nats": pytest.approx(np.log(2) + 1 / 16),
        "note": "",
    }


def test_replicas_share_the_rows_of_one_device():
    def jitter(inputs, seed):
        noise = tf.random.stateless_uniform(tf.shape(inputs), seed, 0, 200)
        return inputs + tf.cast(noise, inputs.dtype)

    dataset = make_dataset(augment=jitter)
    settings = {"seed": 1, "first_epoch": 2, "estimator_batches": 2}
    steps = dataset.stream(8, **settings).take(3)
    # Two workers have two replicas each. Their elements follow each other.
    workers = [
        dataset.stream(
            8, input_context=tf.distribute.InputContext(2, worker, 4), **settings
        ).batch(2)
        for worker in range(2)
    ]
    for whole, first, second in zip(steps, *workers, strict=False):
        for expected, *shares in zip(
            *map(tf.nest.flatten, (whole, first, second)), strict=True
        ):
            shares = np.concatenate(shares).reshape(4, 3, 2, -1).swapaxes(0, 1)
            np.testing.assert_array_equal(shares.ravel(), np.ravel(expected))


def test_a_worker_decodes_the_rows_of_its_replicas_alone():
    def decode(inputs):
        assert inputs.shape == (6, 2)
        return inputs

    context = tf.distribute.InputContext(2, 1, 4)
    stream = make_dataset(decode=decode).stream(
        8, seed=0, estimator_batches=2, input_context=context
    )
    assert stream.element_spec[0].shape == (6, 2)


def test_a_mini_batch_is_shared_evenly():
    context = tf.distribute.InputContext(num_replicas_in_sync=3)
    with pytest.raises(ValueError, match="multiple of 3 replicas. Received: batch_siz"):
        make_dataset().stream(8, seed=0, input_context=context)


def test_what_is_shown_of_a_data_set_has_no_rows():
    labels = np.arange(1200) % 2
    split = Split(np.zeros((1200, 5)), labels, np.eye(2)[labels])
    dataset = BiasedDataset("mine", split, split, 2, further={"hard": split})
    assert repr(split) == (
        "Split(1,200 rows, inputs of shape (5,), 2 attribute columns)"
    )
    assert repr(dataset) == (
        "BiasedDataset('mine': 1,200 train, 1,200 test, 1,200 hard rows, inputs of "
        "shape (5,), 2 classes, AttributeSpec(widths=(2,), names=('0',)))"
    )
