"""The time of a training step, and what replicas exchange in it."""

import statistics

import tensorflow as tf

from keras_unbias.data import BiasedDataset
from reproduce.experiment import backup, build, devices, run
from reproduce.experiment.settings import Settings


def microseconds(
    settings: Settings,
    dataset: BiasedDataset,
    steps: int,
    repeats: int,
    strategy: tf.distribute.Strategy | None = None,
) -> float:
    """Measures a training step, after those that compile.

    Args:
        settings: the `Settings` of a run.
        dataset: its `BiasedDataset`.
        steps: int, the number of steps that are timed at once.
        repeats: int, how often. The median counts.
        strategy: `tf.distribute.Strategy`. Defaults to `None`, one device.
    """
    strategy = strategy or devices.strategy(1)
    with strategy.scope():
        model = build.build_model(settings, dataset, steps)
    history = model.fit(
        run.stream(settings, dataset, strategy),
        epochs=1 + repeats,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[backup.Clock()],
    ).history
    return 1e6 * statistics.median(history["seconds"][1:]) / steps


def exchanged(
    batch: int,
    mini_batches: int,
    features: int,
    attributes: int,
    classes: int,
    encoder: int,
) -> tuple[int, int]:
    """Counts what a replica gets in a step of conditional MI, in bytes.

    Args:
        batch: int, the rows of the task.
        mini_batches: int, the estimator's mini-batches of as many rows.
        features: int, the width of the features.
        attributes: int, the width of the attribute vectors.
        classes: int, the number of labels.
        encoder: int, the number of the encoder's weights.

    Returns:
        Tuple of the bytes of rows and of gradients.
    """
    rows = (1 + mini_batches) * (features + attributes + 1)
    # The loss, and the check of the batch.
    rows += classes + 1 + attributes
    classifier = (features + 1) * classes
    return 4 * batch * rows, 4 * (2 * encoder + classifier)
