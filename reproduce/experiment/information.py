"""One run: the mutual information of a task, by some package."""

import os
import time
from importlib import metadata

import numpy as np

from reproduce.experiment import known_tasks, records, run_files, tensorflow_process
from reproduce.experiment.settings import Settings

# More values than that are continuous, as in `keras_unbias`.
MAX_VALUES = 12


def train(
    settings: Settings,
    *,
    output_dir: str | os.PathLike = "runs",
    data_dir: str | os.PathLike | None = None,
    threads: int | None = None,
    devices: int | None = None,
) -> records.Record:
    """Carries out one run and writes its record, as `run.train` does.

    Args:
        settings: settings on a `KnownInformation`.
        output_dir: directory of all runs.
        data_dir: directory of the tasks: `tasks.json` with the truths, and for
            each task an `.npz` with `x` and `y` of shape `(rows, columns)`.
        threads: not used.
        devices: not used.

    Returns:
        The `Record`.

    Raises:
        FileNotFoundError: if the task is not there.
        ImportError: if a package is needed and not installed.
    """
    return run_files.recorded(
        settings, output_dir, lambda: _carry_out(settings, data_dir)
    )


def _carry_out(settings, data_dir):
    tensorflow_process.import_tensorflow()
    from reproduce.experiment import environment

    task, package = settings.data.task, settings.method.package
    x, y, truth = known_tasks.read(data_dir, task)
    described = environment.describe("float32", None)
    name = package.replace("_", "-")
    described["versions"][name] = metadata.version(name)
    began, worked = time.monotonic(), time.process_time()
    metrics = ESTIMATORS[package](x, y, settings.seed)
    worked = time.process_time() - worked
    return records.Record(
        settings=settings,
        status="done",
        metrics={"truth": truth, **metrics, "processor_seconds": round(worked, 2)},
        data={"train_size": len(x), "test_size": len(x)},
        history={},
        environment=described,
        wall_seconds=round(time.monotonic() - began, 2),
    )


def _ours(x, y, seed):
    import keras_unbias as ku

    found = ku.mutual_information(x, y, seed=seed)
    return {
        "information": found.value,
        "low": found.low,
        "high": found.high,
        "chosen": {found.estimator: 1},
        "bounds": {name: bound.value for name, bound in found.bounds.items()},
    }


def _scikit_learn(x, y, seed):
    from sklearn import feature_selection

    if len(np.unique(y)) < len(np.unique(x)):
        x, y = y, x
    classes = len(np.unique(x)) <= MAX_VALUES
    estimate = (
        feature_selection.mutual_info_classif
        if classes
        else feature_selection.mutual_info_regression
    )
    (value,) = estimate(y, np.ravel(x), random_state=seed)
    return {"information": float(value)}


def _infomeasure(x, y, seed):
    import infomeasure

    value = infomeasure.mutual_information(
        x.astype(float), y.astype(float), approach="ksg", base="e"
    )
    return {"information": float(value)}


ESTIMATORS = {
    "keras_unbias": _ours,
    "scikit-learn": _scikit_learn,
    "infomeasure": _infomeasure,
}
