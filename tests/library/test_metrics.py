"""Group fairness: against fairlearn, and against chance."""

import fairlearn.metrics
import numpy as np
import pytest
import sklearn.metrics

from keras_unbias import AttributeSpec
from keras_unbias.auditing import metrics
from keras_unbias.dependence.bootstrap import Bootstrap


def test_metrics_refuse_lengths_that_differ():
    with pytest.raises(ValueError, match=r"equal lengths.*predictions': 1"):
        metrics.true_positive_rates([0, 1], [0], [1, 1])
    with pytest.raises(ValueError, match="attribute_values': 1"):
        metrics.true_positive_rates([0, 1], [0, 1], [1])


def test_metrics_refuse_anything_but_filled_vectors():
    with pytest.raises(ValueError, match=r"shape=\(2, 1\)"):
        metrics.equal_opportunity(np.zeros((2, 1)), np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match=r"shape=\(0,\)"):
        metrics.equal_opportunity([], [], [])


def groups(rows=400):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, rows)
    attribute = rng.integers(0, 2, rows)
    correct = rng.random(rows) < np.where(attribute == 1, 0.6, 0.9)
    return labels, np.where(correct, labels, 1 - labels), attribute


def test_equal_opportunity_is_that_of_fairlearn():
    labels, predictions, attribute = groups()
    frame = fairlearn.metrics.MetricFrame(
        metrics=fairlearn.metrics.true_positive_rate,
        y_true=labels,
        y_pred=predictions,
        sensitive_features=attribute,
    )
    rates = metrics.true_positive_rates(labels, predictions, attribute)
    assert rates == pytest.approx(frame.by_group.to_dict())
    assert metrics.equal_opportunity(labels, predictions, attribute) == pytest.approx(
        fairlearn.metrics.equal_opportunity_difference(
            labels, predictions, sensitive_features=attribute
        )
    )


def test_the_positive_class_can_be_the_other():
    labels, predictions, attribute = groups()
    flipped = metrics.equal_opportunity(
        1 - labels, 1 - predictions, attribute, positive=0
    )
    assert flipped == metrics.equal_opportunity(labels, predictions, attribute)


def test_a_group_without_positives_is_nan_and_not_zero():
    rates = metrics.true_positive_rates([1, 0, 0], [1, 0, 1], [0, 1, 1])
    assert rates[0] == 1.0
    assert np.isnan(rates[1])
    value = metrics.equal_opportunity([1, 0, 0], [1, 0, 1], [0, 1, 1])
    assert np.isnan(value)
    assert np.isnan(metrics.equal_opportunity([1, 0], [1, 0], [1, 1]))


def test_the_summary_of_a_binary_task_is_that_of_fairlearn():
    labels, predictions, attribute = groups()
    found = metrics.binary_task(labels, predictions, attribute)
    frame = fairlearn.metrics.MetricFrame(
        metrics={
            "tp": fairlearn.metrics.true_positive_rate,
            "rate": fairlearn.metrics.selection_rate,
            "recall": sklearn.metrics.balanced_accuracy_score,
            "fp": fairlearn.metrics.false_positive_rate,
        },
        y_true=labels,
        y_pred=predictions,
        sensitive_features=attribute,
    )
    assert found["true_positive_rates"] == pytest.approx(
        {str(k): v for k, v in frame.by_group["tp"].items()}
    )
    assert found["equal_opportunity"] == pytest.approx(frame.difference()["tp"])
    odds = fairlearn.metrics.equalized_odds_difference(
        labels, predictions, sensitive_features=attribute
    )
    assert max(found["equal_opportunity"], frame.difference()["fp"]) == pytest.approx(
        odds
    )
    assert found["share_predicted_positive"] == frame.overall["rate"]
    assert found["balanced_accuracy"] == pytest.approx(frame.overall["recall"])
    assert found["positives"] == {
        str(v): int(labels[attribute == v].sum()) for v in (0, 1)
    }


def test_samples_without_a_group_have_no_equal_opportunity():
    # Three rows of the first group, whose positives are never found.
    values = np.arange(600) >= 3
    labels = np.tile([1, 1, 0], 200)
    estimate = metrics.accuracies(
        labels,
        np.where(values, labels, 0),
        AttributeSpec((1,)).categories(values[:, None].astype(float)),
        Bootstrap(200, np.random.default_rng(0)),
    )["equal_opportunity"]
    assert (estimate.low, estimate.value, estimate.high) == (1, 1, 1)


def test_groups_of_several_parts_are_named_by_part():
    attribute = np.array([[0, 2], [0, 7], [1, 7]] * 20, float)
    labels = np.arange(60) % 2
    found = metrics.accuracies(
        labels,
        np.where(attribute[:, 1] == 2, labels, 0),
        AttributeSpec((1, 1)).categories(attribute),
        Bootstrap(5, np.random.default_rng(0)),
    )
    assert {
        name: estimate.value
        for name, estimate in found["accuracy_per_attribute"].items()
    } == {"0: 0": 0.75, "0: 1": 0.5, "1: 2": 1.0, "1: 7": 0.5}
    assert found["worst_group"] == ("label 1, attribute 0: 1", 0.0)
    assert found["equal_opportunity"] is None
