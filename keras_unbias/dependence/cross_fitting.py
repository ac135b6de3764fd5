"""Estimators that are fitted, chosen and evaluated on different rows."""

import collections
import dataclasses

import numpy as np
from scipy import special

from keras_unbias.data.attributes import Categories
from keras_unbias.dependence import probes
from keras_unbias.dependence.bootstrap import Bootstrap, Estimate
from keras_unbias.dependence.columns import Columns
from keras_unbias.dependence.copula import fit_copula
from keras_unbias.dependence.network import fit_network
from keras_unbias.dependence.trees import fit_trees, random_pairs

FOLDS = 3
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


@dataclasses.dataclass(frozen=True, eq=False)
class Probed:
    """What probes predict categories from.

    Args:
        inputs: float array of shape `(rows, d)`.
        categories: `Categories` of the same rows.
        labels: int array of shape `(rows,)`, class numbers from 0, which the
            probes know as well. Defaults to `None`.
    """

    inputs: np.ndarray
    categories: Categories
    labels: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class CrossFit:
    """What estimators find in rows that they were not fitted to.

    Args:
        chosen: list of str, the best estimator of each fold.
        terms: float array of shape `(rows,)`, nats: the mean is the bound of
            the chosen estimators.
        all_terms: dict from the names of all estimators to such arrays.
        correct: dict from the names of the probes to bool arrays of shape
            `(rows,)`, whether the probe predicts the category.
    """

    chosen: list[str]
    terms: np.ndarray
    all_terms: dict[str, np.ndarray]
    correct: dict[str, np.ndarray]

    def information(
        self, bootstrap: Bootstrap, known: float | np.ndarray = 0.0
    ) -> MutualInformation:
        """Returns the mean of the terms, with intervals.

        Args:
            bootstrap: the `Bootstrap` of the intervals.
            known: float array of shape `(rows,)`, nats that do not count.
                Defaults to 0.
        """
        return MutualInformation(
            *dataclasses.astuple(bootstrap.mean(self.terms - known)),
            estimator=collections.Counter(self.chosen).most_common(1)[0][0],
            rows=len(self.terms),
            bounds={
                name: bootstrap.mean(terms - known)
                for name, terms in self.all_terms.items()
            },
        )


def cross_fit(
    sides: tuple[Columns, Columns],
    probed: Probed | None,
    *,
    seed: int,
    generator: np.random.Generator,
) -> CrossFit:
    """Fits estimators to most of two folds, and evaluates them on the third.

    The estimator that is best on the other rows of the two folds is chosen.

    Args:
        sides: the two `Columns`. A side without columns is left to probes.
        probed: the `Probed` categories of one side. `None` without probes.
        seed: int, the seed of the estimators.
        generator: NumPy generator of the folds and of random pairs.

    Returns:
        The `CrossFit`.
    """
    rows = len(sides[0].ranks)
    folds = np.array_split(generator.permutation(rows), FOLDS)
    chosen, terms, all_terms, all_correct = [], np.zeros(rows), {}, {}
    for number, held_out in enumerate(folds):
        rest = np.concatenate(folds[:number] + folds[number + 1 :])
        choice, fitted = np.split(generator.permutation(rest), [len(rest) // 6])
        split = [fitted, choice, held_out]
        found, correct = _evaluate_probes(probed, split, seed)
        found |= _evaluate_ratios(sides, split, seed, generator)
        best = max(found, key=lambda name: found[name][0])
        chosen.append(best)
        terms[held_out] = found[best][1]
        for name, (_, part) in found.items():
            all_terms.setdefault(name, np.zeros(rows))[held_out] = part
        for name, part in correct.items():
            all_correct.setdefault(name, np.zeros(rows, bool))[held_out] = part
    return CrossFit(chosen, terms, all_terms, all_correct)


def _evaluate_probes(probed, split, seed):
    """Returns bounds as `_evaluate_ratios` does, and who predicts what."""
    if probed is None:
        return {}, {}
    _, choice, held_out = split
    cells = probed.categories.cells
    log_shares = np.log(np.bincount(cells) / len(cells))[cells]
    results = probes.evaluate_probes(
        probed.inputs, probed.categories, probed.labels, split, seed=seed
    )
    bounds = {
        name: (
            float(np.mean(result.choice - log_shares[choice])),
            result.held_out - log_shares[held_out],
        )
        for name, result in results.items()
    }
    return bounds, {name: result.correct for name, result in results.items()}


def _evaluate_ratios(
    sides: tuple[Columns, Columns],
    split: list[np.ndarray],
    seed: int,
    generator: np.random.Generator,
) -> dict[str, tuple[float, np.ndarray]]:
    """Fits the estimators of the log-ratio.

    Returns:
        Dict from their names to the bound on the rows for choice, and the
        terms of the held-out rows, whose mean is the bound.
    """
    if any(side.are_constant for side in sides):
        return {}
    fitted, choice, held_out = split
    copula = fit_copula(*sides, fitted, choice)
    embedded = [copula.embed(side, columns) for side, columns in enumerate(sides)]
    ratios = {
        "copula": lambda i, j: copula.log_ratio(embedded[0][i], embedded[1][j]),
        "trees": fit_trees(sides, copula, split, seed),
    }
    if not any(side.are_categories for side in sides):
        ratios["network"] = fit_network(sides, copula, split, seed)
    return {
        name: _evaluate_ratio(ratio, choice, held_out, generator)
        for name, ratio in ratios.items()
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
