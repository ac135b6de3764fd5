"""Probes on held-out rows, against frequencies and closed forms."""

import numpy as np
import pytest
from known_information import representation

from keras_unbias import AttributeSpec
from keras_unbias.dependence import critics, probes


def evaluate(features, attributes, labels=None):
    split = critics.split_rows(len(features), np.random.default_rng(0))
    categories = AttributeSpec.infer(attributes).categories(attributes)
    results = probes.evaluate_probes(features, categories, labels, split, seed=0)
    return results, split


def test_log_likelihoods_are_those_of_the_channel():
    # A symmetric channel: the best probe knows q(c|z) = 0.7, or 0.1.
    features, attributes = representation(0.7, rows=3000)
    results, (_, choice, held_out) = evaluate(features, attributes)
    right = features.argmax(1) == attributes.argmax(1)
    expected = np.where(right, np.log(0.7), np.log(0.1))
    for name, result in results.items():
        assert result.choice.shape == choice.shape
        assert result.choice.mean() == pytest.approx(
            expected[choice].mean(), abs=0.06
        ), name
        assert result.held_out.mean() == pytest.approx(
            expected[held_out].mean(), abs=0.06
        ), name
        assert np.mean(result.correct) == pytest.approx(0.7, abs=0.05), name


def test_features_without_information_give_the_frequencies():
    rng = np.random.default_rng(0)
    codes = (rng.random(600) < 0.2).astype(int)
    results, (_, _, held_out) = evaluate(rng.normal(size=(600, 3)), np.eye(2)[codes])
    frequencies = np.log(np.where(codes == 1, 0.2, 0.8))[held_out].mean()
    for result in results.values():
        assert result.held_out.mean() == pytest.approx(frequencies, abs=0.05)


def test_labels_are_known_to_a_probe_within_the_classes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    results, _ = evaluate(rng.normal(size=(600, 1)), np.eye(2)[labels], labels)
    for result in results.values():
        assert result.correct.all()
        assert result.held_out.mean() > -0.02


def test_the_log_likelihoods_of_independent_parts_add_up():
    # The features name the second part of two, and the first is a guess.
    rng = np.random.default_rng(0)
    first, second = np.eye(2)[rng.integers(0, 2, (2, 900))]
    both, _ = evaluate(second, np.concatenate([first, second], 1))
    alone = [evaluate(second, part)[0] for part in (first, second)]
    for name, result in both.items():
        assert result.held_out.mean() == pytest.approx(
            sum(part[name].held_out.mean() for part in alone), abs=0.1
        )
        assert np.mean(result.correct) == pytest.approx(0.5, abs=0.1)


def test_values_of_one_row_have_a_probability():
    codes = np.arange(60) % 2
    codes[:3] = 2, 3, 4
    results, _ = evaluate(np.eye(5)[codes], np.eye(5)[codes])
    for result in results.values():
        assert np.isfinite(result.choice).all()
        assert np.isfinite(result.held_out).all()
