import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.methods import batches


def batch(rows):
    x = {"a": tf.range(rows), "b": tf.reshape(tf.range(2 * rows), (rows, 2))}
    y = {"label": tf.range(rows), "attribute": tf.range(rows)[:, None]}
    return x, y, tf.cast(tf.range(rows), tf.float32)


def test_the_task_has_the_first_rows_and_the_estimator_the_others():
    (x, y, weights), (pool_x, pool_y) = batches.split(batch(12), 2)
    np.testing.assert_array_equal(x["a"], np.arange(4))
    np.testing.assert_array_equal(x["b"], np.arange(8).reshape(4, 2))
    np.testing.assert_array_equal(weights, np.arange(4))
    np.testing.assert_array_equal(y["label"], np.arange(4))
    np.testing.assert_array_equal(pool_y["label"], [[4, 5, 6, 7], [8, 9, 10, 11]])
    assert pool_x["b"].shape == (2, 4, 2)
    assert pool_y["attribute"].shape == (2, 4, 1)


def test_weights_may_be_missing():
    x, y, _ = batch(4)
    (_, _, weights), _ = batches.split((x, y, None), 1)
    assert weights is None


def test_a_seed_shuffles_all_rows_together():
    orders = set()
    for seed in range(5):
        (x, y, weights), (pool_x, pool_y) = batches.split(
            batch(12), 2, tf.constant([seed, 1])
        )
        order = np.concatenate([x["a"], np.ravel(pool_x["a"])])
        np.testing.assert_array_equal(np.sort(order), np.arange(12))
        np.testing.assert_array_equal(y["label"], x["a"])
        np.testing.assert_array_equal(weights, x["a"])
        np.testing.assert_array_equal(pool_y["attribute"][..., 0], pool_x["a"])
        np.testing.assert_array_equal(pool_x["b"][..., 1], 2 * pool_x["a"] + 1)
        orders.add(tuple(order))
    assert len(orders) == 5


@pytest.mark.parametrize(
    ("rows", "task", "pool"),
    [
        (8, [0, 1], [[2, 3], [4, 5]]),
        (3, [0], [[1], [2]]),
        (2, [0], [[1], [0]]),
        (1, [0], [[0], [0]]),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_a_short_batch_leaves_a_remainder_or_repeats(rows, task, pool, traced):
    split = batches.split
    if traced:
        # The length is not known while the step is traced.
        split = tf.function(split, reduce_retracing=True)
        split(batch(30), 2)
        split(batch(60), 2)
    (x, _, _), (pool_x, _) = split(batch(rows), 2)
    np.testing.assert_array_equal(x["a"], task)
    np.testing.assert_array_equal(pool_x["a"], pool)


def test_one_length_for_all_batches_must_be_a_multiple():
    split = tf.function(lambda data: batches.split(data, 2))
    with pytest.raises(ValueError, match=r"a multiple of 3. Received: 8 rows"):
        split(batch(8))
