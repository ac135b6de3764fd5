"""What a finished representation still tells of the attribute."""

import dataclasses
import math
import warnings

import keras
import matplotlib.figure
import numpy as np
import pandas as pd
import tabulate
import tensorflow as tf
from sklearn import base, linear_model, pipeline, preprocessing
from sklearn.metrics import roc_auc_score

from keras_unbias import metrics, mutual_information, probes
from keras_unbias.datasets import BiasedDataset

# Critics of an audit: one that misses what there is to see is outvoted.
CRITICS = (
    mutual_information.SeparableCritic,
    mutual_information.ConcatenatedCritic,
)
CRITIC = "Donsker-Varadhan"
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
            of finite numbers, arrays that differ in length, or labels or
            predictions that name no classes.
    """
    features, logits, targets, parts = observe(model_or_features, dataset)
    labels = class_numbers(targets.get("label"))
    if predictions is not None:
        predictions = _given_classes(predictions)
    elif logits is not None and labels is not None:
        predictions = _named_classes(logits, labels)
    _check(features, targets["attribute"], labels, predictions, rows)
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(features))[:rows]
    features = features[chosen]
    attributes = np.asarray(targets["attribute"], np.float32)[chosen]
    attribute = probes.codes(attributes, parts)
    values = len(np.unique(attribute.cells))
    if 15 * values > len(chosen):
        warnings.warn(
            f"There are {values} values of the attribute in {len(chosen)} "
            "rows. With fewer than 15 rows a value the floor is too high and "
            "the bounds are too low: merge values, or audit the columns one "
            "by one.",
            stacklevel=2,
        )
    attributes = scaled(attributes)
    split = _split(len(chosen), generator)
    bootstrap = _Bootstrap(resamples, generator)
    if labels is not None:
        labels = labels[chosen]
        inside = np.unique(labels, return_inverse=True)[1]
    return Audit(
        rows=len(chosen),
        leakage=_leakage(
            features,
            attributes,
            attribute,
            None,
            labels,
            split,
            bootstrap,
            seed,
        ),
        conditional_leakage=None
        if labels is None
        else _leakage(
            features,
            attributes,
            attribute,
            inside,
            None,
            split,
            bootstrap,
            seed,
        ),
        **{}
        if labels is None or predictions is None
        else _accuracies(labels, predictions[chosen], attribute, bootstrap),
    )


def _leakage(
    features, attributes, attribute, inside, labels, split, bootstrap, seed
):
    """`Leakage` inside the classes `inside`, or with the floor of `labels`."""
    fitted, choice, held_out = split
    cells = attribute.cells
    classes = np.zeros(len(cells), int) if inside is None else inside
    floor, ceiling = 0.0, metrics.entropy(cells)
    if inside is not None:
        ceiling -= metrics.discrete_mutual_information(inside, cells)
    elif labels is not None:
        floor = metrics.discrete_mutual_information(labels, cells)
    told = probes.answers(
        features, attribute, inside, fitted, choice, held_out, seed=seed
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
    num_classes = None if inside is None else classes.max() + 1
    fits = [
        _fit_critic(
            features,
            attributes,
            inside,
            num_classes=num_classes,
            split=split,
            generator=np.random.default_rng(seed),
            critic=critic(seed=seed),
            epochs=40,
            batch_size=batch_size_of(len(features)),
        )
        for critic in CRITICS
    ]
    _, read = max(fits, key=lambda fit: fit[0])
    quality[CRITIC], bounds[CRITIC] = (
        bootstrap(lambda rows, part=part: read(part[rows]), len(part))
        for part in (choice, held_out)
    )
    return Leakage(
        bounds=bounds,
        largest=max(quality, key=lambda name: quality[name].low),
        floor=floor,
        ceiling=ceiling if attribute.exact else math.inf,
        probe_accuracy=accuracies,
        majority_accuracy=float(
            np.mean(counts.argmax(1)[classes[held_out]] == cells[held_out])
        ),
    )


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
        opportunity = bootstrap(
            lambda rows: metrics.equal_opportunity(
                labels[rows],
                predictions[rows],
                values[rows],
                positive=labels.max(),
            ),
            len(labels),
        )
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
        # A sample may miss a group: then it has no rate.
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


def held_out_bound(
    features,
    attributes,
    labels=None,
    *,
    num_classes=None,
    seed=0,
    epochs=40,
    batch_size=512,
):
    """The bound of a fresh estimator, on rows that it was not fitted to.

    The estimator of the training follows features that move, on the rows
    that it is fitted to: what it reads may be too low or too high. Here a
    new critic is fitted to two thirds of the rows, the epoch is chosen on a
    sixth, and the bound is read on the last sixth.

    Args:
        features: `(rows, d)` float array.
        attributes: `(rows, a)` float array.
        labels: `(rows,)` int array; needed when `num_classes` is set.
        num_classes: int for I(Z;C|Y) with labels in `0..num_classes-1`;
            `None` (the default) for I(Z;C).
        seed: int, of the critic, the split and the order.
        epochs: int, passes over the rows that the critic is fitted to.
        batch_size: int, rows of a mini-batch.

    Returns:
        Float, a lower bound in nats, up to the noise of the held-out rows.

    Raises:
        ValueError: there are fewer rows than a mini-batch needs, or labels
            are missing.
    """
    features = np.asarray(features, np.float32)
    rows = len(features)
    if rows < 1.5 * batch_size:
        raise ValueError(
            "Too few rows to fit a critic to two thirds of them. Expected: "
            f"{int(1.5 * batch_size)} or more. Received: {rows}. Lower "
            "`batch_size`."
        )
    generator = np.random.default_rng(seed)
    split = _split(rows, generator)
    _, read = _fit_critic(
        features,
        scaled(attributes),
        labels,
        num_classes=num_classes,
        split=split,
        generator=generator,
        critic=mutual_information.SeparableCritic(seed=seed),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
    )
    return read(split[-1])


def _split(rows, generator):
    """Rows to fit estimators to, to choose among them, and to read them on."""
    return np.split(generator.permutation(rows), [2 * rows // 3, 5 * rows // 6])


def _fit_critic(
    features,
    attributes,
    labels,
    *,
    num_classes,
    split,
    generator,
    critic,
    epochs,
    batch_size,
    seed=0,
):
    """Fits a critic, to its best epoch on the rows for choice.

    Returns:
        Float, the bound on the rows for choice; and a function from row
        numbers to the bound on these rows.
    """
    fitted, choice, _ = split
    steps = len(fitted) // batch_size
    estimator = mutual_information.MutualInformationEstimator(
        critic=critic,
        optimizer=keras.optimizers.Adam(2e-3),
        steps=steps,
        num_classes=num_classes,
        seed=seed,
    )

    def take(chosen):
        return (
            features[chosen],
            attributes[chosen],
            None if labels is None else np.asarray(labels)[chosen],
        )

    bound = tf.function(estimator.bound)
    best, weights = -np.inf, None
    for _ in range(epochs):
        order = generator.permutation(fitted)[: steps * batch_size]
        estimator.update(*take(order.reshape(steps, batch_size)))
        value = float(bound(*take(choice)))
        if value > best:
            best, weights = value, estimator.get_weights()
    estimator.set_weights(weights)
    return best, lambda rows: float(bound(*take(rows)))


def held_out_information(model, dataset, *, rows=24_000, seed=0):
    """What the features of training inputs tell, by fresh estimators.

    Args:
        model: a `RepresentationClassifier`.
        dataset: a `BiasedDataset`.
        rows: int, training rows that are looked at, drawn by seed; all of
            them where there are fewer. Defaults to 24,000.
        seed: int.

    Returns:
        Dict of floats, nats: `mutual_information` is I(Z;C) and
        `conditional_mutual_information` I(Z;C|Y).

    Raises:
        ValueError: as in `held_out_bound`.
    """
    split = dataset.train
    chosen = np.random.default_rng(seed).permutation(len(split))[:rows]
    features = _features(model, dataset, "train", chosen)
    attributes = dataset.attributes("train")[chosen]
    labels = split.labels[chosen]
    batch_size = batch_size_of(len(chosen))
    return {
        "mutual_information": held_out_bound(
            features, attributes, seed=seed, batch_size=batch_size
        ),
        "conditional_mutual_information": held_out_bound(
            features,
            attributes,
            labels,
            num_classes=dataset.num_classes,
            seed=seed,
            batch_size=batch_size,
        ),
    }


def probe_auc(model, dataset):
    """How well a linear probe finds a binary attribute in the features.

    A logistic regression on standardised features, fitted to the training
    rows and read on the test rows.

    Args:
        model: a `RepresentationClassifier`.
        dataset: a `BiasedDataset` whose attribute is one number, 0 or 1.

    Returns:
        Float, the area under the ROC curve: 0.5 if nothing is found.
    """
    features = {
        name: _features(model, dataset, name) for name in ("train", "test")
    }
    probe = pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(max_iter=2000),
    )
    probe.fit(features["train"], dataset.attributes("train")[:, 0])
    return float(
        roc_auc_score(
            dataset.attributes("test")[:, 0],
            probe.decision_function(features["test"]),
        )
    )


def batch_size_of(rows):
    """Rows of a mini-batch for `held_out_bound`, for a number of rows."""
    # Few rows: smaller batches, or the critic would hardly learn.
    return max(min(512, rows // 16), 2)


def _features(model, dataset, split_name, rows=None):
    batches = dataset.batches(split_name, dataset.evaluation_batch, rows)
    return model.encoder.predict(batches.map(lambda x, _: x), verbose=0)


def observe(model_or_features, dataset):
    """What a model makes of rows, or what was made of them.

    Args:
        model_or_features: as in `audit`.
        dataset: as in `audit`.

    Returns:
        Features, `(rows, d)` array; logits or `None`; targets, a dict of
        arrays; and the widths of the attribute's parts, or `None`.

    Raises:
        ValueError: the targets have no attribute.
    """
    parts = None
    if isinstance(dataset, BiasedDataset):
        parts = dataset.attribute_parts
        dataset = dataset.batches("test", dataset.evaluation_batch)
    if isinstance(model_or_features, base.BaseEstimator):
        raise ValueError(
            "An estimator of scikit-learn is audited by its features. "
            "Expected: a function, a Keras model, or an array. Received: "
            f"{type(model_or_features).__name__}. Pass "
            "`estimator.transform(X)`."
        )
    if isinstance(dataset, (tuple, list)):
        inputs, targets = dataset[:2]
        if callable(model_or_features):
            dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
            dataset = dataset.batch(500)
        else:
            dataset = [(inputs, targets)]
    outputs, targets = [], []
    for batch in dataset:
        targets.append(keras.tree.map_structure(np.asarray, batch[1]))
        if callable(model_or_features):
            outputs.append(model_or_features(batch[0]))
    named = targets and isinstance(targets[0], dict)
    if not named or "attribute" not in targets[0]:
        received = sorted(targets[0]) if named else type(targets[0]).__name__
        raise ValueError(
            "There is no attribute to look for. Expected: (x, {'label': y, "
            f"'attribute': c}}). Received: targets {received}. Put it in the "
            "dict."
        )
    targets = _concatenated(targets)
    targets["attribute"] = _vectors(targets["attribute"])
    if callable(model_or_features):
        outputs = _concatenated(outputs)
        return outputs["features"], outputs.get("logits"), targets, parts
    return np.asarray(model_or_features), None, targets, parts


def scaled(attributes):
    """Attributes whose columns of numbers have mean 0 and deviation 1.

    Critics are of no use on ages or incomes as they are; columns of zeros and
    ones stay.
    """
    attributes = np.asarray(attributes, np.float32)
    numbers = ~np.isin(attributes, (0, 1)).all(axis=0)
    scaler = preprocessing.StandardScaler().set_output(transform="default")
    if numbers.any():
        attributes = attributes.copy()
        attributes[:, numbers] = scaler.fit_transform(attributes[:, numbers])
    return attributes


def _vectors(attribute):
    """Attribute vectors, `(rows, a)`; a single number a row is a column."""
    numbers = attribute.dtype.kind in "biuf"
    if not numbers or not np.isfinite(attribute).all():
        raise ValueError(
            "An attribute is a vector of finite numbers a row. Expected: shape "
            f"(rows, a). Received: dtype {attribute.dtype}"
            + ", NaN or infinity among them"
            * numbers
            + ". Encode columns with AttributeEncoder; leave out rows whose "
            "attribute is not known."
        )
    return attribute[:, None] if attribute.ndim == 1 else attribute


def _concatenated(dicts):
    return {
        name: np.concatenate([np.asarray(d[name]) for d in dicts])
        for name in dicts[0]
    }


def class_numbers(labels):
    """The labels if they are class numbers, else `None`.

    Booleans are numbers, zeros and ones of any type too, and so are columns
    of them, `(rows, 1)`.

    Raises:
        ValueError: they are no numbers at all.
    """
    if labels is None:
        return None
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    kind = labels.dtype.kind
    if kind not in "biuf":
        raise ValueError(
            "Labels are not numbers. Expected: class numbers from 0. "
            f"Received: {labels.dtype}. Number the classes, e.g. with "
            "numpy.searchsorted(classes, labels)."
        )
    if labels.ndim != 1:
        return None
    if kind == "f" and not np.isin(labels, (0, 1)).all():
        return None
    return labels.astype(np.int64)


def _given_classes(predictions):
    numbers = class_numbers(predictions)
    if numbers is None:
        received = np.asarray(predictions)
        raise ValueError(
            "`predictions` are no classes. Expected: one class number a row. "
            f"Received: shape {received.shape}, {received.dtype}. Of "
            "probabilities pass `probabilities.argmax(axis=1)`."
        )
    return numbers


def _named_classes(logits, labels):
    classes = max(2, logits.shape[1])
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"The model names other classes. Expected: labels in 0.."
            f"{classes - 1}. Received: {labels.min()}..{labels.max()}. "
            "Renumber them as they were for the training."
        )
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    return logits.argmax(1)


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
