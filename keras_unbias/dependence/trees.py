"""Boosted trees that tell observed pairs from random ones.

The log-odds of a classifier of the two kinds are the log-ratio
`p(x,y) / (p(x) p(y))`. Trees find sharp edges, and categories among numbers.

Reference: Sugiyama et al., "Density Ratio Estimation in Machine Learning",
Cambridge University Press 2012.
"""

from collections.abc import Callable

import numpy as np
from sklearn import ensemble

from keras_unbias.dependence.columns import Columns
from keras_unbias.dependence.copula import Copula

# Random pairs for each observed one.
PAIRINGS = 10
# A wider side is seen by its first canonical variates.
MAX_COLUMNS = 10
# Sums and differences of so many variates: edges often lie along a diagonal.
DIAGONALS = 4


def fit_trees(
    sides: tuple[Columns, Columns],
    copula: Copula,
    split: list[np.ndarray],
    seed: int,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Fits the trees, which also see the log-ratio of the copula.

    Args:
        sides: the two `Columns`.
        copula: their `Copula`.
        split: three int arrays of row numbers, for the fit, for choice, and
            held out.
        seed: int, the seed of the random pairs and of the trees.

    Returns:
        Function from two int arrays of row numbers, of the same length, to
        the log-ratios of these pairs.
    """
    embedded = [copula.embed(side, columns) for side, columns in enumerate(sides)]
    variates = [copula.variates(side, columns) for side, columns in enumerate(sides)]
    tables = [
        np.concatenate(
            [columns.scores()[:, : columns.ranks.shape[1]], columns.categories.values],
            1,
        )
        for columns in sides
    ]
    tables = [
        table if table.shape[1] <= MAX_COLUMNS else known[:, :MAX_COLUMNS]
        for table, known in zip(tables, variates, strict=True)
    ]
    shared = min(DIAGONALS, *(known.shape[1] for known in variates))

    def inputs(first, second):
        left, right = (
            known[rows, :shared]
            for known, rows in zip(variates, (first, second), strict=True)
        )
        ratio = copula.log_ratio(embedded[0][first], embedded[1][second])
        return np.column_stack(
            [tables[0][first], tables[1][second], left - right, left + right, ratio]
        )

    fitted = split[0]
    generator = np.random.default_rng(seed)
    first, second = random_pairs(fitted, PAIRINGS, generator)
    observed = np.repeat([1, 0], [len(fitted), len(first)])
    trees = ensemble.HistGradientBoostingClassifier(
        learning_rate=0.04,
        max_iter=1000,
        max_leaf_nodes=10,
        l2_regularization=1.0,
        early_stopping=True,
        validation_fraction=0.15,
        random_state=seed,
    ).fit(
        inputs(np.concatenate([fitted, first]), np.concatenate([fitted, second])),
        observed,
    )
    offset = np.log(len(first) / len(fitted))
    return lambda *pairs: trees.decision_function(inputs(*pairs)) + offset


def random_pairs(
    rows: np.ndarray, pairings: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs every row with others.

    Args:
        rows: int array, row numbers in random order.
        pairings: int, how many others, at most as many as there are.
        generator: NumPy generator of the pairs.

    Returns:
        Two int arrays of shape `(pairings * len(rows),)`, one pairing after
        the other. Every row is in each of the two once a pairing.

    Example:

    >>> first, second = random_pairs(np.arange(3), 2, np.random.default_rng(0))
    >>> first.tolist(), bool((first == second).any())
    ([0, 1, 2, 0, 1, 2], False)
    """
    pairings = min(pairings, len(rows) - 1)
    shifts = 1 + generator.choice(len(rows) - 1, pairings, replace=False)
    return np.tile(rows, pairings), np.concatenate([np.roll(rows, s) for s in shifts])
