"""Probes: classifiers that predict the attribute from features.

A probe that gives the attribute the probability q(c|z) bounds the mutual
information from below: `I(Z;C) >= H(C) - CE`, where `CE` is the mean of
`-log q(c|z)` over rows that the probe was not fitted to. Within the classes of
a label the bound is `I(Z;C|Y) >= H(C|Y) - CE`, with a probe q(c|z,y). All
values are in nats.

Reference: Barber & Agakov, "The IM Algorithm", NeurIPS 2003.
"""

import dataclasses
import itertools
import warnings

import numpy as np
from scipy import special
from sklearn import (
    dummy,
    ensemble,
    exceptions,
    linear_model,
    neural_network,
    pipeline,
    preprocessing,
)

from keras_unbias.data.attributes import Categories


def linear_probe(seed: int = 0) -> pipeline.Pipeline:
    """Returns a logistic regression on standardized features.

    Args:
        seed: int, the random state of the regression.

    Returns:
        An unfitted scikit-learn pipeline.

    Example:

    >>> features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> probe = linear_probe().fit(features, [0, 0, 1, 1])
    >>> probe.predict([[-3.0], [3.0]]).tolist()
    [0, 1]
    """
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(max_iter=2000, random_state=seed),
    )


def _mlp_probe(seed):
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        neural_network.MLPClassifier(
            (128, 128), early_stopping=True, random_state=seed
        ),
    )


def _tree_probe(seed):
    return ensemble.HistGradientBoostingClassifier(
        early_stopping=True, random_state=seed
    )


PROBES = {
    "linear probe": linear_probe,
    "MLP probe": _mlp_probe,
    "tree probe": _tree_probe,
}
# A probe does not learn values with fewer rows in the fit. The probes that
# stop early hold out a tenth of the rows, and at least one row of each value.
RARE = 10
# Shares of the attribute's frequencies that can be mixed into a probe's
# probabilities. Without any share, one confident error would cost infinitely
# many nats.
SMOOTHING = (0.001, 0.01, 0.1, 0.3, 1.0)
# Temperatures of a probe's probabilities. A probe stops when its accuracy no
# longer rises, and may then be right in all rows and confident in none.
# Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
TEMPERATURES = (0.1, 0.3, 1.0, 2.0)


@dataclasses.dataclass(frozen=True, eq=False)
class ProbeResult:
    """Predictions of one probe for rows that it was not fitted to.

    Args:
        choice: float array of shape `(rows,)`, log q(c|z) in nats for the
            rows that the probe was calibrated on.
        held_out: float array of shape `(rows,)`, log q(c|z) in nats for the
            held-out rows.
        correct: bool array of shape `(rows,)`, whether the probe predicts the
            attribute of the held-out row.
    """

    choice: np.ndarray
    held_out: np.ndarray
    correct: np.ndarray


def evaluate_probes(
    features: np.ndarray,
    categories: Categories,
    labels: np.ndarray | None,
    split: list[np.ndarray],
    *,
    seed: int,
) -> dict[str, ProbeResult]:
    """Fits every probe and computes its log-likelihoods.

    A probe predicts an attribute of several parts part by part. It sees the
    features and the parts before, so the probabilities multiply by the chain
    rule.

    Args:
        features: float array of shape `(rows, d)`.
        categories: `Categories` of the same rows.
        labels: int array of shape `(rows,)`, class numbers from 0, for
            q(c|z,y). `None` for q(c|z).
        split: three int arrays of row numbers: the rows that probes are
            fitted to, the rows that they are calibrated on, and the held-out
            rows.
        seed: int, the seed of the probes.

    Returns:
        Dict from the names in `PROBES` to `ProbeResult`.

    Example:

    >>> from keras_unbias.data.attributes import AttributeSpec
    >>> from keras_unbias.dependence.critics import split_rows
    >>> codes = np.arange(120) % 2
    >>> categories = AttributeSpec((2,)).categories(np.eye(2)[codes])
    >>> split = split_rows(120, np.random.default_rng(0))
    >>> results = evaluate_probes(
    ...     np.eye(2)[codes], categories, None, split, seed=0
    ... )
    >>> bool(results["linear probe"].correct.all())
    True
    """
    classes = np.zeros(len(features), int) if labels is None else labels
    inputs = np.concatenate([features, np.eye(classes.max() + 1)[classes]], 1)
    return {
        name: _evaluate(make_probe, inputs, categories, classes, split, seed)
        for name, make_probe in PROBES.items()
    }


def _evaluate(make_probe, inputs, categories, classes, split, seed):
    fitted, choice, held_out = split
    predicted_inputs = inputs[held_out]
    log_likelihoods, correct = [0.0, 0.0], True
    for codes, names in zip(categories.values.T, categories.names, strict=True):
        probe = _fit(make_probe(seed), inputs[fitted], codes[fitted])
        shape = (classes.max() + 1, len(names))
        shares = _shares(classes[fitted], codes[fitted], shape)[classes]
        calibrated = _calibrated(probe, inputs, codes, shares, choice, held_out)
        sums = zip(log_likelihoods, calibrated, strict=True)
        log_likelihoods = [total + part for total, part in sums]
        # To predict a part, only the predicted parts before it are known. For
        # its likelihood, the true ones are.
        predicted = probe.predict(predicted_inputs)
        correct &= predicted == codes[held_out]
        one_hot = np.eye(len(names))
        inputs = np.concatenate([inputs, one_hot[codes]], 1)
        predicted_inputs = np.concatenate([predicted_inputs, one_hot[predicted]], 1)
    return ProbeResult(*log_likelihoods, correct)


def _fit(probe, inputs, codes):
    # The smoothing still gives rare values their share.
    common = np.bincount(codes)[codes] >= RARE
    if common.any():
        inputs, codes = inputs[common], codes[common]
    if not common.any() or len(np.unique(codes)) == 1:
        return dummy.DummyClassifier().fit(inputs, codes)
    with warnings.catch_warnings():
        # A probe that has not converged gives a looser bound, not a wrong one.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return probe.fit(inputs, codes)


def _shares(classes, codes, shape):
    """Returns the frequencies of the codes in each class."""
    counts = np.full(shape, 1 / shape[1])
    np.add.at(counts, (classes, codes), 1)
    return counts / counts.sum(1, keepdims=True)


def _calibrated(probe, inputs, codes, shares, choice, held_out):
    """Returns the calibrated log-likelihoods of two sets of rows.

    The probabilities are tempered and mixed with the frequencies. The rows for
    choice decide by how much.
    """

    def logits(rows):
        logs = np.full((len(rows), shares.shape[1]), -np.inf)
        logs[:, probe.classes_] = np.log(
            np.maximum(probe.predict_proba(inputs[rows]), 1e-12)
        )
        return logs

    def log_likelihoods(rows, logs, temperature, share):
        tempered = special.softmax(logs / temperature, axis=1)
        of_probe = tempered[np.arange(len(rows)), codes[rows]]
        mixed = (1 - share) * of_probe + share * shares[rows, codes[rows]]
        return np.log(mixed)

    choice_logits = logits(choice)
    best = max(
        itertools.product(TEMPERATURES, SMOOTHING),
        key=lambda setting: log_likelihoods(choice, choice_logits, *setting).mean(),
    )
    return (
        log_likelihoods(choice, choice_logits, *best),
        log_likelihoods(held_out, logits(held_out), *best),
    )
