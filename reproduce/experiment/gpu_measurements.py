"""What a device reaches: matrix products, training steps, the start of a run."""

import math
import statistics
import time
from typing import Any

import keras
import tensorflow as tf

from keras_unbias.data import BiasedDataset
from reproduce.experiment import build, devices, records, run
from reproduce.experiment.settings import Settings

# Columns of a history.
COMPARED = ("loss", "mutual_information", "test_accuracy")


def matrix_limit(precision: str, size: int = 4096, repeats: int = 10) -> float:
    """Measures the operations per second of a large matrix product.

    Args:
        precision: str, the dtype policy.
        size: int, rows and columns of the matrix. Defaults to 4096.
        repeats: int, the number of products. Defaults to 10.
    """
    dtype = precision.removeprefix("mixed_")
    matrix = tf.cast(tf.random.stateless_normal((size, size), (0, 0)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    float(product())
    began = time.perf_counter()
    for _ in range(repeats):
        # A number that is read shows that the product is done.
        float(product())
    return 2 * size**3 * repeats / (time.perf_counter() - began)


def step_time(
    settings: Settings, dataset: BiasedDataset, steps: int
) -> dict[str, float | None]:
    """Measures a training step.

    Args:
        settings: the `Settings` of a run.
        dataset: its `BiasedDataset`.
        steps: int, the number of steps that are timed, three times.

    Returns:
        Dict of the `seconds` of a step, its `flops` (operations), and the
        `megabytes` of the GPU, `None` without one.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        tf.config.experimental.reset_memory_stats("GPU:0")
    model = build.build_model(settings, dataset, steps)
    began, ended = [], []
    model.fit(
        run.stream(settings, dataset, devices.strategy(1)),
        epochs=4,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: began.append(time.perf_counter()),
                on_epoch_end=lambda epoch, logs: ended.append(time.perf_counter()),
            )
        ],
    )
    # The first epoch compiles.
    pairs = list(zip(began, ended, strict=True))[1:]
    seconds = statistics.median(end - begin for begin, end in pairs) / steps
    forward = forward_flops(model.encoder)
    # Backward takes two products for each one of forward. The estimator's rows
    # go forward alone. Its critic is left out.
    mini_batches = settings.estimator.estimator_batches
    mini_batches *= settings.method.has_estimator
    flops = (3 + mini_batches) * forward * settings.training.batch_size
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] if gpus else None
    return {
        "seconds": seconds,
        "flops": flops,
        "megabytes": peak and peak / 2**20,
    }


def forward_flops(encoder: keras.Model) -> int:
    """Counts the operations of an encoder's products for one row.

    Args:
        encoder: a `keras.Sequential` model.
    """
    total = 0
    for layer in encoder.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            # A convolution's kernel is used at every place of its output.
            places = math.prod(layer.output.shape[1:-1])
            total += 2 * math.prod(kernel.shape) * places
    return total


def start_of_run(
    settings: Settings, dataset: BiasedDataset, epochs: int
) -> dict[str, Any]:
    """Carries out the first epochs of a run.

    Args:
        settings: the `Settings` of the run.
        dataset: its `BiasedDataset`.
        epochs: int, the number of epochs.

    Returns:
        Dict of their `seconds`, and of lists of the values by epoch: `here`
        those of `COMPARED`, and `recorded` those of the released record.
    """
    steps = len(dataset.train) // settings.training.batch_size
    # The schedule of the learning rate is that of the whole run.
    model = build.build_model(settings, dataset, steps)
    began = time.perf_counter()
    history = model.fit(
        run.stream(settings, dataset, devices.strategy(1)),
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=dataset.batches("test", dataset.evaluation_batch),
        shuffle=False,
        verbose=0,
    ).history
    history["test_accuracy"] = history["val_accuracy"]
    known = {record.id: record for record in records.read_all(records.RELEASED)}
    recorded = known[settings.id].history if settings.id in known else {}
    return {
        "seconds": time.perf_counter() - began,
        "here": {name: history[name] for name in COMPARED},
        "recorded": {name: recorded.get(name, [])[:epochs] for name in COMPARED},
    }
