"""A trial on half of the rows: does one training beat another without the bias?"""

import numpy as np

# Of the rows that contradict the bias, the fewest whose errors say something.
FEWEST = 10


def halves(kinds: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Halves rows at random, and every kind of rows.

    Args:
        kinds: int array of shape `(rows,)`.
        seed: int, the seed.

    Returns:
        Two int arrays, the numbers of the rows of each half. A row that is the
        only one of its kind is in the first.

    Example:

    >>> first, second = halves(np.array([0, 0, 1, 1, 2]), seed=0)
    >>> len(first), len(second)
    (3, 2)
    """
    order = np.random.default_rng(seed).permutation(len(kinds))
    order = order[np.argsort(kinds[order], kind="stable")]
    place = np.arange(len(kinds)) - np.searchsorted(kinds[order], kinds[order])
    return order[place % 2 == 0], order[place % 2 == 1]


def count(rows: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Counts rows. Rows of unequal weights count as fewer of equal ones.

    Args:
        rows: bool array of shape `(rows,)`, those to count.
        weight: float array of shape `(rows,)`. Defaults to `None`, equal ones.

    Returns:
        The number of rows, or Kish's effective number.

    Example:

    >>> float(count(np.array([True, True, False]), np.array([3.0, 3.0, 1.0])))
    2.0
    """
    counted = np.ones(rows.sum()) if weight is None else weight[rows]
    return counted.sum() ** 2 / max((counted**2).sum(), np.finfo(float).tiny)


def is_better(
    right: np.ndarray,
    other: np.ndarray,
    unusual: np.ndarray,
    weight: np.ndarray | None = None,
) -> bool:
    """Tells whether answers are better than others without the bias.

    Args:
        right: bool array of shape `(rows,)`, which answers are right.
        other: bool array of shape `(rows,)`, which other answers are.
        unusual: bool array of shape `(rows,)`, the rows that contradict the
            bias. They count as much as the rest together.
        weight: float array of shape `(rows,)`, how much each row counts.
            Defaults to `None`, equally.

    Returns:
        Whether the difference is larger than its standard error.

    Example:

    >>> unusual = np.arange(100) < 10
    >>> bool(is_better(np.ones(100, bool), ~unusual, unusual))
    True
    """
    gain = right.astype(float) - other
    weight = np.ones(len(gain)) if weight is None else weight
    means, errors = [], []
    for rows in (unusual, ~unusual):
        share = weight[rows] / weight[rows].sum()
        mean = share @ gain[rows]
        means.append(mean)
        errors.append(share**2 @ (gain[rows] - mean) ** 2)
    return sum(means) > np.sqrt(sum(errors))
