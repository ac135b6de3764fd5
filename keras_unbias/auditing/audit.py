"""What a finished representation still tells of the attribute."""

import dataclasses
import math
import warnings

import numpy as np

from keras_unbias import information
from keras_unbias.auditing import critics, metrics, outputs, probes
from keras_unbias.auditing.report import Audit, Estimate, Leakage
from keras_unbias.information import discrete

# Critics of an audit: one that misses what there is to see is outvoted.
CRITICS = (
    information.SeparableCritic,
    information.ConcatenatedCritic,
)
DONSKER_VARADHAN = "Donsker-Varadhan"
# Accuracies of fewer rows are not worth a name.
SMALLEST_GROUP = 10


def audit(
    model_or_features,
    dataset,
    *,
    predictions=None,
    seed=0,
    rows=12_000,
    resamples=200,
):
    """Answers what a representation still tells about the attribute.

    By fresh estimators, never that of the training: two critics with the
    Donsker-Varadhan bound, and three probes (linear, MLP, gradient-boosted
    trees) with `H(C) - CE`. In expectation all are lower bounds, so the
    largest says most; on few rows their noise is a few hundredths of a nat in
    either direction. What no estimator finds may still be there. The trees
    take the longest, a minute and more where the attribute has many values.

    Args:
        model_or_features: a `RepresentationClassifier`, what `load_classifier`
            returns, any function of a batch of inputs that returns a dict with
            `"features"` and, for the accuracies, `"logits"`; or the features
            themselves, a `(rows, d)` array.
        dataset: rows that neither model nor training saw: a `BiasedDataset`,
            whose test split is taken; a `tf.data.Dataset` of batches `(x,
            {"label": y, "attribute": c})`; or one such pair of arrays (with
            features, x may be `None`). The label may be missing. Only labels
            that are class numbers (integers, booleans, or 0.0 and 1.0) are
            looked at; strings are refused.
        predictions: `(rows,)` array of class numbers, predicted by another
            kind of model. Defaults to `None`, those of the logits: the
            largest, or the sign of a single one.
        seed: int, of the rows, the estimators and the bootstrap.
        rows: int, rows that are looked at, drawn by seed; all where there are
            fewer. Defaults to 12,000.
        resamples: int, bootstrap samples of an interval. Defaults to 200.

    Returns:
        An `Audit`.

    Raises:
        ValueError: there are fewer than 60 rows, features that are no matrix
            of finite numbers, arrays that differ in length, one attribute in
            all rows, or labels or predictions that name no classes.
    """
    features, logits, targets, parts = outputs.collect_outputs(
        model_or_features, dataset
    )
    labels = outputs.class_numbers(targets.get("label"))
    if predictions is not None:
        predictions = outputs.given_classes(predictions)
    elif logits is not None and labels is not None:
        predictions = outputs.named_classes(logits, labels)
    _check(features, targets["attribute"], labels, predictions, rows)
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(features))[:rows]
    features = features[chosen]
    attributes = np.asarray(targets["attribute"], np.float32)[chosen]
    attribute = probes.codes(attributes, parts)
    values = len(np.unique(attribute.cells))
    if values == 1:
        raise ValueError(
            "All rows have the same attribute: there is nothing to tell. "
            "Expected: rows of two values or more. Received: one, "
            f"{attributes[0].tolist()}. Were codes made of other columns?"
        )
    if 15 * values > len(chosen):
        warnings.warn(
            f"There are {values} values of the attribute in {len(chosen)} "
            "rows. With fewer than 15 rows per value the floor is too high and "
            "the bounds are too low: merge values, or audit the columns one "
            "by one.",
            stacklevel=2,
        )
    split = critics.split_rows(len(chosen), generator)
    examined = _Rows(
        features, critics.scaled(attributes), attribute, split, seed
    )
    bootstrap = _Bootstrap(resamples, generator)
    floor, further = 0.0, {}
    if labels is not None:
        labels = labels[chosen]
        floor = discrete.discrete_mutual_information(labels, attribute.cells)
    leakage = _leakage(examined, bootstrap, floor=floor)
    if labels is not None:
        further["conditional_leakage"] = _leakage(
            examined, bootstrap, np.unique(labels, return_inverse=True)[1]
        )
        if predictions is not None:
            further.update(
                _accuracies(labels, predictions[chosen], attribute, bootstrap)
            )
    return Audit(rows=len(chosen), leakage=leakage, **further)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """What is looked at: a row of each array for a row of the data.

    Args:
        features: `(rows, d)` array.
        vectors: `(rows, a)` array of the attribute, for critics.
        attribute: `probes.Codes` of it, for probes.
        split: as `critics.split_rows` returns it.
        seed: int, of the estimators.
    """

    features: np.ndarray
    vectors: np.ndarray
    attribute: probes.Codes
    split: list
    seed: int


def _leakage(rows, bootstrap, inside=None, floor=0.0):
    """`Leakage` of all rows, or inside the classes `inside`, `(rows,)`."""
    _, choice, held_out = rows.split
    cells = rows.attribute.cells
    classes = np.zeros(len(cells), int) if inside is None else inside
    ceiling = discrete.entropy(cells)
    ceiling -= discrete.discrete_mutual_information(classes, cells)
    told = probes.evaluate_probes(
        rows.features, rows.attribute, inside, *rows.split, seed=rows.seed
    )
    # log p(c), or log p(c|y), of every row.
    counts = np.zeros((classes.max() + 1, cells.max() + 1))
    np.add.at(counts, (classes, cells), 1)
    shares = counts / counts.sum(1, keepdims=True)
    frequencies = np.log(shares[classes, cells])
    quality, bounds, accuracies = {}, {}, {}
    for name, answers in told.items():
        quality[name] = bootstrap.mean(answers.choice - frequencies[choice])
        bounds[name] = bootstrap.mean(answers.held_out - frequencies[held_out])
        accuracies[name] = bootstrap.mean(answers.right)
    read = _best_critic(rows, inside)
    quality[DONSKER_VARADHAN], bounds[DONSKER_VARADHAN] = (
        bootstrap(lambda drawn, part=part: read(part[drawn]), len(part))
        for part in (choice, held_out)
    )
    return Leakage(
        bounds=bounds,
        largest=max(quality, key=lambda name: quality[name].low),
        floor=floor,
        ceiling=ceiling if rows.attribute.exact else math.inf,
        probe_accuracy=accuracies,
        majority_accuracy=float(
            np.mean(counts.argmax(1)[classes[held_out]] == cells[held_out])
        ),
    )


def _best_critic(rows, inside):
    """A function from row numbers to the bound of the critic that fits best."""
    fits = [
        critics.fit_critic(
            rows.features,
            rows.vectors,
            inside,
            num_classes=None if inside is None else inside.max() + 1,
            split=rows.split,
            generator=np.random.default_rng(rows.seed),
            critic=critic.for_attributes(rows.vectors, seed=rows.seed),
            epochs=40,
            batch_size=critics.batch_size_of(len(rows.features)),
            seed=rows.seed,
        )
        for critic in CRITICS
    ]
    return max(fits, key=lambda fit: fit[0])[1]


def _accuracies(labels, predictions, attribute, bootstrap):
    groups = [
        (name if len(attribute.names) == 1 else f"{part}: {name}", member)
        for part, names in enumerate(attribute.names)
        for code, name in enumerate(names)
        if (member := attribute.values[:, part] == code).any()
    ]
    hits = labels == predictions
    cells = {
        f"label {label}, attribute {name}": float(hits[both].mean())
        for name, member in groups
        for label in np.unique(labels)
        if (both := member & (labels == label)).sum() >= SMALLEST_GROUP
    }
    opportunity = None
    binary = len(np.unique(labels)) == 2 and len(attribute.names) == 1
    if binary and len(attribute.names[0]) > 1:
        values = attribute.values[:, 0]

        def difference(rows):
            # A sample may miss a group: then there is nothing to compare.
            if len(np.unique(values[rows])) < len(np.unique(values)):
                return math.nan
            return metrics.equal_opportunity(
                labels[rows],
                predictions[rows],
                values[rows],
                positive=labels.max(),
            )

        opportunity = bootstrap(difference, len(labels))
    worst = min(cells, key=cells.get, default="none of 10 rows")
    return {
        "accuracy": bootstrap.mean(hits),
        "accuracy_per_attribute": {
            name: bootstrap.mean(hits[member]) for name, member in groups
        },
        "worst_group": (worst, cells.get(worst, math.nan)),
        "equal_opportunity": opportunity,
    }


class _Bootstrap:
    """Percentile intervals over resampled rows."""

    def __init__(self, resamples, generator):
        self.resamples = resamples
        self.generator = generator

    def __call__(self, statistic, rows):
        """`Estimate` of a function of row numbers in `0..rows-1`."""
        values = [
            statistic(self.generator.integers(0, rows, rows))
            for _ in range(self.resamples)
        ]
        values = np.array(values)[~np.isnan(values)]
        low, high = (
            np.percentile(values, (2.5, 97.5))
            if len(values)
            else 2 * [math.nan]
        )
        return Estimate(
            float(statistic(np.arange(rows))), float(low), float(high)
        )

    def mean(self, values):
        """`Estimate` of a mean."""
        values = np.asarray(values, float)
        return self(lambda rows: values[rows].mean(), len(values))


def _check(features, attributes, labels, predictions, rows):
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            "Features are one vector of finite numbers per row. Expected: "
            f"shape (rows, d). Received: shape {features.shape}"
            + (", NaN or infinity among them." * (features.ndim == 2))
        )
    lengths = {
        "features": len(features),
        "attribute": len(attributes),
        **({} if labels is None else {"label": len(labels)}),
        **({} if predictions is None else {"predictions": len(predictions)}),
    }
    if len(set(lengths.values())) > 1 or min(len(features), rows) < 60:
        raise ValueError(
            "An audit fits estimators to two thirds of the rows. Expected: "
            "60 rows or more, as many in each array. Received: "
            f"{lengths}, rows={rows}."
        )
