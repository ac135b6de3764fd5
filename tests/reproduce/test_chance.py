import numpy as np
import pytest

from reproduce.experiment.chance import equal_opportunity_by_chance


def test_equal_opportunity_by_chance_is_the_mean_of_equal_groups():
    rng = np.random.default_rng(0)
    rate, positives = 0.85, {"0": 177, "1": 33}
    shown = np.abs(
        rng.binomial(177, rate, 20000) / 177 - rng.binomial(33, rate, 20000) / 33
    )
    value = equal_opportunity_by_chance({"0": rate, "1": rate}, positives)
    assert value == pytest.approx(shown.mean(), rel=0.05)
    # Groups that differ are pooled, and every row counts the same.
    pooled = equal_opportunity_by_chance(
        {"0": 0.9, "1": 0.9 - 0.05 * 210 / 33}, positives
    )
    assert pooled == pytest.approx(value)


def test_chance_without_positives_is_nan():
    value = equal_opportunity_by_chance({"0": 0.9, "1": None}, {"0": 3, "1": 0})
    assert np.isnan(value)


def test_chance_is_between_two_groups():
    with pytest.raises(ValueError, match="Expected: the same two attribute"):
        equal_opportunity_by_chance({"0": 0.9}, {"0": 3})
