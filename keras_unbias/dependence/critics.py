"""Fresh critics, evaluated on rows that they were not fitted to.

The estimator of the training follows features that move, and it is evaluated
on the rows that it is fitted to. Its bound may be too low or too high.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from sklearn import preprocessing

from keras_unbias import information, replicas


def held_out_bound(
    features: np.ndarray,
    attributes: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    num_classes: int | None = None,
    seed: int = 0,
    epochs: int = 40,
    batch_size: int = 512,
) -> float:
    """Fits a fresh critic and returns its bound on held-out rows.

    The critic is fitted to two thirds of the rows. The best epoch is chosen on
    a sixth of them, and the bound is evaluated on the last sixth.

    Args:
        features: float array of shape `(rows, d)`.
        attributes: float array of shape `(rows, a)`.
        labels: int array of shape `(rows,)`, needed when `num_classes` is set.
            Defaults to `None`.
        num_classes: int, the number of classes, for I(Z;C|Y) with labels in
            `0..num_classes-1`. Defaults to `None`, for I(Z;C).
        seed: int, the seed of the critic, of the split, and of the order of
            the rows. Defaults to 0.
        epochs: int, passes over the rows that the critic is fitted to.
            Defaults to 40.
        batch_size: int, rows per mini-batch. Defaults to 512.

    Returns:
        Float, a lower bound in nats, up to the noise of the held-out rows.

    Raises:
        ValueError: if there are fewer than `1.5 * batch_size` rows, if labels
            are missing, or if features are not finite.

    Example:

    >>> codes = np.arange(300) % 2
    >>> bound = held_out_bound(
    ...     np.eye(2)[codes], np.eye(2)[codes], epochs=5, batch_size=50
    ... )
    >>> bound > 0.3  # At most log(2) = 0.693.
    True
    """
    replicas.check_no_scope("`held_out_bound`")
    features = np.asarray(features)
    rows = len(features)
    if not np.isfinite(features).all():
        raise ValueError(
            "Features must be finite numbers. Expected: no NaN or infinity. Received: "
            "some of them. The model has diverged: lower its learning rate."
        )
    if rows < 1.5 * batch_size:
        raise ValueError(
            "There are too few rows to fit a critic to two thirds of them. Expected: "
            f"{int(1.5 * batch_size)} or more. Received: {rows}. Lower `batch_size`."
        )
    generator = np.random.default_rng(seed)
    split = split_rows(rows, generator)
    attributes = scale_numbers(attributes)
    bound = fit_critic(
        features,
        attributes,
        labels,
        num_classes=num_classes,
        split=split,
        generator=generator,
        critic=information.SeparableCritic.for_attributes(attributes, seed=seed),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
    )
    return bound(split[-1])


def fit_critic(
    features: np.ndarray,
    attributes: np.ndarray,
    labels: np.ndarray | None,
    *,
    num_classes: int | None,
    split: list[np.ndarray],
    generator: np.random.Generator,
    critic: information.Critic,
    epochs: int,
    batch_size: int,
    seed: int,
    optimizer: keras.optimizers.Optimizer | None = None,
    standardize: bool = True,
    patience: int | None = None,
) -> Callable[[np.ndarray], float]:
    """Fits a critic and keeps the epoch that is best on the rows for choice.

    Features are clipped to the range that they have in the rows for the fit.
    Clipping can only lower their information, so the bound stays a bound. A
    critic knows nothing of values beyond that range. A unit that fires for the
    first time in a held-out row would give that row a score of any size.

    Args:
        features: float array of shape `(rows, d)`.
        attributes: float32 array of shape `(rows, a)`.
        labels: int array of shape `(rows,)`, or `None` for I(Z;C).
        num_classes: as in `held_out_bound`.
        split: three int arrays of row numbers, for the fit, for choice, and
            held out. The last is not used.
        generator: NumPy generator of the order of the rows.
        critic: a new `Critic`.
        epochs: as in `held_out_bound`.
        batch_size: as in `held_out_bound`.
        seed: int, the seed of the estimator.
        optimizer: a Keras optimizer. Defaults to `None`, for `Adam(2e-3)`.
        standardize: bool, see `MutualInformationEstimator`. Defaults to
            `True`.
        patience: int, epochs without a better one after which the fit ends.
            Defaults to `None`, which carries out all epochs.

    Returns:
        Function from row numbers to the bound on these rows, in nats.
    """
    fitted, choice, _ = split
    if features.dtype != np.float32:
        # A cast would cut off the digits of numbers that lie far from 0.
        features = preprocessing.StandardScaler().fit_transform(features)
        features = features.astype(np.float32)
    known = features[fitted]
    features = np.clip(features, known.min(0), known.max(0))
    steps = len(fitted) // batch_size
    estimator = information.MutualInformationEstimator(
        critic=critic,
        optimizer=keras.optimizers.Adam(2e-3) if optimizer is None else optimizer,
        steps=steps,
        num_classes=num_classes,
        standardize=standardize,
        seed=seed,
    )

    def take(rows):
        return (
            features[rows],
            attributes[rows],
            None if labels is None else np.asarray(labels)[rows],
        )

    bound = tf.function(estimator.bound)
    best, best_epoch, weights = -np.inf, 0, None
    for epoch in range(epochs):
        order = generator.permutation(fitted)[: steps * batch_size]
        estimator.update(*take(order.reshape(steps, batch_size)))
        value = float(bound(*take(choice)))
        if np.isnan(value):
            # NaN counts as worse than any bound.
            value = -np.inf
        if weights is None or value > best:
            best, best_epoch, weights = value, epoch, estimator.get_weights()
        if patience is not None and epoch - best_epoch >= patience:
            break
    estimator.set_weights(weights)
    return lambda rows: float(bound(*take(rows)))


def split_rows(rows: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Splits rows into those for the fit, for choice, and held out.

    Args:
        rows: int, the number of rows.
        generator: NumPy generator of the order.

    Returns:
        List of three int arrays of row numbers: two thirds, a sixth, and a
        sixth of the rows.

    Example:

    >>> [len(part) for part in split_rows(60, np.random.default_rng(0))]
    [40, 10, 10]
    """
    return np.split(generator.permutation(rows), [2 * rows // 3, 5 * rows // 6])


def choose_batch_size(rows: int) -> int:
    """Returns the batch size of `held_out_bound` for a number of rows.

    Args:
        rows: int, the number of rows.

    Returns:
        Int, rows per mini-batch.

    Example:

    >>> choose_batch_size(1600), choose_batch_size(100_000)
    (100, 512)
    """
    # With few rows, larger batches would leave the critic too few steps.
    return max(min(512, rows // 16), 2)


def scale_numbers(attributes: np.ndarray) -> np.ndarray:
    """Standardizes the columns of attributes that are numbers.

    Critics learn little from ages or incomes as they are. Columns of zeros and
    ones stay as they are.

    Args:
        attributes: float array of shape `(rows, a)`.

    Returns:
        Float32 array of shape `(rows, a)`.

    Example:

    >>> scale_numbers(np.array([[1, 20], [0, 40]])).tolist()
    [[1.0, -1.0], [0.0, 1.0]]
    """
    attributes = np.asarray(attributes)
    if attributes.dtype != np.float32:
        # Before the cast, which cuts off digits of numbers far from 0.
        attributes = attributes.astype(np.float64)
    numbers = ~np.isin(attributes, (0, 1)).all(axis=0)
    scaler = preprocessing.StandardScaler().set_output(transform="default")
    if numbers.any():
        attributes = attributes.copy()
        attributes[:, numbers] = scaler.fit_transform(attributes[:, numbers])
    return attributes.astype(np.float32)
