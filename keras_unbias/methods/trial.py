"""A trial on held-out rows: how well would a network predict without the bias?"""

import numpy as np
from scipy import optimize, special

# Evidence is never counted more than so many times.
MOST = 10.0


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


def likelihood(
    evidence: np.ndarray,
    log_prior: np.ndarray,
    labels: np.ndarray,
    weight: np.ndarray | None = None,
) -> float:
    """Returns how likely the labels are, given the inputs and the attribute.

    The posterior p(y|x,c) is proportional to p(y|c) p(x|y), if the evidence
    log p(x|y) is free of the attribute. Evidence that repeats what the
    attribute says counts it twice, and the rows that contradict the bias are
    then unlikely. So all held-out rows tell which evidence is better without
    the bias, though nearly all of them agree with it. How strongly the
    evidence counts is fitted, for networks are too sure of it, or too little.

    Args:
        evidence: float array of shape `(rows, classes)`, logits without the
            shares of the classes.
        log_prior: float array of shape `(rows, classes)`, log p(y|c).
        labels: int array of shape `(rows,)`.
        weight: float array of shape `(rows,)`, how much each row counts.
            Defaults to `None`, equally.

    Returns:
        The mean log-likelihood of a label in nats.

    Example:

    >>> labels = np.array([0, 0, 0, 1])
    >>> known = np.log([[0.75, 0.25]] * 4)
    >>> attribute = np.array([[1, -1], [1, -1], [1, -1], [1, -1]])
    >>> bool(likelihood(0 * attribute, known, labels).round(2) == -0.56)
    True
    """
    rows = np.arange(len(labels))

    def mean(factor):
        answers = special.log_softmax(factor * evidence + log_prior, axis=1)
        return np.average(answers[rows, labels], weights=weight)

    # It is concave in the factor.
    found = optimize.minimize_scalar(
        lambda factor: -mean(factor), bounds=(0, MOST), method="bounded"
    )
    return -found.fun
