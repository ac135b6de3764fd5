"""Carries out the runs that have no record yet, in parallel.

This module needs no TensorFlow. Its workers do.
"""

import collections
import contextlib
import functools
import os
import pathlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import joblib
import tqdm

from reproduce.experiment import clusters, records, run_files, tensorflow_process
from reproduce.experiment.records import Record
from reproduce.experiment.settings import Settings

# A run that goes on beside others when a worker dies may be what kills it.
# After so many deaths it goes on alone, which shows whether it is. It must
# neither keep the sweep from ending nor fail because of others.
DEATHS = 2


class SweepError(RuntimeError):
    """Error of a sweep in which some runs failed.

    Args:
        failures: dict from the ids of the runs that failed to the reasons.
        records: list of `Record`, of the runs that did not fail.
    """

    def __init__(self, failures: Mapping[str, str], records: list[Record]):
        self.failures = failures
        self.records = records
        lines = [f"  {run_id}: {why}" for run_id, why in failures.items()]
        super().__init__(
            f"{len(failures)} runs failed, {len(records)} are done. The same "
            "command tries the failed ones again:\n" + "\n".join(lines)
        )


def run(
    settings_list: Iterable[Settings],
    *,
    output_dir: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
    jobs: int | None = None,
    devices: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    train: Callable[..., Any] | None = None,
) -> list[Record]:
    """Carries out the runs that have no record yet.

    Args:
        settings_list: the `Settings` of the runs. Equal ones are one run.
        output_dir: directory of all runs. All machines of a cluster must
            share it.
        data_dir: as in `run.train`.
        jobs: int, the number of runs at a time. Defaults to the number of
            usable cores, as in `clusters.connect`.
        devices: as in `run.train`.
        backend: name of the joblib backend, one of `clusters.BACKENDS`.
        address: address of a Ray or Dask cluster. Defaults to `None`, one on
            this machine.
        train: function that carries out one run and writes its record, called
            as `run.train` is. Workers import it. Defaults to `None`, that one.

    Returns:
        List of `Record`, one per run, in the order of the settings.

    Raises:
        SweepError: if runs failed, or if their workers died again and again.
            All other runs were carried out.
        ValueError: if the backend is unknown, or if a record is damaged.
        ImportError: if the backend is not installed.
    """
    # The workers of a cluster may be in another directory.
    output_dir = pathlib.Path(output_dir).resolve()
    data_dir = data_dir and pathlib.Path(data_dir).resolve()
    if devices is not None:
        train = functools.partial(train or _train, devices=devices)
    runs = _distinct(settings_list)
    # This reports a damaged record now, and not after hours.
    finished(runs, output_dir)
    failures = {}
    missing = _missing(runs, output_dir)
    for settings in runs:
        run_files.clean_finished(settings, output_dir)
    if missing:
        with clusters.connect(backend, jobs=jobs, address=address) as workers:
            failures = _run(missing, train, output_dir, data_dir, workers)
    done = finished(runs, output_dir)
    if failures:
        raise SweepError(failures, done)
    return done


def finished(
    settings_list: Iterable[Settings], output_dir: str | os.PathLike
) -> list[Record]:
    """Reads the records of the runs that have one.

    Args:
        settings_list: the `Settings` of the runs. Equal ones are one run.
        output_dir: directory of all runs.

    Returns:
        List of `Record`, in the order of the settings.

    Raises:
        ValueError: if a record is damaged.
    """
    paths = [
        run_files.record_path(settings, output_dir)
        for settings in _distinct(settings_list)
    ]
    return [records.read(path) for path in paths if path.exists()]


def _distinct(settings_list):
    return list({settings.id: settings for settings in settings_list}.values())


def _missing(runs, output_dir, failures=()):
    return [
        settings
        for settings in runs
        if settings.id not in failures
        and not run_files.record_path(settings, output_dir).exists()
    ]


def _run(runs, train, output_dir, data_dir, workers):
    """Returns a dict from the ids of the runs that failed to the reasons."""
    # The longest run comes first. If it came last, other cores would idle.
    waiting = sorted(runs, key=_cost, reverse=True)
    with joblib.parallel_config(**workers.config):
        parallel = joblib.Parallel(
            n_jobs=min(workers.jobs, len(runs)),
            batch_size=1,
            return_as=workers.return_as,
        )
    failures, deaths = {}, collections.Counter()
    with _progress(runs, output_dir) as bar:
        while waiting:
            group = [s for s in waiting if deaths[s.id] < DEATHS]
            alone = not group
            group = group or waiting[:1]
            failed, death = _attempt_all(
                group, train, parallel, output_dir, data_dir, workers.death, bar
            )
            failures.update(failed)
            left = _missing(group, output_dir, failures)
            if alone or not death:
                reason = death or "It wrote no record."
                failures.update({settings.id: reason for settings in left})
            # A run with a directory was going on, and may be what kills. It
            # goes last. So does one that an earlier sweep began, which costs
            # nothing but time.
            begun = [
                settings
                for settings in left
                if run_files.directory(settings, output_dir).exists()
            ]
            deaths.update(settings.id for settings in begun or left)
            waiting = _missing(waiting, output_dir, failures)
            waiting.sort(key=lambda settings: deaths[settings.id])
    return failures


def _attempt_all(runs, train, parallel, output_dir, data_dir, deadly, bar):
    """Carries out runs until all have ended or a worker dies.

    Returns:
        A dict from the ids of those that failed to the reasons, and the
        reason of a worker's death, which is `""` if none died.
    """
    failures = {}
    try:
        for settings, failure, trace in parallel(
            joblib.delayed(_attempt)(train, settings, output_dir, data_dir)
            for settings in runs
        ):
            if failure:
                failures[settings.id] = failure
            bar.write(
                f"{settings.method.name} on {settings.data.name}, seed "
                f"{settings.seed} ({settings.id}): {trace or 'done'}",
                file=sys.stderr,
            )
    except deadly as error:
        death = f"A worker process died. {error}".replace("\n", " ")
        bar.write(death, file=sys.stderr)
        return failures, death
    return failures, ""


def _attempt(train, settings, output_dir, data_dir):
    """Carries out one run in a worker; an error must not stop the others."""
    try:
        with tensorflow_process.environment():
            (train or _train)(
                settings, output_dir=output_dir, data_dir=data_dir, threads=1
            )
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return settings, reason, traceback.format_exc()
    return settings, "", ""


def _train(settings, **given):
    tensorflow_process.import_tensorflow()
    from reproduce.experiment import run

    run.train(settings, **given)


@contextlib.contextmanager
def _progress(runs, output_dir):
    """Shows a bar of the passes over the data, as the histories have them."""

    def done():
        return sum(
            _epochs_done(settings, output_dir) * _epoch_cost(settings)
            for settings in runs
        )

    bar = tqdm.tqdm(
        total=sum(map(_cost, runs)),
        initial=done(),
        unit="pass",
        smoothing=0,
        # A log file does not need a bar every second.
        mininterval=0.1 if sys.stderr.isatty() else 60,
    )
    stop = threading.Event()

    def poll():
        while not stop.wait(1):
            bar.update(done() - bar.n)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield bar
    finally:
        stop.set()
        thread.join()
        bar.update(done() - bar.n)
        bar.close()


def _epochs_done(settings, output_dir):
    if run_files.record_path(settings, output_dir).exists():
        return _epochs(settings)
    history = run_files.directory(settings, output_dir) / "history.csv"
    try:
        reports = max(history.read_bytes().count(b"\n") - 1, 0)
    # Its run may not have begun, or begin anew.
    except OSError:
        return 0
    epochs = reports * settings.training.epochs_per_report
    return min(epochs, _epochs(settings))


def _epochs(settings):
    # A baseline has no epochs.
    return settings.training.epochs if settings.method.trains_network else 1


def _cost(settings):
    return _epochs(settings) * _epoch_cost(settings)


def _epoch_cost(settings):
    """The work of an epoch in forward passes over the data.

    A backward pass counts as two. There is one for each gradient.
    """
    if not settings.method.has_estimator:
        return 3
    return 5 + settings.estimator.estimator_batches
