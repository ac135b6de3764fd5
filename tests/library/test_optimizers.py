import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.methods.optimizers import (
    clip_to_reference,
    companion_optimizer,
)


def test_clipping_per_variable():
    gradients = [tf.constant([3.0, 4.0]), tf.constant([0.3, 0.4])]
    reference = [tf.constant([0.0, 1.0]), tf.constant([1.0, 1.0])]
    long, short = clip_to_reference(gradients, reference)
    np.testing.assert_allclose(long, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(short, [0.3, 0.4], rtol=1e-6)
    (zero,) = clip_to_reference([tf.zeros(2)], [tf.ones(2)])
    np.testing.assert_array_equal(zero, [0, 0])


def test_the_second_rate_follows_the_first():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    optimizer = keras.optimizers.Adam(schedule, use_ema=True, epsilon=1e-3)
    second = companion_optimizer(optimizer, 0.5, "second")
    assert (second.use_ema, second.epsilon) == (False, 1e-3)
    for step in (0, 30, 100):
        optimizer.iterations.assign(step)
        expected = 0.05 * (1 + np.cos(np.pi * step / 100)) / 2
        np.testing.assert_allclose(second.learning_rate, expected, atol=1e-8)
    plain = keras.optimizers.SGD(0.1)
    second = companion_optimizer(plain, 3.0, "second")
    assert float(second.learning_rate) == pytest.approx(0.3)
    plain.learning_rate = 0.01
    assert float(second.learning_rate) == pytest.approx(0.03)


def test_an_optimizer_without_a_rate_cannot_be_copied():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="Received: LossScaleOptimizer"):
        companion_optimizer(scaled, 1.0, "second")


def test_weight_decay_and_averaging_stay_with_the_first():
    first = keras.optimizers.AdamW(0.1, weight_decay=0.2, use_ema=True)
    second = companion_optimizer(first, 1.0, "second")
    assert (second.weight_decay, second.use_ema) == (0.0, False)
    assert second.name == f"second_{first.name}"
