"""Probes: classifiers that try to name the attribute from features.

A probe that gives the attribute the probability q(c|z) bounds the mutual
information from below, `I(Z;C) >= H(C) - CE`, with `CE` the mean of
`-log q(c|z)` on rows that it was not fitted to; all in nats. Inside the
classes of a label, `I(Z;C|Y) >= H(C|Y) - CE` for a q(c|z,y).

Reference: Barber & Agakov, "The IM Algorithm", NeurIPS 2003.
"""

import dataclasses
import itertools
import numbers
import warnings

import numpy as np
import pandas as pd
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

from keras_unbias.data.attributes import MAX_VALUES


def _linear(seed):
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(max_iter=1000, random_state=seed),
    )


def _mlp(seed):
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        neural_network.MLPClassifier(
            (128, 128), early_stopping=True, random_state=seed
        ),
    )


def _trees(seed):
    return ensemble.HistGradientBoostingClassifier(
        early_stopping=True, random_state=seed
    )


PROBES = {"linear probe": _linear, "MLP probe": _mlp, "tree probe": _trees}
# Of fewer rows in the fit a value is not learned: the probes that stop early
# hold a tenth of the rows out, one of each value or more.
RARE = 10
# Shares of the attribute's frequencies in a probe's answer, to choose from:
# without any, one sure error would cost infinitely many nats.
SMOOTHING = (0.001, 0.01, 0.1, 0.3, 1.0)
# Temperatures of its answer before that, to choose from: a probe that stops
# once its accuracy rises no more may be right in all rows and sure in none.
# Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
TEMPERATURES = (0.1, 0.3, 1.0, 2.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """An attribute as categories: one code for each of its parts.

    Attributes:
        values: `(rows, parts)` int array; the codes of a part count from 0.
        names: list of lists of str, what the codes of each part mean.
        exact: bool, whether the categories are the attribute; else a number
            among them was binned, and what is told of the categories is a
            lower bound of what is told of it.
    """

    values: np.ndarray
    names: list
    exact: bool

    @property
    def cells(self):
        """`(rows,)` int array, a number for each combination of codes."""
        return np.unique(self.values, axis=0, return_inverse=True)[1].ravel()


def codes(attributes, parts=None):
    """Reads categories off attribute vectors.

    Columns that have exactly one 1 among zeros in every row are one-hot codes
    of one category. Any other column is a number: its values are the
    categories, or its deciles where it has more than 12; a value that more
    than a tenth of the rows have is a category of its own.

    Args:
        attributes: `(rows, a)` float array.
        parts: widths of the one-hot parts, as in `BiasedDataset`. Defaults to
            `None`: they are found as above, from the left.

    Returns:
        `Codes`.
    """
    values, names, exact, column = [], [], True, 0
    for width in parts or _widths(attributes):
        block = attributes[:, column : column + width]
        column += width
        if _is_one_hot(block) and width > 1:
            values.append(block.argmax(1))
            names.append([str(code) for code in range(width)])
            continue
        for number in block.T:
            categories = pd.Series(number).astype("category")
            if len(categories.cat.categories) > MAX_VALUES:
                categories = _deciles(number)
                exact = False
            values.append(categories.cat.codes.to_numpy(np.int64))
            names.append([_name(c) for c in categories.cat.categories])
    return Codes(np.stack(values, 1), names, exact)


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What a probe says of the attribute of rows it was not fitted to.

    Attributes:
        choice: `(rows,)` float array, log q(c|z) in nats, of the rows that
            the probe's calibration was chosen on.
        held_out: the same of the held-out rows.
        right: `(rows,)` bool array, whether the attribute that the probe
            names is that of the held-out row.
    """

    choice: np.ndarray
    held_out: np.ndarray
    right: np.ndarray


def evaluate_probes(
    features, attribute, labels, fitted, choice, held_out, *, seed
):
    """Fits every probe and asks it.

    An attribute of several parts is named part by part, each from the features
    and the parts before it: by the chain rule the probabilities multiply.

    Args:
        features: `(rows, d)` float array.
        attribute: `Codes` of the same rows.
        labels: `(rows,)` int array, numbers from 0, for q(c|z,y); or `None`,
            for q(c|z).
        fitted: int array, the rows that probes are fitted to.
        choice: int array, the rows that they are calibrated on.
        held_out: int array, the rows that are asked for.
        seed: int.

    Returns:
        Dict from the names in `PROBES` to `Answers`.
    """
    classes = np.zeros(len(features), int) if labels is None else labels
    known = np.concatenate([features, _one_hot(classes)], 1)
    return {
        name: _answers(
            make, known, attribute, classes, fitted, choice, held_out, seed
        )
        for name, make in PROBES.items()
    }


def _answers(make, known, attribute, classes, fitted, choice, held_out, seed):
    asked = known[held_out]
    told = {"choice": 0.0, "held_out": 0.0, "right": True}
    for part, names in zip(attribute.values.T, attribute.names, strict=True):
        probe = _fit(make(seed), known[fitted], part[fitted])
        shares = _shares(classes[fitted], part[fitted], len(names))[classes]
        mixed = _calibrated(probe, known, part, shares, choice)
        told["choice"] += np.log(mixed(choice))
        told["held_out"] += np.log(mixed(held_out))
        # The true parts are not known to one who names the attribute.
        named = probe.predict(asked)
        told["right"] &= named == part[held_out]
        codes_of = np.eye(len(names))
        known = np.concatenate([known, codes_of[part]], 1)
        asked = np.concatenate([asked, codes_of[named]], 1)
    return Answers(**told)


def _fit(probe, inputs, part):
    # Rare values keep their share of the smoothing.
    common = np.bincount(part)[part] >= RARE
    if common.any():
        inputs, part = inputs[common], part[common]
    if not common.any() or len(np.unique(part)) == 1:
        return dummy.DummyClassifier().fit(inputs, part)
    with warnings.catch_warnings():
        # A probe that has not converged is a looser bound, not a wrong one.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return probe.fit(inputs, part)


def _shares(classes, part, codes):
    """`(classes, codes)` array: frequencies of the codes in each class."""
    counts = np.full((classes.max() + 1, codes), 1 / codes)
    np.add.at(counts, (classes, part), 1)
    return counts / counts.sum(1, keepdims=True)


def _calibrated(probe, known, part, shares, choice):
    """A function from rows to q(c|z): tempered, mixed with the frequencies."""

    def mixed(rows, temperature, share):
        logs = np.full((len(rows), shares.shape[1]), -np.inf)
        logs[:, probe.classes_] = np.log(
            np.maximum(probe.predict_proba(known[rows]), 1e-12)
        )
        tempered = special.softmax(logs / temperature, axis=1)
        codes = part[rows]
        of_probe = tempered[np.arange(len(rows)), codes]
        return (1 - share) * of_probe + share * shares[rows, codes]

    best = max(
        itertools.product(TEMPERATURES, SMOOTHING),
        key=lambda setting: np.log(mixed(choice, *setting)).mean(),
    )
    return lambda rows: mixed(rows, *best)


def _deciles(number):
    """A categorical series: frequent values, and deciles of the others."""
    number = pd.Series(number)
    frequent = number.map(number.value_counts(normalize=True)) > 0.1
    others = number[~frequent]
    cut = pd.qcut(others, 10, duplicates="drop", precision=4)
    if not frequent.any():
        return cut
    names = number.map(_name)
    names[~frequent] = cut.map(_name).astype(str)
    return names.astype("category")


def _one_hot(values):
    return np.eye(values.max() + 1)[values]


def _widths(attributes):
    """Widths of the one-hot blocks, from the left; 1 for a number."""
    ones = (attributes == 0) | (attributes == 1)
    widths, start = [], 0
    while start < attributes.shape[1]:
        widths.append(1)
        sums = np.zeros(len(attributes))
        for end in range(start, attributes.shape[1]):
            sums = sums + attributes[:, end]
            if not ones[:, end].all() or sums.max() > 1:
                break
            if sums.min() == 1:
                widths[-1] = end + 1 - start
                break
        start += widths[-1]
    return widths


def _is_one_hot(block):
    return np.isin(block, (0, 1)).all() and (block.sum(1) == 1).all()


def _name(category):
    if not isinstance(category, numbers.Number):
        return str(category)
    # All digits of a float32, for names tell the groups apart.
    return np.format_float_positional(np.float32(category), trim="-")
