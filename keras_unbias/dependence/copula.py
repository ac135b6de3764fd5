"""Student's copula, whose density ratio has a closed form.

The dependence of columns, whatever their distributions, is a distribution of
their ranks: the copula. Student's has a matrix of correlations and degrees of
freedom. With infinitely many it is the Gaussian copula. The ratio
`p(x,y) / (p(x) p(y))` of a fitted copula is a critic like any other: where the
data have another copula, it is not the best one.

References: Demarta & McNeil, "The t Copula and Related Copulas", International
Statistical Review 2005; Ince et al., "A statistical framework for neuroimaging
data analysis based on mutual information estimated via a Gaussian copula",
Human Brain Mapping 2017.
"""

import dataclasses

import numpy as np
from scipy import special

from keras_unbias.dependence.columns import NORMAL, Columns

FREEDOMS = (NORMAL, 20.0, 10.0, 6.0, 4.0, 3.0, 2.0, 1.0)
ITERATIONS = 20
# Columns that determine each other have infinite information.
MAX_CORRELATION = 0.9999
# Directions with a smaller share of the largest variance are rounding errors.
SMALLEST = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Copula:
    """A fitted copula of two sides.

    Args:
        freedom: float, the degrees of freedom.
        maps: two float arrays of shapes `(columns, d)` from the scores of a
            side to its canonical variates: uncorrelated, of variance 1, the
            first ones with the largest correlations between the sides.
        correlations: float array of shape `(k,)`, of the first k variates.
    """

    freedom: float
    maps: tuple[np.ndarray, np.ndarray]
    correlations: np.ndarray

    def variates(self, side: int, columns: Columns) -> np.ndarray:
        """Returns the canonical variates of a side, of shape `(rows, d)`."""
        return columns.scores(self.freedom) @ self.maps[side]

    def embed(self, side: int, columns: Columns) -> np.ndarray:
        """Returns what the log-ratio needs of every row of a side.

        Args:
            side: int, 0 or 1.
            columns: the `Columns` of this side.

        Returns:
            Float array of shape `(rows, k + 2)`. `log_ratio` says what the
            columns mean.
        """
        variates = self.variates(side, columns)
        squares = np.sum(variates**2, 1)
        first = variates[:, : len(self.correlations)]
        excess = self.correlations**2 / (1 - self.correlations**2)
        factor = np.sqrt(2 * self.correlations / (1 - self.correlations**2))
        own = -_log_density(squares, self.freedom, variates.shape[1])
        # Half of the constants on either side.
        total = sum(matrix.shape[1] for matrix in self.maps)
        own += _log_density(0.0, self.freedom, total) / 2
        own -= np.sum(np.log1p(-(self.correlations**2))) / 4
        return np.column_stack([factor * first, squares + first**2 @ excess, own])

    def log_ratio(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Returns the log-ratio of pairs of rows that `embed` has returned.

        Args:
            first: float array of shape `(n, k + 2)`, rows of side 0.
            second: float array of shape `(n, k + 2)`, rows of side 1.

        Returns:
            Float array of shape `(n,)`, in nats.
        """
        product = np.sum(first[:, :-2] * second[:, :-2], 1)
        distance = first[:, -2] + second[:, -2] - product
        if self.freedom == NORMAL:
            joint = -distance / 2
        else:
            width = sum(matrix.shape[1] for matrix in self.maps)
            joint = -(self.freedom + width) / 2 * np.log1p(distance / self.freedom)
        return joint + first[:, -1] + second[:, -1]


def fit_copula(
    first: Columns, second: Columns, fitted: np.ndarray, choice: np.ndarray
) -> Copula:
    """Fits a copula.

    The degrees of freedom have the largest likelihood on the rows of the fit.
    The number of canonical correlations is best on the rows for choice: all
    others are noise.

    Args:
        first: `Columns` of side 0.
        second: `Columns` of side 1.
        fitted: int array, row numbers for the fit.
        choice: int array, row numbers for the number of correlations.

    Returns:
        The `Copula`.
    """
    best, best_likelihood = None, -np.inf
    ranked = first.ranks.shape[1] and second.ranks.shape[1]
    for freedom in FREEDOMS if ranked else FREEDOMS[:1]:
        copula, likelihood = _fit(first, second, fitted, freedom)
        if likelihood < best_likelihood:
            break
        best, best_likelihood = copula, likelihood
    candidates = [
        dataclasses.replace(best, correlations=best.correlations[:count])
        for count in range(len(best.correlations) + 1)
    ]
    return max(candidates, key=lambda copula: _mean(copula, first, second, choice))


def _mean(copula, first, second, rows):
    sides = (copula.embed(side, c)[rows] for side, c in enumerate((first, second)))
    return copula.log_ratio(*sides).mean()


def _fit(first, second, rows, freedom):
    """Returns the copula of some degrees of freedom, and its log-likelihood."""
    sides = [side.scores(freedom)[rows] for side in (first, second)]
    scores = np.concatenate(sides, 1)
    matrix = _scatter(scores, freedom)
    width = sides[0].shape[1]
    inner = [
        inverse_root(matrix[:width, :width]),
        inverse_root(matrix[width:, width:]),
    ]
    cross = inner[0].T @ matrix[:width, width:] @ inner[1]
    left, correlations, right = np.linalg.svd(cross)
    correlations = np.minimum(correlations, MAX_CORRELATION)
    maps = (inner[0] @ left, inner[1] @ right.T)
    squares = np.sum((scores @ inverse_root(matrix)) ** 2, 1)
    log_density = _log_density(squares, freedom, scores.shape[1]).mean()
    log_density -= np.sum(np.log(np.maximum(np.linalg.eigvalsh(matrix), 1e-12))) / 2
    margins = _log_density(scores**2, freedom, 1).sum(1).mean()
    return Copula(freedom, maps, correlations), log_density - margins


def _scatter(scores, freedom):
    """Returns the matrix of Student's distribution, by expectation-maximization."""
    rows, width = scores.shape
    if freedom == NORMAL:
        return scores.T @ scores / rows
    matrix = np.eye(width)
    for _ in range(ITERATIONS):
        squares = np.sum((scores @ inverse_root(matrix)) ** 2, 1)
        weights = (freedom + width) / (freedom + squares)
        matrix = (scores * weights[:, None]).T @ scores / rows
    return matrix


def inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Returns the map that makes columns uncorrelated and of variance 1.

    Args:
        matrix: float array of shape `(d, d)`, the columns' covariances.

    Returns:
        Float array W of shape `(d, k)` with `W.T @ matrix @ W = 1`. Null
        directions are left out, so k may be smaller than d.

    Example:

    >>> inverse_root(np.array([[4.0]])).tolist()
    [[0.5]]
    """
    values, vectors = np.linalg.eigh(matrix)
    kept = values > SMALLEST * values.max()
    return vectors[:, kept] / np.sqrt(values[kept])


def _log_density(squares, freedom, width):
    """Returns Student's log-density, but for the determinant of its matrix."""
    if freedom == NORMAL:
        return -squares / 2 - width / 2 * np.log(2 * np.pi)
    return (
        special.gammaln((freedom + width) / 2)
        - special.gammaln(freedom / 2)
        - width / 2 * np.log(freedom * np.pi)
        - (freedom + width) / 2 * np.log1p(squares / freedom)
    )
