"""What the parts of a training step of the digits take.

A part is the time by which a step is shorter without it, so the parts are
measured as they run, beside all others.
"""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from keras_unbias import backend
from keras_unbias.data import BiasedDataset
from reproduce.experiment import build, step_times
from reproduce.experiment.groups import BiasBalanced, Erm
from reproduce.experiment.settings import Settings, change

# Steps with a penalty that are timed at once, with those between them.
STEPS = 4
# The released code embeds K mini-batches a step.
RELEASED = "step with P = K"
# Rows of the square matrices whose product measures the limit.
SIZE = 2048


def table(
    rows: dict[str, Settings], repeats: int
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Makes a table with a column for each row of Table 1.

    Args:
        rows: `Settings` by the name of the row. All have an estimator.
        repeats: int, how often a step is measured. The median counts.

    Returns:
        The lines and the head. The lines are what `milliseconds` returns, the
        last time as a multiple of the first, and how near the first is to
        `limit`.
    """
    columns = {row: _describe(settings, repeats) for row, settings in rows.items()}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    lines = [(name, *(c.get(name, "-") for c in columns.values())) for name in names]
    return lines, ["milliseconds", *columns]


def _describe(settings, repeats):
    dataset = build.load_data(settings)
    times = milliseconds(settings, dataset, repeats)
    step, released = times["step"], times[RELEASED]
    counted = operations(
        build.build_model(settings, dataset, STEPS).encoder,
        settings.training.batch_size,
        settings.estimator.estimator_batches,
        settings.method.mi_every,
    )
    share = counted / (1e-3 * step) / limit(settings.training.precision, repeats)
    return {
        **{name: f"{value:.0f}" for name, value in times.items()},
        f"{RELEASED} / step": f"{released / step:.1f}",
        "share of a matrix product's speed": f"{100 * share:.0f} %",
    }


def milliseconds(
    settings: Settings, dataset: BiasedDataset, repeats: int
) -> dict[str, float]:
    """Measures a step of a row with an estimator, and its parts.

    Where not every step has a penalty, the times are those of a mean step.

    Args:
        settings: the `Settings` of the row.
        dataset: its `BiasedDataset`.
        repeats: int, how often. The median counts.

    Returns:
        Dict from the names of the parts to milliseconds. The first is the whole
        step, the last is one that embeds K mini-batches, as the released code.
    """
    updates = settings.estimator.estimator_steps
    steps = STEPS * settings.method.mi_every
    has_prior = getattr(settings.method, "prior_strength", None)

    def measure(**changes):
        changed = change(settings, **{"augment": False, **changes})
        return 1e-3 * step_times.microseconds(changed, dataset, steps, repeats)

    plain = measure()
    parts = {
        "task": measure(method=BiasBalanced() if has_prior else Erm()),
        "fresh mini-batches": plain - measure(estimator_batches=0),
        # A step has at least one update, so K - 1 of them are left out.
        "updates of the estimator": (plain - measure(estimator_steps=1))
        * (updates / (updates - 1)),
    }
    parts["bound and its gradient"] = plain - sum(parts.values())
    step = plain
    if settings.data.augment:
        step = measure(augment=True)
        parts["augmentation"] = step - plain
    released = measure(augment=settings.data.augment, estimator_batches=updates)
    return {"step": step, **parts, RELEASED: released}


def operations(
    encoder: keras.Model, batch_size: int, batches: int, mi_every: int = 1
) -> float:
    """Counts the floating-point operations of a mean step in the encoder.

    A row of the task goes forward once and backward for the loss, and with a
    penalty also for the bound. A backward pass is two products for each of the
    forward pass. A row of a fresh mini-batch goes forward only.

    Args:
        encoder: a functional or Sequential model.
        batch_size: int, rows of the task, and of a fresh mini-batch.
        batches: int, the number of fresh mini-batches.
        mi_every: int, the number of steps of which one has a penalty. Defaults
            to 1.

    Returns:
        Float, the number of multiplications and additions.

    Example:

    >>> encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    >>> operations(encoder, 2, 1)  # 2 * 5 * 3 a row, 2 * 5 + 2 rows.
    360.0
    """
    forward = 0.0
    for layer in encoder.layers:
        if hasattr(layer, "kernel"):
            places = np.prod(layer.output.shape[1:-1])
            forward += 2.0 * places * np.prod(layer.kernel.shape)
    return forward * batch_size * (1 + 2 + (2 + batches) / mi_every)


def limit(precision: str, repeats: int) -> float:
    """Measures the operations per second of a product of large matrices.

    Args:
        precision: dtype policy, as in `Training`.
        repeats: int, how often. The median counts.

    Returns:
        Float, multiplications and additions per second.
    """
    dtype = keras.DTypePolicy(backend.precision(precision)).compute_dtype
    matrix = tf.cast(tf.random.stateless_normal((SIZE, SIZE), (0, 0)), dtype)
    product = tf.function(tf.matmul)
    product(matrix, matrix)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        product(matrix, matrix).numpy()
        times.append(time.perf_counter() - began)
    return 2 * SIZE**3 / statistics.median(times)
