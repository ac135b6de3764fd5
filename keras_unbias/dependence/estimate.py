"""One call for the mutual information of any columns."""

from typing import Any

import numpy as np

from keras_unbias import replicas
from keras_unbias.checks import check_integer
from keras_unbias.dependence.bootstrap import Bootstrap
from keras_unbias.dependence.columns import read_columns
from keras_unbias.dependence.cross_fitting import MutualInformation, Probed, cross_fit

MIN_ROWS = 100


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
    probed = None
    categories = [side.are_categories for side in sides]
    if any(categories):
        target = categories.index(True)
        probed = Probed(sides[1 - target].scores(), sides[target].categories)
    generator = np.random.default_rng(seed)
    found = cross_fit(sides, probed, seed=seed, generator=generator)
    return found.information(Bootstrap(resamples, generator))
