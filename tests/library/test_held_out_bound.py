"""Bounds of fresh critics on held-out rows, against closed forms."""

import numpy as np
import pytest
from known_information import entropy, representation

from keras_unbias.dependence import critics


@pytest.mark.parametrize("agreement", [0.25, 0.7, 1.0])
def test_the_held_out_bound_is_the_information(agreement):
    # H(C) - H(C|Z) of a symmetric channel with four symbols.
    error = (1 - agreement) / 3
    expected = np.log(4) - entropy(agreement, error, error, error)

    bound = critics.held_out_bound(*representation(agreement), epochs=15)

    assert bound == pytest.approx(expected, abs=0.06)


def test_a_feature_that_fires_only_in_held_out_rows_does_no_harm():
    features, attribute = representation(0.7)
    rare = np.zeros((len(features), 1), "float32")
    *_, held_out = critics.split_rows(len(features), np.random.default_rng(0))
    rare[held_out[:3]] = 100.0

    bound = critics.held_out_bound(
        np.concatenate([features, rare], 1), attribute, epochs=15
    )

    expected = np.log(4) - entropy(0.7, 0.1, 0.1, 0.1)
    assert bound == pytest.approx(expected, abs=0.06)


def test_a_bound_within_the_classes_leaves_out_the_labels_information():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 6000)
    attribute = np.eye(3)[labels]
    features = attribute + rng.normal(0, 0.3, (6000, 3))

    plain = critics.held_out_bound(features, attribute, epochs=10)
    within = critics.held_out_bound(
        features, attribute, labels, num_classes=3, epochs=10
    )

    assert plain > 0.8
    assert within == pytest.approx(0, abs=0.02)


def test_features_without_information_are_not_fitted_to_noise():
    # Few rows and many features: on its own rows, a critic finds nats.
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 64))
    attribute = np.eye(8)[rng.integers(0, 8, 600)]

    bound = critics.held_out_bound(features, attribute, batch_size=100)

    assert abs(bound) < 0.15


def test_the_same_seed_gives_the_same_bound():
    data = representation(0.7, rows=1500)
    first = critics.held_out_bound(*data, epochs=3, seed=1)

    assert critics.held_out_bound(*data, epochs=3, seed=1) == first
    assert critics.held_out_bound(*data, epochs=3, seed=2) != first


def test_a_binary_number_is_as_good_as_a_one_hot_code():
    # The critic must also score rows with c = 0.
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, 4000)
    features = attribute[:, None] + rng.normal(0, 0.01, (4000, 2))
    bound = critics.held_out_bound(features, attribute[:, None], epochs=15)
    assert bound == pytest.approx(np.log(2), abs=0.03)


def test_the_scale_of_a_number_does_not_matter():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, (2000, 1))
    features = age / 60 + rng.normal(0, 0.1, (2000, 1))
    small, large = (
        critics.held_out_bound(features, age * scale, epochs=10) for scale in (1, 1000)
    )
    assert small > 0.5
    assert large == pytest.approx(small, abs=1e-3)


def test_features_too_large_for_float32_have_no_bound():
    rng = np.random.default_rng(0)
    features = rng.choice(np.float32([-3e38, 3e38]), (90, 2))
    attribute = rng.integers(0, 2, (90, 1))
    bound = critics.held_out_bound(features, attribute, epochs=1, batch_size=30)
    assert np.isnan(bound)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"Expected: 768 or more. Received: 12"):
        critics.held_out_bound(np.zeros((12, 2)), np.zeros((12, 1)))


def test_features_that_are_not_finite_are_refused():
    features = np.zeros((900, 2))
    features[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"no NaN or infinity.*has diverged"):
        critics.held_out_bound(features, np.zeros((900, 1)))


def test_few_rows_make_smaller_batches():
    assert critics.choose_batch_size(24_000) == 512
    assert critics.choose_batch_size(1600) == 100
    assert critics.choose_batch_size(3) == 2


def test_numbers_are_standardized_and_codes_are_not():
    rng = np.random.default_rng(0)
    codes, ages = np.eye(2)[rng.integers(0, 2, 90)], rng.uniform(20, 80, 90)
    scaled = critics.scale_numbers(np.concatenate([codes, ages[:, None]], 1))
    np.testing.assert_array_equal(scaled[:, :2], codes)
    np.testing.assert_allclose(
        scaled[:, 2], (ages - ages.mean()) / ages.std(), atol=1e-5
    )
    assert scaled.dtype == np.float32


def test_digits_far_from_zero_are_not_cut_off():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 600)
    # In float32 these times are the same up to a minute or two.
    times = (1.7e9 + 60 * codes + rng.normal(0, 5, 600))[:, None]
    assert (
        critics.held_out_bound(times, np.eye(2)[codes], epochs=10, batch_size=50) > 0.5
    )
    assert (
        critics.held_out_bound(np.eye(2)[codes], times, epochs=20, batch_size=50) > 0.5
    )
    scaled = critics.scale_numbers(times)[:, 0]
    expected = (times[:, 0] - times.mean()) / times.std()
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
