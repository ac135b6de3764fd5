"""One run, from its settings to its record: load, build, train, measure."""

import functools
import logging
import os
import shutil
import time
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from keras_unbias import callbacks, data, methods
from keras_unbias.auditing import metrics
from keras_unbias.data import BiasedDataset
from keras_unbias.information import entropy
from reproduce.experiment import (
    backup,
    baselines,
    build,
    environment,
    fresh_estimates,
    memory,
    records,
    run_files,
    seeds,
)
from reproduce.experiment import devices as devices_of_run
from reproduce.experiment.build import build_model
from reproduce.experiment.records import Record
from reproduce.experiment.run_files import directory
from reproduce.experiment.settings import Settings

__all__ = ["build_model", "directory", "train"]

logger = logging.getLogger(__name__)


def train(
    settings: Settings,
    *,
    output_dir: str | os.PathLike = "runs",
    data_dir: str | os.PathLike | None = None,
    threads: int | None = None,
    devices: int | None = None,
) -> Record:
    """Carries out one run, or resumes it where it was killed.

    The directory of the run, `<output_dir>/<data set>/<id>/`, holds
    `settings.json`, `history.csv` with a line per report, `data.json`,
    `backup/` while the run goes on, and at the end `model/` (a SavedModel),
    `model.keras` and `record.json`. A run of a baseline leaves no model. A
    finished run is only read. While another process carries out the run, this
    one waits for its record. Damaged files of an unfinished run are moved to
    `damaged-1/`, and the run starts anew.

    The function clears Keras's session and sets its global seed.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.
        data_dir: directory of data and weights that are not found otherwise.
        threads: int, number of TensorFlow's threads. TensorFlow must not have
            run an operation before. Defaults to `None`, which leaves the
            number as it is.
        devices: int, on how many devices the network is trained, see
            `devices.strategy`. It changes the results by rounding only, and is
            no part of the run's identity. Defaults to `None`, all GPUs, or one
            CPU.

    Returns:
        The `Record`. Its status is `"diverged"` if the loss became NaN or
        infinite, or if the bound rose above H(C), and otherwise `"done"`.

    Raises:
        ValueError: if there is no such data set or method, if the directory
            is that of another run, or if the run was begun on other data.
        FileNotFoundError: if the data or the file of weights are missing.
        PermissionError: if the output directory cannot be written.
        OSError: if the disk is full.
    """
    _check_known("data set", settings.data.name, data.DATASETS)
    trains = settings.method.trains_network
    known = methods.METHODS if trains else baselines.BASELINES
    _check_known("method", settings.method.name, known)
    with run_files.exclusive(settings, output_dir) as path:
        if (path / "record.json").exists():
            return records.read(path / "record.json")
        if threads is not None:
            # TensorFlow refuses to change them after its first operation.
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        strategy = devices_of_run.strategy(
            devices if trains else 1, batch_size=settings.training.batch_size
        )
        try:
            with memory.released(), seeds.seeded(settings.seed):
                return _carry_out(settings, path, data_dir, threads, strategy)
        except run_files.DamagedError as error:
            run_files.set_aside(path, error)
        run_files.open_directory(settings, output_dir)
        with memory.released(), seeds.seeded(settings.seed):
            return _carry_out(settings, path, data_dir, threads, strategy)


def _carry_out(settings, path, data_dir, threads, strategy):
    """Carries out a run in its directory, and writes its record."""
    started = time.monotonic()
    # A missing file of weights is reported before any image is read.
    weights = build.weights_facts(settings, data_dir)
    dataset = build.load_data(settings, data_dir)
    # A loader may say nothing of its data.
    sizes = {"train_size": len(dataset.train), "test_size": len(dataset.test)}
    facts = {**sizes, **dataset.facts, **weights}
    run_files.check_data(path / "data.json", facts)
    if settings.method.trains_network:
        precision = settings.training.precision
        result, earlier = _train_network(settings, dataset, path, data_dir, strategy)
    else:
        precision, earlier = "float64", 0.0
        result = _fit_baseline(settings, dataset)
    record = Record(
        settings=settings,
        data=facts,
        environment=environment.describe(
            precision, threads, strategy.num_replicas_in_sync
        ),
        wall_seconds=round(earlier + time.monotonic() - started, 1),
        **records.finite(result),
    )
    records.write(record, path / "record.json")
    shutil.rmtree(path / "backup", ignore_errors=True)
    logger.info("Run %s: %s", settings.id, record.metrics)
    return record


def _check_known(kind, name, known):
    if name not in known:
        raise ValueError(
            f"Unknown {kind} of a run. Expected: one of {sorted(known)}. "
            f"Received: {name!r}. Correct the name, or register it."
        )


def _fit_baseline(settings, dataset) -> dict[str, Any]:
    """Fits a baseline and returns the record's part about it."""
    classifier = baselines.fit(settings.method, dataset)
    train, test = dataset.train, dataset.test
    return {
        "status": "done",
        "metrics": {
            "test_accuracy": classifier.score(test.inputs, test.labels),
            "train_accuracy": classifier.score(train.inputs, train.labels),
            **_binary_metrics(dataset, classifier.predict(test.inputs)),
        },
        "history": {},
    }


def _train_network(settings, dataset, path, data_dir, strategy):
    """Trains a network, from its backup on if there is one.

    Returns:
        Dict, the record's part about it, and the seconds that the epochs of
        earlier attempts took.
    """
    steps = len(dataset.train) // settings.training.batch_size
    steps *= settings.training.epochs_per_report
    if steps == 0:
        raise ValueError(
            "A batch cannot be larger than the training split. Expected: "
            f"batch_size <= {len(dataset.train)}. Received: batch_size="
            f"{settings.training.batch_size}. Lower it."
        )
    with strategy.scope():
        model = build_model(settings, dataset, steps, data_dir)
    clock = backup.Clock()
    divergence = callbacks.StopOnDivergence(_attribute_entropy(dataset))
    test = dataset.batches("test", dataset.evaluation_batch)
    reports = _fit(settings, model, dataset, test, steps, path, [divergence, clock])
    history = run_files.read_history(path / "history.csv", reports)
    measured = {}
    for name in ("train_accuracy", "mutual_information"):
        if name in history:
            measured[name] = history[name][-1]
    if settings.method.discriminant_shrinkage and not divergence.reason:
        build.replace_classifier(settings, model, dataset)
        train = dataset.batches("train", dataset.evaluation_batch)
        measured["train_accuracy"] = _evaluate(model, train)["accuracy"]
    measured["test_accuracy"] = _evaluate(model, test)["accuracy"]
    result = {
        "status": "diverged" if divergence.reason else "done",
        "reason": divergence.reason,
        "metrics": measured,
        "history": history,
    }
    if not divergence.reason:
        measured.update(_further_metrics(model, dataset, test))
        result["estimates"] = _estimates(settings, model, dataset)
        model.export(str(path / "model"), verbose=False)
        model.save(path / "model.keras")
    return result, sum(history["seconds"]) - clock.total


def _fit(settings, model, dataset, test, steps, path, observers):
    """Trains from the backup on, or from the start.

    An epoch of Keras is a report here, and `steps` is its number of steps.

    Returns:
        Int, the number of reports, of earlier attempts too.
    """
    training = settings.training
    history = backup.HistoryFile(path / "history.csv")
    backups = backup.Backup(path / "backup" / "latest.weights.h5", history, settings.id)
    # This creates the metrics. If the compiled step created them, then
    # TensorFlow would trace it twice.
    model.distribute_strategy.run(model.test_step, (next(iter(test)),))
    model.reset_metrics()
    first = backups.restore(model, steps)
    averaging = [keras.callbacks.SwapEMAWeights()] if model.optimizer.use_ema else []
    first_epoch = first * training.epochs_per_report
    fitted = model.fit(
        stream(settings, dataset, model.distribute_strategy, first_epoch),
        initial_epoch=first,
        epochs=training.epochs // training.epochs_per_report,
        steps_per_epoch=steps,
        validation_data=test,
        # The stream has an order of its own.
        shuffle=False,
        verbose=0,
        callbacks=[
            *averaging,
            *observers,
            history,
            backups,
        ],
    )
    return first + len(fitted.epoch)


def stream(
    settings: Settings,
    dataset: BiasedDataset,
    strategy: tf.distribute.Strategy,
    first_epoch: int = 0,
) -> Any:
    """Makes the data of a training, shared between the devices of a strategy."""
    make = functools.partial(
        dataset.stream,
        settings.training.batch_size,
        seed=settings.seed,
        first_epoch=first_epoch,
        estimator_batches=settings.estimator.estimator_batches,
        sample_weight=build.row_weights(settings, dataset),
    )
    if strategy.num_replicas_in_sync == 1:
        return make()
    return strategy.distribute_datasets_from_function(
        lambda context: make(input_context=context)
    )


def _further_metrics(model, dataset, test):
    """Accuracies on further test splits, and the fairness of a binary task."""
    found = {}
    for name in dataset.further:
        batches = dataset.batches(name, dataset.evaluation_batch)
        found[f"{name}_accuracy"] = _evaluate(model, batches)["accuracy"]
    if _is_binary(dataset):
        logits = model.predict(test, verbose=0)["logits"]
        found.update(_binary_metrics(dataset, logits.argmax(-1)))
    if _has_one_category(dataset):
        logits = model.predict(test, verbose=0)["logits"]
        found.update(_by_group(dataset.test, logits.argmax(-1)))
    return found


def _by_group(split, predictions):
    """Rows and accuracies by label and category of the attribute."""
    correct = pd.Series(predictions == split.labels)
    names = pd.Series(split.labels.astype(str)) + ", "
    names += split.attributes.argmax(1).astype(str)
    groups = correct.groupby(names)
    return {
        "rows_by_group": groups.size().to_dict(),
        "accuracy_by_group": groups.mean().to_dict(),
    }


def _estimates(settings, model, dataset):
    """What fresh estimators find in the features of the trained model."""
    found = fresh_estimates.held_out_information(model, dataset, seed=settings.seed)
    if _is_binary(dataset):
        auc = fresh_estimates.probe_auc(model, dataset)
        return {**found, "probe_auc": auc}
    if _has_one_category(dataset):
        return {**found, **fresh_estimates.probe_accuracy(model, dataset)}
    return found


def _evaluate(model, batches):
    return model.evaluate(batches, verbose=0, return_dict=True)


def _has_one_category(dataset: BiasedDataset) -> bool:
    """Whether the attribute is one category of several, such as a bin of ages."""
    return len(dataset.attribute_spec.widths) == 1 < dataset.attribute_size


def _is_binary(dataset: BiasedDataset) -> bool:
    """Whether there are two labels, and an attribute that is 0 or 1."""
    return (
        dataset.num_classes == 2
        and dataset.attribute_size == 1
        and np.isin(dataset.train.attributes, (0, 1)).all()
    )


def _binary_metrics(dataset, predictions):
    if not _is_binary(dataset):
        return {}
    return metrics.binary_task(
        dataset.test.labels, predictions, dataset.test.attributes[:, 0].astype(np.int32)
    )


def _attribute_entropy(dataset):
    """H(C) in nats, of the rows of the training split."""
    _, cells = np.unique(dataset.train.attributes, axis=0, return_inverse=True)
    return entropy(cells.ravel())
