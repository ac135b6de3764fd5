import fairlearn.metrics
import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import mutual_info_score

from keras_unbias.auditing import metrics
from keras_unbias.information import discrete


def test_entropy_of_uniform_codes_is_the_logarithm_plus_correction():
    values = np.repeat(np.arange(4), 25)
    expected = np.log(4) + 3 / 200
    assert discrete.entropy(values) == pytest.approx(expected)


def test_entropy_of_a_constant_is_zero():
    assert discrete.entropy(np.full(7, 3)) == 0


def test_entropy_corrects_the_plug_in_estimate():
    generator = np.random.default_rng(0)
    samples = generator.integers(32, size=(50, 200))
    plug_in = [mutual_info_score(row, row) for row in samples]
    corrected = [discrete.entropy(row) for row in samples]
    assert np.mean(plug_in) < np.log(32) - 0.07
    assert np.mean(corrected) == pytest.approx(np.log(32), abs=0.01)


def test_mutual_information_is_the_plug_in_estimate_less_the_correction():
    generator = np.random.default_rng(1)
    first = generator.integers(-3, 5, 1000)
    second = first // 2 + generator.integers(0, 3, 1000)
    occupied = len(set(zip(first, second, strict=True)))
    correction = occupied - len(set(first)) - len(set(second)) + 1
    expected = mutual_info_score(first, second) - correction / 2000
    received = discrete.discrete_mutual_information(first, second)
    assert received == pytest.approx(expected)
    assert isinstance(received, float)


def test_mutual_information_tells_apart_all_pairs_of_codes():
    # Codes far apart would collide if they were merely added up.
    first = np.array([0, 10**12, 0, 10**12] * 50)
    second = np.array([0, 0, 10**12, 10**12] * 50)
    information = discrete.discrete_mutual_information(first, second)
    assert information == 0


def test_mutual_information_with_itself_is_the_entropy():
    values = np.random.default_rng(2).integers(0, 10, 300)
    information = discrete.discrete_mutual_information(values, values)
    assert information == pytest.approx(discrete.entropy(values))


def test_mutual_information_is_never_negative():
    first, second = np.repeat([0, 1], 30), np.tile([0, 1, 2], 20)
    # Exactly independent: the correction alone would give -2 / 120.
    assert mutual_info_score(first, second) == pytest.approx(0)
    assert discrete.discrete_mutual_information(first, second) == 0


def test_accuracy():
    assert metrics.accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75


def test_metrics_refuse_lengths_that_differ():
    with pytest.raises(ValueError, match="equal lengths.*predictions': 2"):
        metrics.accuracy([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="attribute_values': 1"):
        metrics.true_positive_rates([0, 1], [0, 1], [1])
    with pytest.raises(ValueError, match="equal lengths"):
        discrete.discrete_mutual_information([0, 1], [0, 1, 2])


def test_metrics_refuse_anything_but_filled_vectors():
    with pytest.raises(ValueError, match=r"shape=\(2, 1\)"):
        metrics.accuracy(np.zeros((2, 1)), np.zeros(2))
    with pytest.raises(ValueError, match=r"shape=\(0,\)"):
        discrete.entropy(np.array([], int))


def test_entropy_refuses_continuous_values():
    with pytest.raises(ValueError, match="integer array.*float64"):
        discrete.entropy(np.array([0.1, 0.2]))


def groups(rows=400):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, rows)
    attribute = rng.integers(0, 2, rows)
    right = rng.random(rows) < np.where(attribute == 1, 0.6, 0.9)
    return labels, np.where(right, labels, 1 - labels), attribute


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
    assert metrics.equal_opportunity(
        labels, predictions, attribute
    ) == pytest.approx(
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


def test_what_is_said_of_a_binary_task_is_what_fairlearn_says():
    labels, predictions, attribute = groups()
    said = metrics.binary_task(labels, predictions, attribute)
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
    assert said["true_positive_rates"] == pytest.approx(
        {str(k): v for k, v in frame.by_group["tp"].items()}
    )
    assert said["equal_opportunity"] == pytest.approx(frame.difference()["tp"])
    odds = fairlearn.metrics.equalized_odds_difference(
        labels, predictions, sensitive_features=attribute
    )
    assert max(
        said["equal_opportunity"], frame.difference()["fp"]
    ) == pytest.approx(odds)
    assert said["share_predicted_positive"] == frame.overall["rate"]
    assert said["balanced_accuracy"] == pytest.approx(frame.overall["recall"])
    assert said["positives"] == {
        str(v): int(labels[attribute == v].sum()) for v in (0, 1)
    }


def test_equal_opportunity_by_chance_is_what_equal_groups_show():
    rng = np.random.default_rng(0)
    rate, positives = 0.85, {"0": 177, "1": 33}
    shown = np.abs(
        rng.binomial(177, rate, 20000) / 177
        - rng.binomial(33, rate, 20000) / 33
    )
    value = metrics.equal_opportunity_by_chance(
        {"0": rate, "1": rate}, positives
    )
    assert value == pytest.approx(shown.mean(), rel=0.05)
    # Groups that differ are pooled, each row counting the same.
    pooled = metrics.equal_opportunity_by_chance(
        {"0": 0.9, "1": 0.9 - 0.05 * 210 / 33}, positives
    )
    assert pooled == pytest.approx(value)


def test_chance_without_positives_is_nan():
    value = metrics.equal_opportunity_by_chance(
        {"0": 0.9, "1": None}, {"0": 3, "1": 0}
    )
    assert np.isnan(value)


def test_chance_is_between_two_groups():
    with pytest.raises(ValueError, match="Expected: the same two attribute"):
        metrics.equal_opportunity_by_chance({"0": 0.9}, {"0": 3})
