"""Bootstrap intervals, against the normal distribution."""

import math

import numpy as np
import pytest

from keras_unbias.dependence.bootstrap import Bootstrap


def test_a_bootstrap_interval_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(size=2000)
    estimate = Bootstrap(2000, np.random.default_rng(1)).mean(values)
    error = values.std() / np.sqrt(2000)
    assert estimate.value == values.mean()
    assert estimate.low == pytest.approx(values.mean() - 1.96 * error, abs=3e-3)
    assert estimate.high == pytest.approx(values.mean() + 1.96 * error, abs=3e-3)


def test_samples_without_a_value_do_not_count():
    def statistic(rows):
        return math.nan if 0 in rows else 1.0

    bootstrap = Bootstrap(50, np.random.default_rng(0))
    estimate = bootstrap(statistic, 5)
    assert (estimate.low, estimate.high) == (1, 1)
    assert math.isnan(estimate.value)
    never = bootstrap(lambda rows: math.nan, 5)
    assert math.isnan(never.low) and math.isnan(never.high)
