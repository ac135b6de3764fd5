"""Constant classifier, SVM and FERM on arrays of a data set."""

import numpy as np
import pytest
from sklearn import model_selection, svm

from keras_unbias import data as datasets
from reproduce.experiment import baselines, groups

GRID = {"kernel": "rbf", "C": (0.1, 1.0, 10.0), "gamma": (0.1, 1.0), "folds": 3}


def toy(rows=240):
    """The label shows in two inputs, the attribute in a third."""
    rng = np.random.default_rng(0)
    attribute = rng.integers(0, 2, rows)
    labels = (rng.random(rows) < 0.5 + 0.3 * attribute).astype(int)
    inputs = rng.normal(0, 1.0, (rows, 3))
    inputs[:, :2] += labels[:, None]
    inputs[:, 2] += 2 * attribute
    split = datasets.Split(
        inputs.astype("float32"), labels, attribute[:, None].astype("float32")
    )
    return datasets.BiasedDataset("toy", train=split, test=split, num_classes=2)


def test_constant_is_the_most_frequent_label():
    dataset = toy()
    classifier = baselines.fit(groups.Constant(), dataset)
    assert dataset.train.labels.mean() > 0.5
    assert classifier.predict(dataset.test.inputs).all()


def test_svm_is_the_best_cross_validated_one_of_scikit_learn():
    dataset = toy()
    inputs, labels = dataset.train.inputs, dataset.train.labels
    folds = model_selection.StratifiedKFold(GRID["folds"])
    best = max(
        ((C, gamma) for C in GRID["C"] for gamma in GRID["gamma"]),
        key=lambda p: model_selection.cross_val_score(
            svm.SVC(C=p[0], gamma=p[1]), inputs, labels, cv=folds
        ).mean(),
    )
    expected = svm.SVC(C=best[0], gamma=best[1]).fit(inputs, labels)
    fitted = baselines.fit(groups.Svm(**GRID), dataset)
    np.testing.assert_array_equal(fitted.predict(inputs), expected.predict(inputs))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_ferm_equals_the_mean_decisions_on_good_rows(kernel):
    dataset = toy()
    gaps = {}
    for method in (groups.Svm, groups.Ferm):
        chosen = method(**{**GRID, "kernel": kernel})
        fitted = baselines.fit(chosen, dataset)
        decisions = fitted.decision_function(dataset.train.inputs)
        good = dataset.train.labels == 1
        first = dataset.train.attributes[:, 0] == 1
        gaps[method.name] = abs(
            decisions[good & first].mean() - decisions[good & ~first].mean()
        )
    assert gaps["ferm"] < 1e-3 < 0.1 < gaps["svm"]
