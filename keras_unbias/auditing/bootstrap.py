"""Confidence intervals by bootstrap over rows."""

import math
from collections.abc import Callable

import numpy as np

from keras_unbias.auditing.report import Estimate


class Bootstrap:
    """Percentile intervals from resampled rows.

    Args:
        resamples: int, the number of samples per interval.
        generator: NumPy generator of the samples.

    Example:

    >>> bootstrap = Bootstrap(100, np.random.default_rng(0))
    >>> estimate = bootstrap.mean([0, 1] * 50)
    >>> estimate.low < estimate.value == 0.5 < estimate.high
    True
    """

    def __init__(self, resamples: int, generator: np.random.Generator):
        self.resamples = resamples
        self.generator = generator

    def __call__(self, statistic: Callable[[np.ndarray], float], rows: int) -> Estimate:
        """Estimates a statistic of rows.

        Args:
            statistic: function from row numbers in `0..rows-1` to a float.
                Samples for which it is NaN do not count.
            rows: int, the number of rows.

        Returns:
            The `Estimate`.
        """
        values = [
            statistic(self.generator.integers(0, rows, rows))
            for _ in range(self.resamples)
        ]
        values = np.array(values)[~np.isnan(values)]
        ends = np.percentile(values, (2.5, 97.5)) if len(values) else 2 * [math.nan]
        return Estimate(float(statistic(np.arange(rows))), *map(float, ends))

    def mean(self, values: np.ndarray) -> Estimate:
        """Estimates a mean.

        Args:
            values: array of shape `(rows,)`.

        Returns:
            The `Estimate`.
        """
        values = np.asarray(values, float)
        return self(lambda rows: values[rows].mean(), len(values))
