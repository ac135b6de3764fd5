"""The adjusted discriminant, against scikit-learn and closed forms."""

import keras
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression

from keras_unbias import RepresentationClassifier, adjusted_discriminant

RNG = np.random.default_rng(0)
LABELS = np.arange(90) % 3
AGES = RNG.normal(10 * LABELS, 4.0)
FEATURES = RNG.normal(size=(90, 5)) + np.outer(LABELS, RNG.normal(size=5))


def centered(logits):
    """Leaves out what all classes share, which changes no probability."""
    return logits - logits.mean(1, keepdims=True)


def test_an_attribute_that_does_nothing_leaves_the_discriminant_of_scikit_learn():
    # Constant positions have no slope.
    kernel, bias = adjusted_discriminant(FEATURES, LABELS, np.zeros(90), shrinkage=0.0)
    expected = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(
        FEATURES, LABELS
    )
    logits = expected.decision_function(FEATURES)
    np.testing.assert_allclose(
        centered(FEATURES @ kernel + bias), centered(logits), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_means_are_those_of_a_regression_on_labels_and_attribute(weighted):
    weights = RNG.uniform(0.1, 2.0, 90) if weighted else np.ones(90)
    positions = np.stack([AGES, RNG.normal(size=90)], axis=1)
    kernel, bias = adjusted_discriminant(
        FEATURES, LABELS, positions, sample_weight=weights, shrinkage=0.2
    )
    regression = LinearRegression(fit_intercept=False).fit(
        np.hstack([np.eye(3)[LABELS], positions]), FEATURES, sample_weight=weights
    )
    means, slope = regression.coef_[:, :3].T, regression.coef_[:, 3:].T
    rows = [y == LABELS for y in range(3)]
    centers = [np.average(positions[own], 0, weights[own]) for own in rows]
    common = np.mean(centers, axis=0)
    means = means + common @ slope
    residuals = FEATURES - means[LABELS]
    covariance = np.cov(residuals.T, aweights=weights, ddof=0)
    # About the adjusted means, not about the residuals' own mean.
    center = np.average(residuals, 0, weights)
    covariance += np.outer(center, center)
    covariance = 0.8 * covariance + 0.2 * np.trace(covariance) / 5 * np.eye(5)
    inverse = np.linalg.inv(covariance)
    np.testing.assert_allclose(
        kernel, centered(inverse @ means.T), rtol=1e-4, atol=1e-5
    )
    biases = centered(np.array([[-m @ inverse @ m / 2 for m in means]]))
    np.testing.assert_allclose(centered(bias[None]), biases, rtol=1e-4, atol=1e-5)


def test_it_finds_the_label_where_no_age_is_common_to_the_classes():
    rng = np.random.default_rng(1)

    def draw(ages, labels):
        features = np.stack([labels + ages / 20, ages / 20, labels * 0.0], axis=1)
        return features + rng.normal(0, 0.2, features.shape)

    labels = np.arange(600) % 2
    ages = np.where(labels == 0, rng.uniform(0, 30, 600), rng.uniform(40, 70, 600))
    features = draw(ages, labels)
    kernel, bias = adjusted_discriminant(features, labels, ages, shrinkage=0.0)
    turned = draw(70 - ages, labels)
    assert ((turned @ kernel + bias).argmax(1) == labels).mean() > 0.9
    plain = LinearDiscriminantAnalysis().fit(features, labels)
    assert plain.score(turned, labels) < 0.8


def test_it_becomes_the_classifier_of_a_model():
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    model = RepresentationClassifier(encoder, num_classes=3)
    model.build((None, 5))
    features = model.predict(FEATURES, verbose=0)["features"]
    found = adjusted_discriminant(features, LABELS, AGES)
    model.classifier.set_weights(found)
    np.testing.assert_allclose(
        model.predict(FEATURES, verbose=0)["logits"],
        features @ found.kernel + found.bias,
        rtol=1e-4,
        atol=1e-4,
    )


def test_constant_features_have_no_say():
    features = np.hstack([FEATURES, np.full((90, 1), 7.0)])
    kernel, _ = adjusted_discriminant(features, LABELS, AGES, shrinkage=0.0)
    np.testing.assert_allclose(kernel[-1], 0, atol=1e-6)
    expected, _ = adjusted_discriminant(FEATURES, LABELS, AGES, shrinkage=0.0)
    np.testing.assert_allclose(kernel[:-1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("factor", "offset"), [(1.0, 1e4), (1e30, 0.0), (1e-30, 0.0), (1e4, -1e7)]
)
def test_units_and_origin_do_not_matter(factor, offset):
    expected = adjusted_discriminant(FEATURES, LABELS, AGES)
    moved = adjusted_discriminant(FEATURES * factor + offset, LABELS, AGES)
    logits = FEATURES @ expected.kernel + expected.bias
    # In float64, for the numbers themselves may be beyond float32.
    found = (FEATURES * factor + offset) @ moved.kernel.astype(float) + moved.bias
    np.testing.assert_allclose(centered(found), centered(logits), rtol=1e-2, atol=2e-2)


def test_huge_weights_are_weights():
    expected = adjusted_discriminant(FEATURES, LABELS, AGES)
    found = adjusted_discriminant(
        FEATURES, LABELS, AGES, sample_weight=np.full(90, 1e308)
    )
    np.testing.assert_allclose(found.kernel, expected.kernel, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"features": FEATURES[:, 0]}, r"`features`.*rows, columns.*shape \(90,\)"),
        ({"features": FEATURES[:, :0]}, "`features` must consist of finite"),
        ({"features": [[1.0], [2.0, 3.0]] * 45}, "`features` must consist of finite"),
        ({"features": FEATURES * 0 + 3.0}, "differ too little or too much"),
        ({"features": FEATURES * 1e160}, "differ too little or too much"),
        ({"features": FEATURES * 1e-45}, "differ too little or too much"),
        ({"positions": np.zeros((90, 2, 2))}, "`positions` must consist of finite"),
        ({"positions": None}, "`positions` must consist of finite"),
        ({"positions": LABELS + 1e-9 * AGES}, "0 of 1 directions inside"),
        ({"positions": np.c_[AGES, AGES + LABELS]}, "1 of 2 directions inside"),
        ({"labels": LABELS * 10**12}, "integer labels 0, 1"),
        ({"labels": LABELS == 1}, "of type bool"),
        ({"labels": np.array(["a", "b", "c"])[LABELS]}, "integer labels 0, 1"),
        ({"sample_weight": 2.0}, "`sample_weight` must consist of finite"),
        ({"features": FEATURES[:9]}, "same rows"),
        ({"features": np.full((90, 2), np.nan)}, "`features` must consist of finite"),
        ({"features": np.full((90, 2), "a")}, "`features` must consist of finite"),
        ({"positions": np.full(90, np.inf)}, "`positions` must consist of finite"),
        ({"positions": LABELS}, "0 of 1 directions inside"),
        ({"labels": LABELS + 0.5}, "integer labels 0, 1"),
        ({"labels": LABELS - 1}, "integer labels 0, 1"),
        ({"labels": LABELS * 2}, r"weights by class \[30.0, 0.0, 30.0, 0.0, 30.0\]"),
        ({"labels": np.zeros(90, int)}, "compares classes"),
        ({"labels": LABELS[:, None]}, "vector"),
        ({"sample_weight": np.full(90, -1.0)}, "sample_weight >= 0. Received: -1"),
        ({"sample_weight": np.ones((90, 2))}, "`sample_weight` must consist of finite"),
        ({"sample_weight": LABELS * 1.0}, "weights by class"),
        ({"shrinkage": -0.1}, r"0\.\.1.*shrinkage=-0.1"),
        ({"shrinkage": "auto"}, "shrinkage='auto'"),
        ({"shrinkage": True}, "shrinkage=True"),
    ],
)
def test_wrong_arguments(changes, match):
    given = {"features": FEATURES, "labels": LABELS, "positions": AGES}
    with pytest.raises(ValueError, match=match):
        adjusted_discriminant(**{**given, **changes})
