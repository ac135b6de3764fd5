"""Fresh estimates of a run, against information in closed form."""

import keras
import numpy as np
import pytest
from known_information import binary
from sklearn import linear_model, metrics

from keras_unbias import (
    AttributeSpec,
    BiasedDataset,
    RepresentationClassifier,
    Split,
)
from keras_unbias.dependence.critics import held_out_bound
from reproduce.experiment import fresh_estimates


@pytest.mark.parametrize("agreement", [0.5, 0.9, 1.0])
def test_the_probe_finds_what_the_features_name(agreement):
    model, dataset = binary(agreement)
    auc = fresh_estimates.probe_auc(model, dataset)
    # Two rows are in order if both are named right, and half of the time if
    # one is.
    both, one = agreement**2, 2 * agreement * (1 - agreement)
    assert auc == pytest.approx(both + one / 2, abs=0.06)
    features = model.predict(dataset.train.inputs, verbose=0)["features"]
    features = (features - features.mean()) / features.std()
    attribute = dataset.train.attributes[:, 0]
    probe = linear_model.LogisticRegression().fit(features, attribute)
    assert auc == pytest.approx(
        metrics.roc_auc_score(attribute, probe.predict_proba(features)[:, 1]),
        abs=1e-3,
    )


def test_a_probe_names_categories_of_rows_that_it_was_not_fitted_to():
    rng = np.random.default_rng(0)
    category = rng.choice(3, 900, p=[0.5, 0.3, 0.2])
    # A third of the inputs names the category, the others name none.
    known = rng.random(900) < 1 / 3
    inputs = np.eye(3)[category] * known[:, None]
    split = Split(inputs, np.zeros(900, int), np.eye(3)[category])
    dataset = BiasedDataset("c", split, split, 2, AttributeSpec((3,)))
    model = RepresentationClassifier(
        keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]), 2
    )
    found = fresh_estimates.probe_accuracy(model, dataset)
    majority = np.mean(category == 0)
    assert found["majority_accuracy"] == pytest.approx(majority)
    right = np.where(known, True, category == 0).mean()
    assert found["probe_accuracy"] == pytest.approx(right, abs=0.01)


@pytest.mark.slow
def test_few_rows_still_teach_the_critic():
    model, dataset = binary(1.0, rows=300)
    found = fresh_estimates.held_out_information(model, dataset)
    assert found["mutual_information"] == pytest.approx(np.log(2), abs=0.1)
    # The label is the attribute, so nothing is left within the classes.
    assert found["conditional_mutual_information"] == pytest.approx(0, abs=0.01)


def test_the_rows_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(fresh_estimates, "ROWS", 90)
    model, dataset = binary(0.9, rows=300)
    rows = np.random.default_rng(2).permutation(300)[:90]
    expected = held_out_bound(
        model.predict(dataset.train.inputs[rows], verbose=0)["features"],
        dataset.train.attributes[rows],
        seed=2,
        batch_size=5,
    )
    found = fresh_estimates.held_out_information(model, dataset, seed=2)
    assert found["mutual_information"] == pytest.approx(expected, abs=1e-4)
