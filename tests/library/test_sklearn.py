"""The scikit-learn classifier, as its users meet it."""

import pickle
import warnings

import fairlearn.metrics
import fairlearn.postprocessing
import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn import (
    compose,
    exceptions,
    metrics,
    model_selection,
    pipeline,
    preprocessing,
)
from sklearn.utils import estimator_checks

from keras_unbias import UnbiasedClassifier, audit

FAST = {"epochs": 8, "learning_rate": 1e-2, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    return draw(0.95, 1500, seed=0)


@pytest.fixture(scope="module")
def unbiased_rows():
    return draw(0.5, 2000, seed=1)


def draw(agreement, count, seed):
    """Draws a frame whose `likes` reveal the attribute, and it the label."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    attribute = np.where(rng.random(count) < agreement, label, 1 - label)
    frame = pd.DataFrame(
        rng.normal(size=(count, 3)) + 0.8 * label[:, None],
        columns=["a", "b", "c"],
    )
    noise = rng.random(count) < 0.05
    frame["likes"] = np.array(["tea", "mate"])[attribute ^ noise]
    return (
        frame,
        np.array(["no", "yes"])[label],
        pd.Series(np.array(["old", "young"])[attribute], name="age"),
    )


def prepared(**arguments):
    columns = compose.ColumnTransformer(
        [("likes", preprocessing.OneHotEncoder(), ["likes"])],
        remainder="passthrough",
        sparse_threshold=0,
    )
    return pipeline.Pipeline(
        [
            ("columns", columns),
            ("classifier", UnbiasedClassifier(**{**FAST, **arguments})),
        ]
    )


@pytest.fixture(scope="module")
def fitted(rows):
    inputs, labels, attribute = rows
    return prepared().fit(inputs, labels, classifier__sensitive_features=attribute)


def test_it_ignores_the_attribute(rows, unbiased_rows, fitted):
    inputs, labels, attribute = rows
    plain = prepared(method="erm").fit(inputs, labels)
    balanced = prepared(method="bias_balanced").fit(
        inputs, labels, classifier__sensitive_features=attribute
    )
    test, truth, group = unbiased_rows
    accuracy = fitted.score(test, truth)
    # Without the attribute: two normals whose means are 0.8 sqrt(3) apart.
    best = stats.norm.cdf(0.4 * np.sqrt(3))
    assert accuracy == pytest.approx(best, abs=0.04)
    assert plain.score(test, truth) < accuracy - 0.05
    assert balanced.score(test, truth) > accuracy - 0.04

    def gap(model):
        return fairlearn.metrics.MetricFrame(
            metrics=metrics.accuracy_score,
            y_true=truth,
            y_pred=model.predict(test),
            sensitive_features=group,
        )

    assert gap(fitted).by_group.shape == (2,)

    def difference(model):
        return fairlearn.metrics.demographic_parity_difference(
            truth == "yes",
            model.predict(test) == "yes",
            sensitive_features=group,
        )

    assert difference(fitted) < 0.5 * difference(plain)


def test_outputs_agree(unbiased_rows, fitted):
    test = unbiased_rows[0]
    probabilities = fitted.predict_proba(test)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        1 / (1 + np.exp(-fitted.decision_function(test))),
        probabilities[:, 1],
        atol=1e-5,
    )
    assert set(fitted.classes_) == {"no", "yes"}
    np.testing.assert_array_equal(
        fitted.predict(test), fitted.classes_[probabilities.argmax(1)]
    )
    features = fitted.transform(test)
    assert features.shape == (len(test), 32)
    assert list(fitted.get_feature_names_out()[:1]) == ["unbiasedclassifier0"]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(test), fitted.predict(test))


def test_features_are_float32_whatever_the_policy(rows):
    inputs, labels = rows[0][["a", "b", "c"]], rows[1]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = UnbiasedClassifier("erm", epochs=1).fit(inputs, labels)
        features = classifier.transform(inputs)
    finally:
        keras.config.set_dtype_policy("float32")
    assert features.dtype == "float32"


@pytest.mark.slow
def test_its_features_are_audited(unbiased_rows, fitted):
    test, _, group = unbiased_rows
    encoder = fitted[-1].attribute_encoder_
    found = audit(
        fitted.transform(test),
        (None, {"attribute": encoder.transform(group)}),
        resamples=10,
    )
    assert found.leakage.ceiling == pytest.approx(np.log(2), abs=0.01)


@pytest.mark.slow
def test_the_grid_search_routes_the_attribute(rows):
    inputs, labels, attribute = rows
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = UnbiasedClassifier(epochs=1, random_state=0).set_fit_request(
            sensitive_features=True
        )
        search = model_selection.GridSearchCV(
            estimator,
            {"mi_weight": [0.0, 0.5]},
            cv=2,
            error_score="raise",
        )
        search.fit(inputs[["a", "b", "c"]], labels, sensitive_features=attribute)
    assert "mutual_information" in search.best_estimator_.history_


@pytest.mark.slow
def test_several_attributes_and_numbers(rows):
    inputs, labels, attribute = rows
    age = np.random.default_rng(0).uniform(18, 80, len(inputs))
    both = pd.DataFrame({"group": attribute, "age": age})
    X = inputs[["a", "b", "c"]].to_numpy()
    quick = {"epochs": 1, "random_state": 0}
    with pytest.warns(UserWarning, match=r"\['age'\] are cut into 10"):
        binned = UnbiasedClassifier(**quick).fit(X, labels, sensitive_features=both)
    assert binned.attribute_encoder_.spec_.widths == (2, 10)
    kept = UnbiasedClassifier(**quick, attribute_bins=None).fit(
        X, labels, sensitive_features=both
    )
    assert kept.attribute_encoder_.spec_.widths == (2, 1)
    assert np.isfinite(kept.predict_proba(X)).all()


@pytest.mark.slow
def test_an_encoder_of_ones_own(rows):
    _, labels, attribute = rows
    images = np.zeros((len(labels), 4, 4, 3), "uint8")
    images[:, ..., 0] = 200 * (labels == "yes")[:, None, None]

    def encoder(shape):
        return keras.Sequential(
            [
                keras.Input(shape, dtype="uint8"),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Flatten(),
                keras.layers.Dense(5, activation="tanh"),
            ]
        )

    model = UnbiasedClassifier(encoder=encoder, **FAST)
    model.fit(images, labels, sensitive_features=attribute)
    assert model.score(images, labels) > 0.99
    assert model.transform(images[:2]).shape == (2, 5)


@pytest.mark.slow
def test_a_seed_fixes_the_result_and_no_other_state(rows):
    inputs, labels, attribute = rows
    X = inputs[["a", "b", "c"]]

    def probabilities(seed):
        model = UnbiasedClassifier(epochs=1, random_state=seed)
        model.fit(X, labels, sensitive_features=attribute)
        return model.predict_proba(X)

    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    first = probabilities(0)
    assert np.random.random() == expected
    np.testing.assert_array_equal(first, probabilities(0))
    assert np.abs(first - probabilities(1)).max() > 1e-3


@pytest.mark.slow
def test_without_a_seed_fits_differ(rows):
    inputs, labels, _ = rows
    X = inputs[["a", "b", "c"]]
    first, second = (
        UnbiasedClassifier(method="erm", epochs=1).fit(X, labels).predict_proba(X)
        for _ in range(2)
    )
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.slow
def test_the_prior_counts_weighted_rows():
    # Rows without a bias, whose weights make one.
    rng = np.random.default_rng(0)
    labels, attribute = rng.integers(0, 2, (2, 3000))
    X = rng.normal(size=(3000, 1)) + labels[:, None]
    X = np.concatenate([X, 3.0 * attribute[:, None]], axis=1)
    weight = np.where(labels == attribute, 0.95, 0.05)

    def accuracy(method):
        model = UnbiasedClassifier(method=method, **FAST)
        model.fit(X, labels, sensitive_features=attribute, sample_weight=weight)
        return model.score(X, labels)

    assert accuracy("erm") < 0.6
    # The best possible: two normals whose means are 1 apart.
    assert accuracy("bias_balanced") == pytest.approx(0.69, abs=0.04)


def test_weights_of_rows_are_weights_of_the_loss(rows):
    inputs, labels, _ = rows
    X = inputs[["a", "b", "c"]]
    # Only one class has weight, so the other is never predicted.
    weight = (labels == "yes").astype(float)
    model = UnbiasedClassifier(method="erm", **FAST)
    model.fit(X, labels, sample_weight=weight)
    assert (model.predict(X) == "yes").all()


@pytest.mark.parametrize(
    "prior_strength", [0.0, pytest.param(0.5, marks=pytest.mark.slow), 1.0]
)
def test_predictions_leave_out_what_the_attribute_says(prior_strength):
    # The inputs say nothing, so only the share of a rare class is known,
    # whatever the attribute says about it in the training rows.
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.2).astype(int)
    attribute = labels ^ (rng.random(4000) < 0.1)
    model = UnbiasedClassifier(
        method="bias_balanced", prior_strength=prior_strength, **FAST
    )
    X = rng.normal(size=(4000, 1))
    model.fit(X, labels, sensitive_features=attribute)
    # The expectation of p(y | x) once y and c are independent: p(y).
    rare = model.predict_proba(X)[:, 1].mean()
    assert rare == pytest.approx(labels.mean(), abs=0.05)


def test_rare_labels_stay_rare_among_many_attribute_values():
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.05).astype(int)
    attribute = rng.integers(0, 300, 2000).astype(str)
    model = UnbiasedClassifier(method="bias_balanced", **FAST)
    X = rng.normal(size=(2000, 1))
    model.fit(X, labels, sensitive_features=attribute)
    rare = model.predict_proba(X)[:, 1].mean()
    assert rare == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_the_unit_of_a_column_does_not_matter(rows):
    inputs, labels, _ = rows
    X = inputs[["a", "b", "c"]]
    found = [
        UnbiasedClassifier("erm", epochs=1, random_state=0)
        .fit(unit * X, labels)
        .predict_proba(unit * X)
        for unit in (1.0, 1e-9, 1e9)
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-3)


def test_a_constant_column_may_change_later(rows):
    inputs, labels, _ = rows
    X = inputs[["a", "b", "c"]].assign(constant=1.0)
    model = UnbiasedClassifier(method="erm", **FAST).fit(X, labels)
    later = X.assign(constant=1.5)
    np.testing.assert_allclose(
        model.predict_proba(X), model.predict_proba(later), atol=0.2
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "magic"}, ValueError, "method='magic'"),
        ({"mi_weight": -1}, ValueError, "mi_weight == -1, must be >= 0"),
        ({"mi_weight": None}, TypeError, "mi_weight must be an instance of"),
        ({"mi_weight": np.nan}, ValueError, "mi_weight contains NaN"),
        ({"epochs": 1.5}, TypeError, "epochs must be an instance of int"),
        ({"epochs": 0}, ValueError, "epochs == 0, must be >= 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an instance"),
        ({"estimator_batches": 1.5}, TypeError, "estimator_batches must be"),
        ({"estimator_batches": -1}, ValueError, "estimator_batches == -1"),
        ({"learning_rate": 0}, ValueError, "learning_rate == 0, must be >= 1e"),
        ({"learning_rate": np.inf}, ValueError, "learning_rate contains inf"),
        ({"dropout": 1.0}, ValueError, "dropout == 1.0, must be <= 0.99"),
        ({"prior_strength": 2}, ValueError, "prior_strength == 2, must be <="),
        (
            {"method": "bias_balanced", "prior_strength": None},
            ValueError,
            "prior_strength=None",
        ),
    ],
)
def test_parameters_are_checked(rows, arguments, error, message):
    X = rows[0][["a", "b", "c"]]
    with pytest.raises(error, match=message):
        UnbiasedClassifier(**arguments).fit(X, rows[1])


def test_unused_parameters_are_not_checked(rows):
    def encoder(shape):
        return keras.Sequential([keras.Input(shape), keras.layers.Dense(2)])

    model = UnbiasedClassifier(
        "erm",
        mi_weight=None,
        encoder=encoder,
        dropout=None,
        learning_rate=keras.optimizers.schedules.CosineDecay(1e-3, 9),
        epochs=1,
    )
    X = rows[0][["a", "b", "c"]]
    assert model.fit(X, rows[1]).transform(X).shape == (1500, 2)


def test_rows_are_checked(rows):
    inputs, labels, attribute = rows
    X = inputs[["a", "b", "c"]]
    with pytest.raises(ValueError, match=r"of 1500 rows. Received: 7"):
        UnbiasedClassifier().fit(X, labels, sensitive_features=attribute[:7])
    with pytest.raises(ValueError, match=r"Negative values.*sample_weight"):
        UnbiasedClassifier().fit(X, labels, sample_weight=np.full(1500, -1.0))
    with pytest.raises(ValueError, match=r"Received: one class, \['no'\]"):
        UnbiasedClassifier().fit(X, np.full(1500, "no"))
    with pytest.warns(UserWarning, match="this is plain training"):
        UnbiasedClassifier(epochs=1).fit(X, labels)


def test_probabilities_have_the_precision_of_scikit_learn(unbiased_rows, fitted):
    test, truth, _ = unbiased_rows
    probabilities = fitted.predict_proba(test)
    assert probabilities.dtype == fitted.decision_function(test).dtype == float
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-15)
    inputs = fitted[:-1].transform(test)
    np.testing.assert_allclose(
        probabilities,
        fitted[-1].model_.predict(inputs, verbose=0)["probabilities"],
        rtol=1e-5,
    )
    with warnings.catch_warnings():
        # scikit-learn's metrics warn if a sum is not 1.
        warnings.simplefilter("error")
        loss = metrics.log_loss(truth, probabilities)
    of_truth = probabilities[np.arange(len(truth)), (truth == "yes") * 1]
    assert loss == pytest.approx(-np.log(of_truth).mean())


def test_fairlearn_post_processes_the_probabilities(unbiased_rows, fitted):
    test, truth, group = unbiased_rows
    X = fitted[:-1].transform(test)
    optimizer = fairlearn.postprocessing.ThresholdOptimizer(
        estimator=fitted[-1], prefit=True, predict_method="predict_proba"
    ).fit(X, (truth == "yes") * 1, sensitive_features=group)
    predicted = optimizer.predict(X, sensitive_features=group, random_state=0)
    # Demographic parity: the groups have the same selection rate.
    rates = [predicted[group == value].mean() for value in ("old", "young")]
    assert rates[0] == pytest.approx(rates[1], abs=0.05)


def test_an_unfitted_classifier_is_refused():
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        with pytest.raises(exceptions.NotFittedError):
            getattr(UnbiasedClassifier(), method)(np.zeros((2, 3)))


# Each with the reason.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row of weight 2 is not two rows to mini-batches"
    ),
    # They ask for more digits than float32 has: on some processors how a
    # number is rounded depends on its place in the batch.
    "check_methods_sample_order_invariance": "float32",
    "check_methods_subset_invariance": "float32",
}


@pytest.mark.slow
@estimator_checks.parametrize_with_checks(
    [UnbiasedClassifier(method="erm", **{**FAST, "epochs": 8})],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
