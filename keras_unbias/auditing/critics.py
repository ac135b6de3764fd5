"""Fresh estimators, read on rows that they were not fitted to.

The estimator of the training follows features that move, on the rows that
it is fitted to: what it reads may be too low or too high.
"""

import keras
import numpy as np
import tensorflow as tf
from sklearn import linear_model, pipeline, preprocessing
from sklearn.metrics import roc_auc_score

from keras_unbias import information

# Training rows that a run's audit looks at.
ROWS = 24_000


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

    A new critic is fitted to two thirds of the rows, the epoch is chosen on
    a sixth, and the bound is read on the last sixth.

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
        ValueError: there are fewer rows than a mini-batch needs, labels are
            missing, or features are not finite.
    """
    features = np.asarray(features, np.float32)
    rows = len(features)
    if not np.isfinite(features).all():
        raise ValueError(
            "Features must be finite numbers. Expected: no NaN or infinity. "
            "Received: some of them. The model has diverged: lower its "
            "learning rate."
        )
    if rows < 1.5 * batch_size:
        raise ValueError(
            "Too few rows to fit a critic to two thirds of them. Expected: "
            f"{int(1.5 * batch_size)} or more. Received: {rows}. Lower "
            "`batch_size`."
        )
    generator = np.random.default_rng(seed)
    split = split_rows(rows, generator)
    attributes = scaled(attributes)
    _, read = fit_critic(
        features,
        attributes,
        labels,
        num_classes=num_classes,
        split=split,
        generator=generator,
        critic=information.SeparableCritic.for_attributes(
            attributes, seed=seed
        ),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
    )
    return read(split[-1])


def fit_critic(
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
    seed,
):
    """Fits a critic, to its best epoch on the rows for choice.

    Features are cut to the range that they have in the rows for fitting, which
    can only lower their information: the bound stays one. A critic knows
    nothing of what is beyond, and a unit that fires first in a held-out row
    would have it score that row beyond all measure.

    Returns:
        Float, the bound on the rows for choice; and a function from row
        numbers to the bound on these rows.
    """
    fitted, choice, _ = split
    known = features[fitted]
    features = np.clip(features, known.min(0), known.max(0))
    steps = len(fitted) // batch_size
    estimator = information.MutualInformationEstimator(
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
        if np.isnan(value):
            # Worse than any bound, here and among critics.
            value = -np.inf
        if weights is None or value > best:
            best, weights = value, estimator.get_weights()
    estimator.set_weights(weights)
    return best, lambda rows: float(bound(*take(rows)))


def split_rows(rows, generator):
    """Rows to fit estimators to, to choose among them, and to read them on."""
    return np.split(generator.permutation(rows), [2 * rows // 3, 5 * rows // 6])


def held_out_information(model, dataset, *, seed=0):
    """What the features of training inputs tell, by fresh estimators.

    Args:
        model: a `RepresentationClassifier`.
        dataset: a `BiasedDataset`.
        seed: int, of the estimators and of the `ROWS` training rows that are
            looked at; all of them where there are fewer.

    Returns:
        Dict of floats, nats: `mutual_information` is I(Z;C) and
        `conditional_mutual_information` I(Z;C|Y).

    Raises:
        ValueError: as in `held_out_bound`.
    """
    split = dataset.train
    chosen = np.random.default_rng(seed).permutation(len(split))[:ROWS]
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
