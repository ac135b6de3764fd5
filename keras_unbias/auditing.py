"""What a finished representation still tells of the attribute."""

import dataclasses
import math
import warnings

import matplotlib.figure
import numpy as np
import pandas as pd
import tabulate

from keras_unbias import (
    fresh_estimators,
    metrics,
    mutual_information,
    observation,
    probes,
)

# Critics of an audit: one that misses what there is to see is outvoted.
CRITICS = (
    mutual_information.SeparableCritic,
    mutual_information.ConcatenatedCritic,
)
DONSKER_VARADHAN = "Donsker-Varadhan"
# Accuracies of fewer rows are not worth a name.
SMALLEST_GROUP = 10


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval, by bootstrap over rows.

    Attributes:
        value: float.
        low: float.
        high: float.
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclasses.dataclass(frozen=True)
class Leakage:
    """What features tell of an attribute, in all or inside the classes.

    Attributes:
        bounds: dict from estimators to `Estimate`, lower bounds of the mutual
            information in nats: `"Donsker-Varadhan"` and those of
            `probes.PROBES`.
        largest: str, the estimator whose bound was surely the largest (by the
            lower end of its interval) on other rows than those it is read on.
        floor: float, nats: what features that tell the label must tell;
            I(Y;C), or 0 inside the classes.
        ceiling: float, nats: what there is to tell; H(C), or H(C|Y).
            Infinite if the attribute has a continuous part.
        probe_accuracy: dict from probes to `Estimate`, the share of rows
            whose attribute they name.
        majority_accuracy: float, the share that is named right without the
            features.
    """

    bounds: dict
    largest: str
    floor: float
    ceiling: float
    probe_accuracy: dict
    majority_accuracy: float

    @property
    def information(self):
        """`Estimate`, nats: the bound of the `largest` estimator."""
        return self.bounds[self.largest]


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a representation tells of an attribute, on held-out rows.

    Attributes:
        rows: int, the rows that were looked at. Estimators are fitted to two
            thirds of them, chosen on a sixth, and read on a sixth.
        leakage: `Leakage` of I(Z;C).
        conditional_leakage: `Leakage` of I(Z;C|Y); `None` without labels.
        accuracy: `Estimate` of the classifier's accuracy on all rows; `None`
            without predictions or labels, as all that follows.
        accuracy_per_attribute: dict from attribute values to accuracies.
        worst_group: tuple of the name and the accuracy of the worst group of
            one label and one attribute value (Sagawa et al. 2020) among those
            of at least 10 rows.
        equal_opportunity: `Estimate` of the largest difference of the true
            positive rates of two attribute values; `None` unless there are
            two labels and one part of the attribute.
    """

    rows: int
    leakage: Leakage
    conditional_leakage: Leakage | None = None
    accuracy: Estimate | None = None
    accuracy_per_attribute: dict | None = None
    worst_group: tuple | None = None
    equal_opportunity: Estimate | None = None

    def to_frame(self):
        """One row for every number.

        Returns:
            `pandas.DataFrame` with the columns `quantity`, `of` (estimator or
            group), `value`, `low`, `high` (NaN where there is no interval).
        """
        lines = []
        for sign, leakage in self._leakages():
            for name, bound in leakage.bounds.items():
                lines.append((f"{sign} (nats)", name, bound))
            lines.append((f"{sign} (nats)", "floor", leakage.floor))
            lines.append((f"{sign} (nats)", "ceiling", leakage.ceiling))
            named = f"attribute named, {sign}"
            for name, accuracy in leakage.probe_accuracy.items():
                lines.append((named, name, accuracy))
            lines.append((named, "majority", leakage.majority_accuracy))
        if self.accuracy is not None:
            lines.append(("accuracy", "all rows", self.accuracy))
            for group, accuracy in self.accuracy_per_attribute.items():
                lines.append(("accuracy", f"attribute {group}", accuracy))
            lines.append(("worst-group accuracy", *self.worst_group))
        if self.equal_opportunity is not None:
            lines.append(
                ("equal opportunity difference", "", self.equal_opportunity)
            )
        return pd.DataFrame(
            [
                (quantity, of, number.value, number.low, number.high)
                if isinstance(number, Estimate)
                else (quantity, of, number, math.nan, math.nan)
                for quantity, of, number in lines
            ],
            columns=["quantity", "of", "value", "low", "high"],
        )

    def __str__(self):
        frame = self.to_frame()
        table = tabulate.tabulate(
            frame.astype(object).where(frame.notna(), None),
            headers=["", "", "value", "95 % from", "to"],
            showindex=False,
            floatfmt=".3f",
        )
        verdict = "\n".join(
            f"{sign}: {leakage.information} nats ({leakage.largest}); floor "
            f"{leakage.floor:.3f}, ceiling {leakage.ceiling:.3f}"
            for sign, leakage in self._leakages()
        )
        return f"Audit of {self.rows:,} rows\n{verdict}\n\n{table}"

    def plot(self):
        """Draws the bounds, between floor and ceiling, and the accuracies.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        leakages = self._leakages()
        panels = len(leakages) + (self.accuracy is not None)
        figure = matplotlib.figure.Figure(
            figsize=(3.6 * panels, 2.9), layout="constrained"
        )
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for ax, (sign, leakage) in zip(axes, leakages, strict=False):
            _draw_bars(ax, leakage.bounds)
            ax.axhline(leakage.floor, color="tab:green", label="floor")
            if math.isfinite(leakage.ceiling):
                ax.axhline(leakage.ceiling, color="tab:red", label="ceiling")
            ax.set(title=sign, ylabel="nats")
            ax.legend()
        if self.accuracy is not None:
            _draw_bars(
                axes[-1], {"all": self.accuracy, **self.accuracy_per_attribute}
            )
            axes[-1].axhline(
                self.worst_group[1], color="tab:red", label="worst group"
            )
            axes[-1].set(title="accuracy per attribute value", ylim=(0, 1))
            axes[-1].legend()
        return figure

    def _leakages(self):
        pairs = [("I(Z;C)", self.leakage)]
        if self.conditional_leakage is not None:
            pairs.append(("I(Z;C|Y)", self.conditional_leakage))
        return pairs


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
    features, logits, targets, parts = observation.observe(
        model_or_features, dataset
    )
    labels = observation.class_numbers(targets.get("label"))
    if predictions is not None:
        predictions = observation.given_classes(predictions)
    elif logits is not None and labels is not None:
        predictions = observation.named_classes(logits, labels)
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
    split = fresh_estimators.split_rows(len(chosen), generator)
    examined = _Rows(
        features, fresh_estimators.scaled(attributes), attribute, split, seed
    )
    bootstrap = _Bootstrap(resamples, generator)
    floor, further = 0.0, {}
    if labels is not None:
        labels = labels[chosen]
        floor = metrics.discrete_mutual_information(labels, attribute.cells)
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
        split: as `fresh_estimators.split_rows` returns it.
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
    ceiling = metrics.entropy(cells)
    ceiling -= metrics.discrete_mutual_information(classes, cells)
    told = probes.answers(
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
        fresh_estimators.fit_critic(
            rows.features,
            rows.vectors,
            inside,
            num_classes=None if inside is None else inside.max() + 1,
            split=rows.split,
            generator=np.random.default_rng(rows.seed),
            critic=critic.for_attributes(rows.vectors, seed=rows.seed),
            epochs=40,
            batch_size=fresh_estimators.batch_size_of(len(rows.features)),
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


def _draw_bars(ax, numbers):
    """A bar for each `Estimate`, with its interval."""
    values = np.array([number.value for number in numbers.values()])
    ends = np.array([(n.low, n.high) for n in numbers.values()])
    spread = np.abs(ends.T - values)
    ax.bar(
        range(len(numbers)), values, yerr=spread, color="lightgray", capsize=3
    )
    ax.set_xticks(range(len(numbers)), numbers, rotation=30, ha="right")
