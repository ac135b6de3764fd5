"""What a GPU gains, in some ten minutes: steps of Table 1 and a start of a run.

It times the steps of the rows at color variance 0.020 in float32 and mixed
precision, with XLA and without, and compares the first epochs of mutual
information backpropagation with the record of a CPU.
"""

import argparse
import json
import math
import statistics
import sys
import time

import tabulate

from reproduce.experiment import flags, records, sweep
from reproduce.experiment.settings import change
from reproduce.recipes import digits

VARIANCE = 0.02
EPOCHS = 3
PRECISIONS = ("float32", "mixed_bfloat16")
COMPARED = ("loss", "mutual_information", "test_accuracy")


def main(argv=None):
    """Prints tables and writes a record of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=flags.path, help="of the data")
    parser.add_argument(
        "--profile", type=flags.one_of(digits.PROFILES), default="paper"
    )
    parser.add_argument("--steps", type=flags.count, default=30, help="that are timed")
    parser.add_argument("--output", default="gpu_check.json", help="the record's file")
    options = parser.parse_args(argv)
    with flags.errors_told(parser), sweep.environment():
        record = measure(options.profile, options.data_dir, options.steps)
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
    show(record)
    print(options.output)
    return 0


def measure(profile, data_dir, steps):
    """Returns all that is measured, as JSON values."""
    from reproduce.experiment import build, environment

    cells = digits.cells(profile, variances=[VARIANCE], seeds=1)
    datasets = {}
    for cell in cells:
        if cell.settings.data not in datasets:
            loaded = build.load_data(cell.settings, data_dir)
            datasets[cell.settings.data] = loaded
    limits = {name: matrix_limit(name) for name in PRECISIONS}
    times = []
    for cell in cells:
        for precision in PRECISIONS:
            for xla in (False, True):
                settings = change(cell.settings, precision=precision, jit_compile=xla)
                found = step_time(settings, datasets[settings.data], steps)
                found["share"] = found["flops"] / found["seconds"] / limits[precision]
                times.append(
                    {"row": cell.row, "precision": precision, "xla": xla, **found}
                )
    chosen = next(cell for cell in cells if cell.settings.method.has_estimator)
    return {
        "environment": environment.describe(chosen.settings.training.precision, None),
        "limits": limits,
        "steps": times,
        "start": start_of_run(chosen.settings, datasets[chosen.settings.data]),
    }


def matrix_limit(precision, size=4096, repeats=10):
    """Returns the operations per second of a large matrix product."""
    import tensorflow as tf

    dtype = precision.removeprefix("mixed_")
    matrix = tf.cast(tf.random.stateless_normal((size, size), (0, 0)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    float(product())
    began = time.perf_counter()
    for _ in range(repeats):
        # A number that is read shows that the product is done.
        float(product())
    return 2 * size**3 * repeats / (time.perf_counter() - began)


def step_time(settings, dataset, steps):
    """Returns seconds, operations and megabytes of a training step."""
    import keras
    import tensorflow as tf

    from reproduce.experiment import build, devices, run

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


def forward_flops(encoder):
    """Returns the operations of an encoder's products for one row."""
    total = 0
    for layer in encoder.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            # A convolution's kernel is used at every place of its output.
            places = math.prod(layer.output.shape[1:-1])
            total += 2 * math.prod(kernel.shape) * places
    return total


def start_of_run(settings, dataset):
    """Returns the first epochs of a run, and those of its record."""
    from reproduce.experiment import build, devices, run

    steps = len(dataset.train) // settings.training.batch_size
    # The schedule of the learning rate is that of the whole run.
    model = build.build_model(settings, dataset, steps)
    began = time.perf_counter()
    history = model.fit(
        run.stream(settings, dataset, devices.strategy(1)),
        epochs=EPOCHS,
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
        "recorded": {name: recorded.get(name, [])[:EPOCHS] for name in COMPARED},
    }


def show(record):
    """Prints the measurements."""
    print(record["environment"]["device"])
    print(
        tabulate.tabulate(
            [
                (
                    step["row"],
                    step["precision"],
                    "yes" if step["xla"] else "no",
                    f"{1e3 * step['seconds']:.2f}",
                    f"{100 * step['share']:.0f}%",
                    f"{step['megabytes'] or 0:.0f}",
                )
                for step in record["steps"]
            ],
            headers=["row", "precision", "XLA", "ms a step", "of limit", "MB"],
            disable_numparse=True,
        )
    )
    start = record["start"]
    print(
        tabulate.tabulate(
            [
                (name, epoch + 1, f"{here:.4f}", f"{there:.4f}" if there else "-")
                for name in COMPARED
                for epoch, here in enumerate(start["here"][name])
                for there in [dict(enumerate(start["recorded"][name])).get(epoch)]
            ],
            headers=["measure", "epoch", "here", "record"],
            disable_numparse=True,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
