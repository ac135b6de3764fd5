"""Confidence intervals by bootstrap over rows."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True, repr=False)
class Estimate:
    """A value with its 95 % confidence interval, by bootstrap over the rows.

    Args:
        value: float, the estimate.
        low: float, the lower end of the interval.
        high: float, the upper end of the interval.

    Example:

    >>> print(Estimate(0.5, 0.45, 0.56))
    0.500 [0.450, 0.560]
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def __repr__(self):
        return f"Estimate({self})"


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
