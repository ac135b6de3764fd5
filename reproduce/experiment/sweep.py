"""Runs the cells that are missing, in parallel; goes on where it was."""

import collections
import contextlib
import os
import pathlib
import sys
import threading
import traceback

import joblib
import tqdm

from keras_unbias import runs
from reproduce import clusters

# So often a cell may be running, beside others, when a worker dies. Then it
# runs alone, which shows whether it is the one that kills: it must neither
# keep the sweep from ending nor take others with it.
DEATHS = 2

# One thread a process: as fast in total as fewer processes with more, and
# the results do not depend on the number of jobs. TensorFlow leaves oneDNN
# off on some processors, where it halves the time of a step; and without its
# own allocator every large tensor is asked of the system anew.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
}


class SweepError(RuntimeError):
    """Some cells of a sweep failed.

    Args:
        failures: dict from run ids to reasons.
        records: list of `Record`, of the cells that did not fail.
    """

    def __init__(self, failures, records):
        self.failures = failures
        self.records = records
        lines = [f"  {run_id}: {why}" for run_id, why in failures.items()]
        super().__init__(
            f"{len(failures)} cells failed, {len(records)} are done; the same "
            "command runs what failed again:\n" + "\n".join(lines)
        )


def run(
    configs,
    *,
    output_dir,
    data_dir=None,
    jobs=None,
    backend="loky",
    address=None,
):
    """Runs the cells that have no record yet.

    Args:
        configs: list of `RunConfig`.
        output_dir: directory of all runs; on a cluster one that all of its
            machines share.
        data_dir: directory of the data. Defaults to what the data set finds.
        jobs: int, the number of runs at a time. Defaults to the number of
            usable cores, as in `clusters.connect`.
        backend: name of the joblib backend, one of `clusters.BACKENDS`.
        address: of a Ray or Dask cluster. Defaults to one on this machine.

    Returns:
        List of `Record`, one for each config, in their order.

    Raises:
        SweepError: If cells failed, or their workers died again and again.
            All others were run.
        ValueError: If the backend is unknown or a finished record is damaged.
        ImportError: If the backend is not installed.
    """
    # Workers of a cluster may work in another directory.
    output_dir = pathlib.Path(output_dir).resolve()
    data_dir = data_dir and pathlib.Path(data_dir).resolve()
    # A damaged record is told now, not after hours.
    finished(configs, output_dir)
    failures = {}
    missing = _missing(configs, output_dir)
    if missing:
        with clusters.connect(backend, jobs=jobs, address=address) as workers:
            failures = _run(missing, output_dir, data_dir, workers)
    records = finished(configs, output_dir)
    if failures:
        raise SweepError(failures, records)
    return records


def finished(configs, output_dir):
    """Reads the records of those cells that have one.

    Args:
        configs: list of `RunConfig`.
        output_dir: directory of all runs.

    Returns:
        List of `Record`, in the order of the configs.

    Raises:
        ValueError: If a record is damaged.
    """
    paths = [_record_path(config, output_dir) for config in configs]
    return [runs.read_record(path) for path in paths if path.exists()]


@contextlib.contextmanager
def environment():
    """Sets what TensorFlow reads at its import; restored at the end.

    It reads the threads at its first operation: a run belongs inside too.

    What the user has set stays.
    """
    added = {k: v for k, v in ENVIRONMENT.items() if k not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _run(configs, output_dir, data_dir, workers):
    """Returns a dict from the run ids of the cells that failed to reasons."""
    # The longest first, or the last of them runs while other cores idle.
    waiting = sorted(configs, key=_cost, reverse=True)
    with joblib.parallel_config(**workers.config):
        parallel = joblib.Parallel(
            n_jobs=min(workers.jobs, len(configs)),
            batch_size=1,
            return_as=workers.return_as,
        )
    failures, deaths = {}, collections.Counter()
    with _progress(configs, output_dir) as bar:
        while waiting:
            group = [c for c in waiting if deaths[c.run_id] < DEATHS]
            alone = not group
            group = group or waiting[:1]
            failed, death = _attempt_all(
                group, parallel, output_dir, data_dir, workers.death, bar
            )
            failures.update(failed)
            left = _unsettled(group, output_dir, failures)
            if alone or not death:
                reason = death or "It wrote no record."
                failures.update({c.run_id: reason for c in left})
            # What was running may be what kills: it goes last. (So does what
            # an earlier sweep began, which costs time alone.)
            running = [c for c in left if c.directory(output_dir).exists()]
            deaths.update(c.run_id for c in running or left)
            waiting = _unsettled(waiting, output_dir, failures)
            waiting.sort(key=lambda config: deaths[config.run_id])
    return failures


def _attempt_all(configs, parallel, output_dir, data_dir, deadly, bar):
    """Runs cells until all have ended, or until a worker dies.

    Returns:
        A dict from the run ids of those that failed to reasons, and what
        the worker died of, `""` if none did.
    """
    failures = {}
    try:
        for run_id, failure, trace in parallel(
            joblib.delayed(_attempt)(_train, config, output_dir, data_dir)
            for config in configs
        ):
            if failure:
                failures[run_id] = failure
            bar.write(f"{run_id}: {trace or 'done'}", file=sys.stderr)
    except deadly as error:
        death = f"A worker process died. {error}".replace("\n", " ")
        bar.write(death, file=sys.stderr)
        return failures, death
    return failures, ""


def _unsettled(configs, output_dir, failures):
    missing = _missing(configs, output_dir)
    return [config for config in missing if config.run_id not in failures]


def _missing(configs, output_dir):
    return [c for c in configs if not _record_path(c, output_dir).exists()]


def _attempt(train, config, output_dir, data_dir):
    """Runs in a worker process; an error there must not stop the others."""
    try:
        with environment():
            train(config, output_dir, data_dir)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return config.run_id, reason, traceback.format_exc()
    return config.run_id, "", ""


def _train(config, output_dir, data_dir):
    # Imports TensorFlow, which must see the environment.
    import tensorflow as tf

    from keras_unbias import training

    # Many small runs in a process: it warns that each traces anew.
    tf.get_logger().setLevel("ERROR")
    training.train(config, output_dir=output_dir, data_dir=data_dir, threads=1)


@contextlib.contextmanager
def _progress(configs, output_dir):
    """A bar of the passes over the data, read off the history files."""

    def done():
        return sum(
            _epochs_done(config, output_dir) * _epoch_cost(config)
            for config in configs
        )

    bar = tqdm.tqdm(
        total=sum(_cost(config) for config in configs),
        initial=done(),
        unit="pass",
        smoothing=0,
        # A log file needs no bar a second.
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


def _epochs_done(config, output_dir):
    epochs = _epochs(config)
    if _record_path(config, output_dir).exists():
        return epochs
    history = config.directory(output_dir) / "history.csv"
    if not history.exists():
        return 0
    lines = max(history.read_bytes().count(b"\n") - 1, 0)
    return min(lines * config.settings.get("epochs_per_report", 1), epochs)


def _epochs(config):
    # A scikit-learn classifier has none.
    return config.settings.get("epochs", 1)


def _cost(config):
    return _epochs(config) * _epoch_cost(config)


def _epoch_cost(config):
    """Forward passes over the data: backward counts as two, each gradient."""
    batches = config.settings.get("estimator_batches")
    return 3 if batches is None else 5 + batches


def _record_path(config, output_dir):
    return pathlib.Path(config.directory(output_dir), "record.json")
