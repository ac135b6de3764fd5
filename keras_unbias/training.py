"""One run, from its config to its record: load, build, fit, test, export."""

import inspect
import logging
import math
import os
import pathlib
import platform
import shutil
import subprocess
import time

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from keras_unbias import (
    datasets,
    methods,
    metrics,
    mutual_information,
    networks,
    runs,
)

logger = logging.getLogger(__name__)

SETTINGS = {
    "batch_size",
    "epochs",
    "learning_rate",
    "decay",
    "weight_averaging",
    "precision",
    "prior_strength",
}
ESTIMATOR_SETTINGS = {
    "critic",
    "standardize",
    "estimator_steps",
    "estimator_learning_rate",
}
MI_SETTINGS = {
    "mi_weight",
    "conditional",
    "estimator_batches",
    "own_optimizer",
    "clip",
}
TEST_BATCH = 500


def train(config, *, output_dir="runs", data_dir=None, threads=None):
    """Carries out one run, or goes on where it was killed.

    The run's directory holds `config.json`, `history.csv` (a line per
    epoch), `backup/` while it runs, and in the end `model/` (SavedModel),
    `model.keras` and `record.json`. A finished run is only read.

    Args:
        config: the `RunConfig`. `settings` holds the data set's own
            arguments, `batch_size`, `epochs`, `learning_rate`, `decay`
            (`"cosine"` to 0 over the run, or `"constant"`),
            `weight_averaging` (momentum of the weight average; 0 for none),
            `precision` (a Keras dtype policy), `prior_strength` (of
            `LabelPrior`; 0 for none), and for `mi_backprop` the arguments of
            `MutualInformationBackpropagation` and its estimator.
        output_dir: directory of all runs.
        data_dir: directory of the data, where they are not to be had
            otherwise.
        threads: int, threads of TensorFlow. `None` (the default) leaves them
            as they are.

    Returns:
        The `Record`, `status` `"done"` or `"diverged"`. A run has diverged
        when its loss is not finite, or its bound above H(C).

    Raises:
        ValueError: the config is wrong, before any work starts.
    """
    _check(config)
    directory = runs.open_run(config, output_dir)
    if (directory / "record.json").exists():
        return runs.read_record(directory / "record.json")
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    started = time.monotonic()
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    settings = config.settings
    dataset = datasets.load(
        config.dataset,
        seed=config.seed,
        data_dir=data_dir,
        **{name: settings[name] for name in _data_settings(config.dataset)},
    )
    steps = len(dataset.train.labels) // settings["batch_size"]
    model = build_model(config, dataset, steps)
    backup = Backup(directory / "backup" / "latest.weights.h5")
    first_epoch = backup.restore(model, steps)
    clock = Clock()
    divergence = StopOnDivergence(_attribute_entropy(dataset))
    test = dataset.batches("test", TEST_BATCH)
    model.fit(
        dataset.stream(
            settings["batch_size"],
            seed=config.seed,
            first_epoch=first_epoch,
            estimator_batches=settings.get("estimator_batches", 0),
        ),
        initial_epoch=first_epoch,
        epochs=settings["epochs"],
        steps_per_epoch=steps,
        validation_data=test,
        shuffle=False,  # The stream has its own order.
        verbose=0,
        callbacks=[
            *([keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema
              else []),
            divergence,
            clock,
            keras.callbacks.CSVLogger(directory / "history.csv", append=True),
            backup,
        ],
    )
    history = _history(directory / "history.csv")
    results = {
        "test_accuracy": model.evaluate(test, verbose=0, return_dict=True)[
            "accuracy"
        ],
        "train_accuracy": history["train_accuracy"][-1],
    }
    if "mutual_information" in history:
        results["mutual_information"] = history["mutual_information"][-1]
    if not divergence.reason:
        model.export(str(directory / "model"), verbose=False)
        model.save(directory / "model.keras")
    record = runs.Record(
        config=config,
        status="diverged" if divergence.reason else "done",
        reason=divergence.reason,
        metrics=results,
        data=dict(dataset.facts),
        history=history,
        environment=environment(settings["precision"], threads),
        wall_seconds=round(
            sum(history["seconds"])
            + (time.monotonic() - started - clock.total),
            1,
        ),
    )
    record.write(directory / "record.json")
    shutil.rmtree(directory / "backup", ignore_errors=True)
    logger.info("%s: %s", config.run_id, record.metrics)
    return record


def build_model(config, dataset, steps):
    """Builds and compiles the model of a run, all its state created.

    Args:
        config: the `RunConfig`.
        dataset: its `BiasedDataset`.
        steps: int, steps of an epoch.

    Returns:
        A `RepresentationClassifier`, ready for `fit` or a backup.
    """
    settings = config.settings

    def rate(value):
        if settings["decay"] == "constant":
            return value
        return keras.optimizers.schedules.CosineDecay(
            value, steps * settings["epochs"]
        )

    arguments = {}
    if settings["prior_strength"]:
        prior = methods.LabelPrior(
            dataset.num_classes, strength=settings["prior_strength"]
        )
        prior.adapt(dataset.attributes("train"), dataset.train.labels)
        arguments["label_prior"] = prior
    if config.method == "mi_backprop":
        arguments["attribute_size"] = dataset.attribute_size
        arguments.update({name: settings[name] for name in MI_SETTINGS})
        arguments["estimator"] = mutual_information.MutualInformationEstimator(
            critic=mutual_information.CRITICS[settings["critic"]](),
            # The estimator follows a moving target to the end: no decay.
            optimizer=keras.optimizers.Adam(
                settings["estimator_learning_rate"]
            ),
            steps=settings["estimator_steps"],
            num_classes=(
                dataset.num_classes if settings["conditional"] else None
            ),
            standardize=settings["standardize"],
            seed=config.seed,
        )
    encoder = networks.ENCODERS[config.dataset](dtype=settings["precision"])
    model = methods.METHODS[config.method](
        encoder, dataset.num_classes, **arguments
    )
    averaging = settings["weight_averaging"]
    model.compile(
        keras.optimizers.Adam(
            rate(settings["learning_rate"]),
            use_ema=averaging > 0,
            ema_momentum=averaging or 0.99,
        ),
        # XLA slows the convolutions down on a CPU; on a GPU it is Keras's
        # own default.
        jit_compile=bool(tf.config.list_physical_devices("GPU")),
    )
    model.build(encoder.input_shape)
    model.build_optimizers()
    return model


class Backup(keras.callbacks.Callback):
    """Keeps the state of the last epoch, in one file that is renamed.

    Keras's `BackupAndRestore` writes the weights and the epoch to two files,
    in place; a kill between the two resumes at the wrong epoch. Here the
    epoch is read off the optimizer's own count of steps.

    Args:
        path: where to, a `.weights.h5` file.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)

    def restore(self, model, steps):
        """Loads the state, if there is one; returns the epoch to go on at."""
        if not self.path.exists():
            return 0
        model.load_weights(self.path)
        return int(model.optimizer.iterations) // steps

    def on_epoch_end(self, epoch, logs=None):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"next-{self.path.name}")
        self.model.save_weights(temporary, overwrite=True)
        os.replace(temporary, self.path)


class Clock(keras.callbacks.Callback):
    """Adds the `seconds` of every epoch to its logs."""

    total = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.monotonic() - self.began, 2)
        self.total += logs["seconds"]


class StopOnDivergence(keras.callbacks.Callback):
    """Ends a run whose loss is not finite or whose bound is impossible.

    Args:
        entropy: float, H(C) in nats: no features can tell more of C.
    """

    def __init__(self, entropy):
        super().__init__()
        self.entropy = entropy
        self.reason = ""

    def on_train_batch_end(self, batch, logs=None):
        for name in ("loss", "mutual_information"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._stop(f"{name} is {logs[name]} at batch {batch}")

    def on_epoch_end(self, epoch, logs=None):
        bound = logs.get("mutual_information", 0.0)
        if bound > self.entropy:
            self._stop(
                f"mutual_information is {bound:.3f} nats after epoch "
                f"{epoch + 1}, above H(C) = {self.entropy:.3f}"
            )

    def _stop(self, reason):
        self.reason = self.reason or reason
        self.model.stop_training = True


def environment(precision, threads):
    """Where and with what a run was carried out, for its record."""
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "device": f"{len(gpus)} GPU" if gpus else f"CPU {_processor()}",
        "precision": precision,
        "threads": threads or os.cpu_count(),
        "commit": _commit(),
    }


def _processor():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    fields = dict(
        line.split("\t: ", 1)
        for line in cpuinfo.read_text().splitlines()
        if "\t: " in line
    )
    name = fields.get("model name", platform.processor())
    extension = "AVX-512" if "avx512f" in fields.get("flags", "") else "AVX2"
    return f"{name}, {extension}" if platform.machine() == "x86_64" else name


def _commit():
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _data_settings(name):
    parameters = inspect.signature(datasets.DATASETS[name]).parameters
    return set(parameters) - {"seed", "data_dir"}


def _check(config):
    for kind, name, known in (
        ("data set", config.dataset, datasets.DATASETS),
        ("method", config.method, methods.METHODS),
    ):
        if name not in known:
            raise ValueError(
                f"Unknown {kind}. Expected: one of {sorted(known)}. "
                f"Received: {name!r}."
            )
    expected = SETTINGS | _data_settings(config.dataset)
    if config.method == "mi_backprop":
        expected |= MI_SETTINGS | ESTIMATOR_SETTINGS
    received = set(config.settings)
    if received != expected:
        raise ValueError(
            f"The settings of a {config.method} run on {config.dataset} are "
            f"all of {sorted(expected)}. Missing: "
            f"{sorted(expected - received)}. Received beyond them: "
            f"{sorted(received - expected)}."
        )
    for name, known in (
        ("decay", ("constant", "cosine")),
        ("critic", tuple(mutual_information.CRITICS)),
    ):
        value = config.settings.get(name, known[0])
        if value not in known:
            raise ValueError(
                f"Unknown {name}. Expected: one of {known}. Received: "
                f"{value!r}."
            )


def _attribute_entropy(dataset):
    _, cells = np.unique(
        dataset.attributes("train"), axis=0, return_inverse=True
    )
    return metrics.entropy(cells.ravel())


def _history(path):
    # A kill between the log and the backup repeats an epoch: the later line
    # is the run's.
    frame = pd.read_csv(path).drop_duplicates("epoch", keep="last")
    frame = frame.rename(
        columns={
            "accuracy": "train_accuracy",
            "val_accuracy": "test_accuracy",
            "val_loss": "test_loss",
            "val_mutual_information": "test_mutual_information",
        }
    )
    return {
        name: [round(value, 5) for value in frame[name].tolist()]
        for name in frame.columns
        if name != "epoch"
    }
