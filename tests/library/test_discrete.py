import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from keras_unbias.information import discrete_mutual_information, entropy


def test_entropy_of_uniform_codes_is_the_logarithm_plus_correction():
    values = np.repeat(np.arange(4), 25)
    expected = np.log(4) + 3 / 200
    assert entropy(values) == pytest.approx(expected)


def test_entropy_of_a_constant_is_zero():
    assert entropy(np.full(7, 3)) == 0


def test_entropy_corrects_the_plug_in_estimate():
    generator = np.random.default_rng(0)
    samples = generator.integers(32, size=(50, 200))
    plug_in = [mutual_info_score(row, row) for row in samples]
    corrected = [entropy(row) for row in samples]
    assert np.mean(plug_in) < np.log(32) - 0.07
    assert np.mean(corrected) == pytest.approx(np.log(32), abs=0.01)


def test_mutual_information_is_the_plug_in_estimate_less_the_correction():
    generator = np.random.default_rng(1)
    first = generator.integers(-3, 5, 1000)
    second = first // 2 + generator.integers(0, 3, 1000)
    occupied = len(set(zip(first, second, strict=True)))
    correction = occupied - len(set(first)) - len(set(second)) + 1
    expected = mutual_info_score(first, second) - correction / 2000
    received = discrete_mutual_information(first, second)
    assert received == pytest.approx(expected)
    assert isinstance(received, float)


def test_mutual_information_tells_apart_all_pairs_of_codes():
    # Codes far apart would collide if they were merely added up.
    first = np.array([0, 10**12, 0, 10**12] * 50)
    second = np.array([0, 0, 10**12, 10**12] * 50)
    information = discrete_mutual_information(first, second)
    assert information == 0


def test_mutual_information_with_itself_is_the_entropy():
    values = np.random.default_rng(2).integers(0, 10, 300)
    information = discrete_mutual_information(values, values)
    assert information == pytest.approx(entropy(values))


def test_mutual_information_is_never_negative():
    first, second = np.repeat([0, 1], 30), np.tile([0, 1, 2], 20)
    # Exactly independent: the correction alone would give -2 / 120.
    assert mutual_info_score(first, second) == pytest.approx(0)
    assert discrete_mutual_information(first, second) == 0


def test_entropy_refuses_continuous_values():
    with pytest.raises(ValueError, match=r"integer array.*float64"):
        entropy(np.array([0.1, 0.2]))


def test_lengths_and_shapes_are_checked():
    with pytest.raises(ValueError, match="equal lengths"):
        discrete_mutual_information([0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match=r"shape=\(0,\)"):
        entropy(np.array([], int))
