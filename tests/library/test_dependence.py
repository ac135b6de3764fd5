"""The call for information, against closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import keras_unbias as ku
from keras_unbias.dependence import MutualInformation, network
from keras_unbias.dependence.columns import read_columns
from keras_unbias.dependence.copula import Copula, fit_copula
from keras_unbias.dependence.cross_fitting import _evaluate_ratio
from keras_unbias.dependence.trees import fit_trees, random_pairs


@pytest.fixture
def few_epochs(monkeypatch):
    monkeypatch.setattr(network, "EPOCHS", 2)


def gaussians(correlation, rows=600, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return x, correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=rows)


def parts(rows):
    return np.split(
        np.random.default_rng(0).permutation(rows), [rows // 2, rows * 2 // 3]
    )


# The call.


def test_correlated_numbers(few_epochs, capsys):
    x, y = gaussians(0.8)
    np.random.seed(3)
    found = ku.mutual_information(x, pd.DataFrame({"y": y}), seed=1)

    # I(X;Y) = -log(1 - rho^2) / 2.
    assert found.low < -np.log(1 - 0.8**2) / 2 < found.high
    assert found.high - found.low < 0.25
    assert found.rows == 600
    assert {*found.bounds} == {"copula", "trees", "network"}
    # NumPy's global generator is where it was.
    assert np.random.random() == np.random.RandomState(3).random()
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_the_same_seed_and_other_units_give_the_same_value():
    x, y = gaussians(0.8)
    found = ku.mutual_information(x, y, seed=1)
    assert ku.mutual_information(np.exp(x), y**3, seed=1) == found
    assert ku.mutual_information(x, y, seed=2) != found


@pytest.mark.slow
def test_the_order_of_rows_matters_as_a_split_does():
    x, y = gaussians(0.8)
    order = np.random.default_rng(1).permutation(len(x))
    found = ku.mutual_information(x[order], y[order])
    assert found.low < -np.log(1 - 0.8**2) / 2 < found.high


def test_independent_columns(few_epochs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 3)), rng.normal(size=(600, 2))
    found = ku.mutual_information(x, y)
    assert found.low <= 0 <= found.high
    assert abs(found.value) < 0.05


def test_a_table_of_two_categories():
    table = np.array([[0.3, 0.1, 0.05], [0.05, 0.1, 0.4]])
    margins = table.sum(1, keepdims=True) * table.sum(0)
    truth = np.sum(table * np.log(table / margins))
    cells = np.random.default_rng(0).choice(6, 1500, p=table.ravel())
    x = pd.Series(cells // 3).map({0: "no", 1: "yes"}).astype("category")
    found = ku.mutual_information(x, [["a", "b", "c"][c % 3] for c in cells])
    assert found.low < truth < found.high
    assert found.value == pytest.approx(truth, abs=0.06)
    assert "linear probe" in found.bounds


def test_a_category_that_only_a_mixture_of_columns_tells():
    # The category is whether the number is above 0 or the flag is set, but not
    # both: neither column tells anything by itself.
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"number": rng.normal(size=1200), "flag": rng.random(1200) < 0.5}
    )
    kind = np.where((frame.number > 0) ^ frame.flag, "one", "two")
    found = ku.mutual_information(frame, kind)
    assert found.value == pytest.approx(np.log(2), abs=0.05)
    assert found.estimator in ("trees", "tree probe", "MLP probe")


def test_how_a_result_reads():
    found = MutualInformation(0.4126, 0.39, 0.43, "copula", 10_000, {})
    assert repr(found) == "0.413 [0.390, 0.430] nats (copula, 10,000 held-out rows)"
    assert str(found) == repr(found)


NAN = np.r_[np.nan, np.arange(199)]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.arange(150.0), "must describe the same rows.*150 rows in x, 200 in y"),
        (NAN, "`x` cannot be ranked.*with missing values"),
        (np.where(np.isnan(NAN), np.inf, 1), "with infinity"),
        (np.arange(200) * 1j, "with complex numbers"),
        (pd.date_range("2020", periods=200), "with times"),
        (np.zeros((200, 0)), "with no rows or no columns"),
        (np.zeros((200, 2, 2)), r"shape \(200, 2, 2\).*Flatten"),
        ("age", "`x` must hold a row of values.*Received: str"),
        (np.ones(200), "Information about a constant is 0"),
        ([f"name {n}" for n in range(200)], "200 values of '0' in 200 rows"),
        # One value, written in two ways.
        (np.array([1, "1"] * 100, object), "Information about a constant is 0"),
        (sparse.csr_matrix(np.ones((200, 2))), "Information about a constant is 0"),
        ((n for n in range(200)), "`x` cannot be read as columns"),
    ],
)
def test_what_has_no_information(x, message):
    with pytest.raises(ValueError, match=message):
        ku.mutual_information(x, np.arange(200.0))


def test_too_few_rows():
    with pytest.raises(ValueError, match="100 rows or more in both. Received: 60"):
        ku.mutual_information(np.arange(60.0), np.arange(60.0))
    with pytest.raises(ValueError, match="`seed` is out of range"):
        ku.mutual_information(np.arange(200.0), np.arange(200.0), seed=-1)


# Columns.


def test_large_integers_keep_their_digits():
    times = 1_700_000_000_000_000_000 + np.arange(40)
    (ranks,) = read_columns("x", times).ranks.T
    np.testing.assert_allclose(ranks, (np.arange(40) + 0.5) / 40)
    nullable = pd.Series(times, dtype="Int64")
    np.testing.assert_array_equal(read_columns("x", nullable).ranks[:, 0], ranks)


def test_columns_are_told_apart():
    frame = pd.DataFrame(
        {
            "age": np.arange(40) % 20,
            "grade": np.arange(40) % 12 + 0.5,
            "sex": ["f", "m"] * 20,
            "member": [True, False] * 20,
            "same": 1,
        }
    )
    columns = read_columns("x", frame)
    np.testing.assert_allclose(columns.ranks[:3, 0], [0.025, 0.075, 0.125])
    assert [len(names) for names in columns.categories.names] == [12, 2, 2]
    assert columns.categories.names[1] == ["f", "m"]
    assert not columns.are_categories
    assert columns.scores().shape == (40, 1 + 12 + 2 + 2)
    np.testing.assert_allclose(columns.scores()[0, 0], stats.norm.ppf(0.025))
    np.testing.assert_allclose(columns.scores(3.0)[0, 0], stats.t.ppf(0.025, 3))


def test_increasing_maps_of_a_column_change_nothing():
    x = np.random.default_rng(0).normal(size=(50, 2))
    for maps in (np.exp, np.cbrt, lambda column: 10 * column - 3):
        columns = read_columns("x", maps(x))
        np.testing.assert_array_equal(columns.ranks, read_columns("x", x).ranks)


def test_a_wide_side_is_reduced():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(300, 5))
    wide = shared @ rng.normal(size=(5, 200)) + 0.01 * rng.normal(size=(300, 200))
    scores = read_columns("x", wide).scores()
    assert scores.shape == (300, 128)
    found = np.linalg.lstsq(scores, shared, rcond=None)[0]
    np.testing.assert_allclose(scores @ found, shared, atol=0.5)


# The copula.


@pytest.mark.parametrize("freedom", [np.inf, 3.0])
def test_the_log_ratio_is_that_of_three_densities(freedom):
    rng = np.random.default_rng(0)
    x, y = (read_columns("x", rng.normal(size=(50, 2))) for _ in range(2))
    correlations = np.array([0.7, 0.2])
    copula = Copula(freedom, (np.eye(2), np.eye(2)), correlations)
    found = copula.log_ratio(copula.embed(0, x), copula.embed(1, y))

    def log_density(points, shape):
        zero = np.zeros(len(shape))
        if np.isinf(freedom):
            return stats.multivariate_normal(zero, shape).logpdf(points)
        return stats.multivariate_t(zero, shape, freedom).logpdf(points)

    cross = np.diag(correlations)
    joint = np.block([[np.eye(2), cross], [cross, np.eye(2)]])
    left, right = x.scores(freedom), y.scores(freedom)
    expected = log_density(np.hstack([left, right]), joint)
    expected -= log_density(left, np.eye(2)) + log_density(right, np.eye(2))
    np.testing.assert_allclose(found, expected)


def test_the_copula_of_heavy_tails():
    # Uncorrelated, but large together.
    rows = stats.multivariate_t([0, 0], np.eye(2), 1, seed=0).rvs(3000)
    x, y = read_columns("x", rows[:, 0]), read_columns("y", rows[:, 1])
    fitted, choice, held_out = parts(3000)
    copula = fit_copula(x, y, fitted, choice)
    assert copula.freedom == 1
    pairs = (copula.embed(side, c)[held_out] for side, c in enumerate((x, y)))
    # The closed form of Cauchy's distribution in two dimensions.
    assert copula.log_ratio(*pairs).mean() == pytest.approx(0.2242, abs=0.05)


def test_noise_has_no_correlations():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=2000)
    x, y = rng.normal(size=(2, 2000, 20))
    x[:, 3] += 2 * shared
    y[:, 7] -= 2 * shared
    x, y = read_columns("x", x), read_columns("y", y)
    copula = fit_copula(x, y, *parts(2000)[:2])
    assert len(copula.correlations) <= 3
    assert copula.correlations[0] == pytest.approx(0.8, abs=0.05)


def test_columns_that_say_the_same_are_one_direction():
    x, y = gaussians(0.6)
    copula = fit_copula(
        read_columns("x", np.stack([x, 2 * x, x + 1], 1)),
        read_columns("y", y),
        *parts(600)[:2],
    )
    assert [matrix.shape[1] for matrix in copula.maps] == [1, 1]


# Trees and network.


def test_trees_find_an_edge():
    # Y is X with noise of a tenth of its range, and so I = log 10 or nearly.
    rng = np.random.default_rng(0)
    x = rng.random(3000)
    sides = read_columns("x", x), read_columns("y", (x + rng.random(3000) / 10) % 1)
    split = parts(3000)
    copula = fit_copula(*sides, *split[:2])
    trees = fit_trees(sides, copula, split, seed=0)
    _, terms = _evaluate_ratio(trees, *split[1:], np.random.default_rng(0))
    assert np.log(10) - 0.35 < terms.mean() < np.log(10) + 0.02


@pytest.mark.parametrize("freedom", [np.inf, 2.0])
def test_the_critic_adds_networks_to_the_copula(freedom):
    rng = np.random.default_rng(0)
    x, y = (read_columns("x", rng.normal(size=(30, 3))) for _ in range(2))
    copula = Copula(freedom, (np.eye(3), np.eye(3)), np.array([0.5, 0.3]))
    critic = network.CopulaCritic(copula, size=4, hidden=(8,), seed=0)
    known = copula.embed(0, x), copula.embed(1, y)
    inputs = rng.normal(size=(2, 30, 5))
    rows = [
        np.concatenate(pair, 1).astype(np.float32)
        for pair in zip(known, inputs, strict=True)
    ]
    critic.build(rows[0].shape, rows[1].shape)
    joint, scores, pairs = critic(*rows, labels=None, seed=[0, 0])
    f, g = (
        np.asarray(tower(part.astype(np.float32)))
        for tower, part in zip(critic.towers, inputs, strict=True)
    )
    expected = copula.log_ratio(known[0][[4]], known[1][[7]])[0]
    expected += f[4, 1:] @ g[7, 1:] / 2 + f[4, 0] + g[7, 0]
    np.testing.assert_allclose(scores[4, 7], expected, rtol=1e-4)
    np.testing.assert_allclose(joint, np.diag(scores))
    np.testing.assert_array_equal(pairs, 1 - np.eye(30))


# The bound.


def test_the_terms_of_the_bound():
    # Against all pairs, with the constant of all pairs of the rows for choice.
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 40))
    choice, held_out = np.split(rng.permutation(40), 2)
    bound, terms = _evaluate_ratio(lambda i, j: table[i, j], choice, held_out, rng)
    off = ~np.eye(20, dtype=bool)
    marginal = table[np.ix_(choice, choice)]
    constant = np.log(np.exp(marginal[off]).mean())
    assert bound == pytest.approx(np.diag(marginal).mean() - constant)
    inside = table[np.ix_(held_out, held_out)].clip(marginal.min(), marginal.max())
    expected = np.diag(inside).mean() - constant + 1
    expected -= np.exp(inside[off] - constant).mean()
    assert terms.mean() == pytest.approx(expected)


def test_a_constant_in_the_log_ratio_does_not_matter():
    x, y = gaussians(0.8)
    sides = read_columns("x", x), read_columns("y", y)
    split = parts(600)
    copula = fit_copula(*sides, *split[:2])
    embedded = [copula.embed(side, columns) for side, columns in enumerate(sides)]
    values = [
        _evaluate_ratio(
            lambda i, j, c=c: copula.log_ratio(embedded[0][i], embedded[1][j]) + c,
            *split[1:],
            np.random.default_rng(0),
        )[1]
        for c in (0.0, 5.0)
    ]
    np.testing.assert_allclose(*values)


def test_random_pairs_leave_out_the_observed_ones():
    rows = np.array([4, 7, 9])
    first, second = random_pairs(rows, 10, np.random.default_rng(0))
    assert len(first) == 6
    expected = {(i, j) for i in rows for j in rows if i != j}
    assert {*zip(first.tolist(), second.tolist(), strict=True)} == expected
