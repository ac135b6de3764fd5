"""One call for the mutual information of any columns."""

import collections
import dataclasses
from typing import Any

import numpy as np
from scipy import special

from keras_unbias import replicas
from keras_unbias.auditing import probes
from keras_unbias.auditing.bootstrap import Bootstrap
from keras_unbias.auditing.report import Estimate
from keras_unbias.checks import check_integer
from keras_unbias.dependence.columns import Columns, read_columns
from keras_unbias.dependence.copula import fit_copula
from keras_unbias.dependence.network import fit_network
from keras_unbias.dependence.trees import fit_trees, random_pairs

FOLDS = 3
MIN_ROWS = 100
# Random pairs that each held-out row is in.
PAIRINGS = 20


@dataclasses.dataclass(frozen=True, repr=False)
class MutualInformation(Estimate):
    """A mutual information in nats, with its 95 % confidence interval.

    Args:
        value: float, the estimate. Noise of the rows may take it below 0.
        low: float, the lower end of the interval.
        high: float, the upper end of the interval.
        estimator: str, the estimator that was chosen most often.
        rows: int, the number of held-out rows. Every row is held out once.
        bounds: dict from the names of all estimators to `Estimate`, what each
            of them finds by itself.

    Example:

    >>> MutualInformation(0.41, 0.39, 0.43, "copula", 10_000, {})
    0.410 [0.390, 0.430] nats (copula, 10,000 held-out rows)
    """

    estimator: str
    rows: int
    bounds: dict[str, Estimate]

    def __repr__(self):
        numbers = super().__str__()
        return f"{numbers} nats ({self.estimator}, {self.rows:,} held-out rows)"

    __str__ = __repr__


def mutual_information(
    x: Any, y: Any, *, seed: int = 0, resamples: int = 200
) -> MutualInformation:
    """Estimates the mutual information I(X;Y) of two sets of columns.

    The rows are split into three folds. Estimators are fitted to most of the
    rows of two folds. The one that is best on the others of these rows is
    evaluated on the third fold. So no row takes part in the choice or the fit
    of the estimator that it is evaluated with. Only ranks and the shares of
    categories are those of all rows. In expectation the value is a lower
    bound. Information that no estimator finds may still be there.

    Estimators of the log-ratio `t(x,y) = log p(x,y) / (p(x) p(y))` are
    Student's copula, trees that tell observed from random pairs, and a network
    on top of the copula. Their bound is that of Nguyen, Wainwright and Jordan,
    `E_joint[t] + 1 - E_marginal[exp t]`. Where one side has categories alone,
    the probes of `audit` take the place of the network.

    Continuous columns are replaced by their ranks: the information does not
    change under increasing maps, and neither does the value. 10,000 rows take
    less than a minute. The time grows with the number of rows.

    Args:
        x: array, list, series or frame of shape `(rows,)` or `(rows,
            columns)`. Columns of strings, categories, booleans, and of numbers
            with at most 12 values are categories. Other numbers are
            continuous. Make a number with more values a category with
            `astype(str)`. The order of categories does not matter.
        y: as `x`, with as many rows.
        seed: int, the seed of the folds, the estimators and the bootstrap.
            Defaults to 0.
        resamples: int, bootstrap samples per interval. Defaults to 200.

    Returns:
        A `MutualInformation`.

    Raises:
        ValueError: if `x` and `y` differ in length or have fewer than 100
            rows, if a value is missing, infinite or complex, or if all columns
            of a side are constant, or if a column of texts has fewer than 15
            rows per value.

    References:
        Nguyen et al., "Estimating Divergence Functionals and the Likelihood
        Ratio by Convex Risk Minimization", IEEE Transactions on Information
        Theory 2010.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> x = rng.integers(0, 2, 600)
    >>> y = np.where(rng.random(600) < 0.9, x, 1 - x)
    >>> found = mutual_information(x, y)
    >>> found.low < 0.368 < found.high
    True
    """
    replicas.check_no_scope("`mutual_information`")
    check_integer("seed", seed, minimum=0)
    check_integer("resamples", resamples, minimum=1)
    sides = read_columns("x", x), read_columns("y", y)
    rows = len(sides[0].ranks)
    if rows != len(sides[1].ranks) or rows < MIN_ROWS:
        raise ValueError(
            "`x` and `y` must describe the same rows, and enough of them. Expected: "
            f"{MIN_ROWS} rows or more in both. Received: {rows} rows in x, "
            f"{len(sides[1].ranks)} in y. Pass one row of each per observation."
        )
    generator = np.random.default_rng(seed)
    folds = np.array_split(generator.permutation(rows), FOLDS)
    chosen, terms, all_terms = [], np.zeros(rows), {}
    for number, held_out in enumerate(folds):
        rest = np.concatenate(folds[:number] + folds[number + 1 :])
        choice, fitted = np.split(generator.permutation(rest), [len(rest) // 6])
        found = _evaluate(sides, [fitted, choice, held_out], seed, generator)
        best = max(found, key=lambda name: found[name][0])
        chosen.append(best)
        terms[held_out] = found[best][1]
        for name, (_, part) in found.items():
            all_terms.setdefault(name, np.zeros(rows))[held_out] = part
    bootstrap = Bootstrap(resamples, generator)
    return MutualInformation(
        *dataclasses.astuple(bootstrap.mean(terms)),
        estimator=collections.Counter(chosen).most_common(1)[0][0],
        rows=rows,
        bounds={name: bootstrap.mean(part) for name, part in all_terms.items()},
    )


def _evaluate(
    sides: tuple[Columns, Columns],
    split: list[np.ndarray],
    seed: int,
    generator: np.random.Generator,
) -> dict[str, tuple[float, np.ndarray]]:
    """Fits all estimators.

    Returns:
        Dict from their names to the bound on the rows for choice, and the
        terms of the held-out rows, whose mean is the bound.
    """
    fitted, choice, held_out = split
    copula = fit_copula(*sides, fitted, choice)
    embedded = [copula.embed(side, columns) for side, columns in enumerate(sides)]
    ratios = {
        "copula": lambda i, j: copula.log_ratio(embedded[0][i], embedded[1][j]),
        "trees": fit_trees(sides, copula, split, seed),
    }
    found = {}
    categories = [side.are_categories for side in sides]
    if any(categories):
        target = categories.index(True)
        found = _probes(sides[1 - target], sides[target], split, seed)
    else:
        ratios["network"] = fit_network(sides, copula, split, seed)
    for name, ratio in ratios.items():
        found[name] = _evaluate_ratio(ratio, choice, held_out, generator)
    return found


def _probes(inputs, target, split, seed):
    _, choice, held_out = split
    cells = target.categories.cells
    log_shares = np.log(np.bincount(cells) / len(cells))[cells]
    results = probes.evaluate_probes(
        inputs.scores(), target.categories, None, split, seed=seed
    )
    return {
        name: (
            float(np.mean(result.choice - log_shares[choice])),
            result.held_out - log_shares[held_out],
        )
        for name, result in results.items()
    }


def _evaluate_ratio(ratio, choice, held_out, generator):
    """Returns the bound on the rows for choice, and the terms of held-out rows.

    The rows for choice set the constant in the log-ratio, and its range: beyond
    it an estimator extrapolates, and a single row could decide the value.
    """
    pairs = random_pairs(choice, PAIRINGS, generator)
    observed, random = ratio(choice, choice), ratio(*pairs)
    constant = special.logsumexp(random) - np.log(len(random))
    both = np.concatenate([observed, random])
    low, high = both.min(), both.max()
    first, second = random_pairs(held_out, PAIRINGS, generator)
    weights = np.exp(ratio(first, second).clip(low, high) - constant)
    # A row counts on both sides of the random pairs.
    shares = sum(
        np.bincount(side, weights)[held_out] / np.bincount(side)[held_out]
        for side in (first, second)
    )
    terms = ratio(held_out, held_out).clip(low, high) - constant
    return observed.mean() - constant, terms + 1 + weights.mean() - shares
