"""Bounds and probes on held-out rows: against closed forms."""

import numpy as np
import pytest
from known_information import binary, representation

from keras_unbias.auditing import critics


@pytest.mark.parametrize("agreement", [0.25, 0.7, 1.0])
def test_the_held_out_bound_is_the_information(agreement):
    # H(C) - H(C|Z), of a symmetric channel with four symbols.
    parts = np.array([agreement] + 3 * [(1 - agreement) / 3])
    parts = parts[parts > 0]
    expected = np.log(4) + (parts * np.log(parts)).sum()

    bound = critics.held_out_bound(*representation(agreement), epochs=15)

    assert bound == pytest.approx(expected, abs=0.06)


def test_a_feature_that_fires_in_held_out_rows_alone_does_no_harm():
    features, attribute = representation(0.7)
    rare = np.zeros((len(features), 1), "float32")
    *_, read = critics.split_rows(len(features), np.random.default_rng(0))
    rare[read[:3]] = 100.0

    bound = critics.held_out_bound(
        np.concatenate([features, rare], 1), attribute, epochs=15
    )

    expected = np.log(4) + 0.7 * np.log(0.7) + 0.3 * np.log(0.1)
    assert bound == pytest.approx(expected, abs=0.06)


def test_a_bound_inside_the_classes_does_not_count_what_the_label_tells():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 6000)
    attribute = np.eye(3)[labels]
    features = attribute + rng.normal(0, 0.3, (6000, 3))

    plain = critics.held_out_bound(features, attribute, epochs=10)
    inside = critics.held_out_bound(
        features, attribute, labels, num_classes=3, epochs=10
    )

    assert plain > 0.8
    assert inside == pytest.approx(0, abs=0.02)


def test_features_without_information_are_not_fitted_to_noise():
    # Few rows and many features: a critic read on its own rows finds nats.
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


def test_a_number_is_read_like_one_hot_codes():
    # Where c = 0 the critic must have something to say, too.
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
        critics.held_out_bound(features, age * scale, epochs=10)
        for scale in (1, 1000)
    )
    assert small > 0.5
    assert large == pytest.approx(small, abs=1e-3)


@pytest.mark.parametrize("agreement", [0.5, 0.9, 1.0])
def test_the_probe_finds_what_the_features_name(agreement):
    auc = critics.probe_auc(*binary(agreement))
    # Right in order if both rows are named right; by chance if one is.
    both, one = agreement**2, 2 * agreement * (1 - agreement)
    assert auc == pytest.approx(both + one / 2, abs=0.06)


def test_few_rows_still_teach_the_critic():
    model, dataset = binary(1.0, rows=300)
    told = critics.held_out_information(model, dataset)
    assert told["mutual_information"] == pytest.approx(np.log(2), abs=0.1)


def test_features_beyond_all_measure_have_no_bound():
    rng = np.random.default_rng(0)
    features = rng.choice([-3e38, 3e38], (90, 2))
    attribute = rng.integers(0, 2, (90, 1))
    bound = critics.held_out_bound(features, attribute, epochs=1, batch_size=30)
    assert np.isnan(bound)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="Expected: 768 or more. Received: 12"):
        critics.held_out_bound(np.zeros((12, 2)), np.zeros((12, 1)))


def test_features_that_are_no_numbers_are_refused():
    features = np.zeros((900, 2))
    features[7, 1] = np.nan
    with pytest.raises(ValueError, match="no NaN or infinity.*has diverged"):
        critics.held_out_bound(features, np.zeros((900, 1)))
