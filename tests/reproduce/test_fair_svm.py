"""FERM: its constraint, its optimum by another solver, scikit-learn's rules."""

import doctest

import numpy as np
import pytest
from scipy import optimize
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from reproduce.experiment import fair_svm
from reproduce.experiment.fair_svm import FairSVC


def test_the_example_of_the_docstring():
    failed, tried = doctest.testmod(fair_svm)
    assert tried > 0
    assert failed == 0


@parametrize_with_checks([FairSVC(), FairSVC(kernel="rbf")])
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 80)
    y = np.where(rng.random(80) < 0.5, 1, -1)
    X = rng.normal(size=(80, 3))
    X[:, 0] += y
    X[:, 1] += 1.5 * groups + 0.5 * y
    return X, y, groups


def gap(model, X, y, groups):
    scores = model.decision_function(X)
    positive = y == 1
    return (
        scores[positive & (groups == 1)].mean()
        - scores[positive & (groups == 0)].mean()
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_groups_have_the_same_mean_decision(data, kernel):
    X, y, groups = data
    plain = FairSVC(kernel=kernel).fit(X, y)
    fair = FairSVC(kernel=kernel).fit(X, y, sensitive_features=groups)
    assert abs(gap(plain, X, y, groups)) > 0.1
    assert gap(fair, X, y, groups) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_without_groups_it_is_an_svm(data, kernel):
    X, y, _ = data
    expected = SVC(kernel=kernel, C=0.3).fit(X, y).decision_function(X)
    model = FairSVC(kernel=kernel, C=0.3).fit(X, y)
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-6)


def test_the_linear_form_is_the_optimum_under_the_constraint(data):
    X, y, groups = data
    difference = X[(y == 1) & (groups == 1)].mean(0)
    difference -= X[(y == 1) & (groups == 0)].mean(0)

    def risk(w, b):
        hinge = np.maximum(0, 1 - y * (X @ w + b)).sum()
        return 0.5 * w @ w + 0.5 * hinge

    # The primal with slack variables, by a general solver.
    n, d = X.shape

    def slack(v):
        return v[d + 1 :] - 1 + y * (X @ v[:d] + v[d])

    solved = optimize.minimize(
        lambda v: 0.5 * v[:d] @ v[:d] + 0.5 * v[d + 1 :].sum(),
        np.concatenate([np.zeros(d + 1), np.ones(n)]),
        jac=lambda v: np.concatenate([v[:d], [0], np.full(n, 0.5)]),
        bounds=[(None, None)] * (d + 1) + [(0, None)] * n,
        constraints=[
            {"type": "ineq", "fun": slack},
            {"type": "eq", "fun": lambda v: v[:d] @ difference},
        ],
        options={"maxiter": 500},
    )
    assert solved.success
    model = FairSVC(C=0.5).fit(X, y, sensitive_features=groups)
    b = model.decision_function(np.zeros((1, d)))[0]
    w = model.decision_function(np.eye(d)) - b
    assert w @ difference == pytest.approx(0, abs=1e-8)
    assert risk(w, b) == pytest.approx(solved.fun, rel=1e-3)


def test_the_kernel_form_is_the_linear_one_for_a_nearly_linear_kernel(data):
    # exp(-g |x - x'|^2) is, for a small g and C growing with 1 / g, an SVM
    # on x itself, up to constants.
    X, y, groups = data
    linear = FairSVC(C=0.5).fit(X, y, sensitive_features=groups)
    gamma = 1e-5
    kernel = FairSVC(C=0.5 / (2 * gamma), kernel="rbf", gamma=gamma).fit(
        X, y, sensitive_features=groups
    )
    np.testing.assert_allclose(
        kernel.decision_function(X), linear.decision_function(X), atol=0.02
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(80), "two values. Received: shape .80,., 1 values"),
        (np.arange(80) % 3, "Received: shape .80,., 3 values"),
        (np.arange(79) % 2, "Received: shape .79,."),
    ],
)
def test_wrong_groups_are_refused(data, groups, message):
    X, y, _ = data
    with pytest.raises(ValueError, match=message):
        FairSVC().fit(X, y, sensitive_features=groups)


def test_a_group_needs_positive_rows(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="none with sensitive feature 1"):
        FairSVC().fit(X, y, sensitive_features=(y == -1).astype(int))


def test_three_classes_have_no_positive(data):
    X, y, groups = data
    y[:5] = 2
    with pytest.raises(ValueError, match=r"two labels. Received: 3"):
        FairSVC().fit(X, y, sensitive_features=groups)


def test_unknown_kernel(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="Received: kernel='poly'"):
        FairSVC(kernel="poly").fit(X, y)
    with pytest.raises(ValueError, match="Received: gamma='auto'"):
        FairSVC(kernel="rbf", gamma="auto").fit(X, y)
