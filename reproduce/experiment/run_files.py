"""The files of a run: its directory and lock, the facts of its data, its history.

The directory `<output_dir>/<data set>/<id>/` holds `settings.json`,
`data.json`, `history.csv` and, at the end, `record.json`. The record is
renamed into place, so it exists exactly when the run is finished. A process
that works on the run holds the lock on `.lock`. The system releases the lock
of a killed process.

This module needs no TensorFlow.
"""

import contextlib
import errno
import io
import itertools
import json
import logging
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import filelock
import pandas as pd

from reproduce.experiment import records
from reproduce.experiment.settings import Settings, from_json, to_json

logger = logging.getLogger(__name__)

# What an unfinished run leaves to the next attempt.
FILES = ("settings.json", "data.json", "history.csv")
STATE = (*FILES, "backup")

# The columns of a history that Keras calls otherwise.
COLUMNS = {
    "accuracy": "train_accuracy",
    "val_accuracy": "test_accuracy",
    "val_loss": "test_loss",
    "val_mutual_information": "test_mutual_information",
}


def directory(settings: Settings, output_dir: str | os.PathLike) -> pathlib.Path:
    """Returns the directory of a run, which need not exist.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.
    """
    return pathlib.Path(output_dir, settings.data.name, settings.id)


def record_path(settings: Settings, output_dir: str | os.PathLike) -> pathlib.Path:
    """Returns the path of a run's record, which exists when it is finished."""
    return directory(settings, output_dir) / "record.json"


class DamagedError(ValueError):
    """Error of an unfinished run whose files do not let it go on."""


def recorded(
    settings: Settings,
    output_dir: str | os.PathLike,
    carry_out: Callable[[], records.Record],
) -> records.Record:
    """Reads the record of a run, or carries out the run and writes its record.

    It is for runs that have no other files.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.
        carry_out: function that returns the `Record`.
    """
    with exclusive(settings, output_dir) as path:
        if (path / "record.json").exists():
            return records.read(path / "record.json")
        record = carry_out()
        records.write(record, path / "record.json")
    return record


@contextlib.contextmanager
def exclusive(
    settings: Settings, output_dir: str | os.PathLike
) -> Iterator[pathlib.Path]:
    """Opens the directory of a run for this process alone.

    While another process works on the run, this one waits. What killed
    attempts left behind is removed.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.

    Yields:
        Path of the directory.

    Raises:
        PermissionError: if the directory cannot be written.
        ValueError: if the directory is that of other settings.
        OSError: if the disk is full.
    """
    path = directory(settings, output_dir)
    with _explained(path):
        _make_directory(path)
        with _locked(path):
            _clean(path)
            if not (path / "record.json").exists():
                for name in FILES:
                    if (path / name).is_dir():
                        set_aside(path, f"{path / name} is a directory.")
                open_directory(settings, output_dir)
            yield path


def clean_finished(settings: Settings, output_dir: str | os.PathLike) -> None:
    """Removes what a kill left beside the record of a finished run.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.
    """
    path = directory(settings, output_dir)
    if (path / "record.json").exists() and _leftovers(path):
        # Another process may be there, or the directory another user's.
        with contextlib.suppress(OSError), _locked(path, wait=False):
            _clean(path)


def open_directory(settings: Settings, output_dir: str | os.PathLike) -> pathlib.Path:
    """Makes or finds the directory of a run, with `settings.json` in it.

    Args:
        settings: the `Settings` of the run.
        output_dir: directory of all runs.

    Returns:
        Path of the directory.

    Raises:
        PermissionError: if the directory cannot be written.
        ValueError: if the directory is that of other settings.
    """
    path = directory(settings, output_dir)
    _make_directory(path)
    file = path / "settings.json"
    content = to_json(settings)
    found = content
    try:
        if file.exists():
            found = records.read_json(file)
            from_json(found)
    except (TypeError, ValueError) as error:
        set_aside(path, f"{file} does not hold settings. {error}")
        found = content
    if found != content:
        raise ValueError(
            f"{path} was made by another run. Expected: {content}. Received: "
            f"{found} in {file}. Nothing was changed. Choose another "
            "`output_dir` or move the directory away."
        )
    if not file.exists():
        records.write_json(file, content)
    return path


def set_aside(path: pathlib.Path, reason: object) -> None:
    """Moves what a run would go on with into a directory of its own.

    Args:
        path: directory of the run, which then starts anew.
        reason: why, for the warning.
    """
    aside = next(
        place
        for number in itertools.count(1)
        if not (place := path / f"damaged-{number}").exists()
    )
    aside.mkdir()
    for name in STATE:
        if (path / name).exists():
            os.replace(path / name, aside / name)
    logger.warning(
        "%s The files of the unfinished run were moved to %s, and the run starts anew.",
        reason,
        aside,
    )


def check_data(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Checks that a resumed run goes on with the data that it began with.

    The first call writes the facts. If they have a checksum, then the same
    data may come from another source later.

    Args:
        path: path of `data.json`.
        facts: JSON values by name, the facts of the data set.

    Raises:
        ValueError: if the run was begun on other data.
        DamagedError: if the file is damaged, or missing beside a backup.
    """
    facts = json.loads(json.dumps(facts))
    backup = path.with_name("backup")
    if not path.exists():
        if backup.exists():
            raise DamagedError(f"{backup} is there, but {path} is missing.")
        records.write_json(path, facts)
    try:
        begun = records.read_json(path)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if not isinstance(begun, dict):
        raise DamagedError(f"{path} does not hold facts: {begun!r}.")
    moved = {"source": begun.get("source")} if "checksum" in begun else {}
    if begun != {**facts, **moved}:
        raise ValueError(
            f"The run was begun on other data. Expected: {begun}, as in "
            f"{path}. Received: {facts}. Pass the same `data_dir`, or move "
            "the directory away to start anew."
        )


def finished_lines(path: pathlib.Path, reports: int) -> str:
    """Reads the lines of the reports that a resumed run does not repeat.

    A kill may leave further lines, an incomplete last line or an empty file.

    Args:
        path: path of `history.csv`.
        reports: int, the number of reports that the run goes on after.

    Returns:
        String, the header and a line per report, or `""` for no report.

    Raises:
        DamagedError: if these are not the reports `0..reports-1`.
    """
    if not reports:
        return ""
    try:
        header, *lines = path.read_text().splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if line.endswith("\n")
            and line.count(",") == header.count(",")
            and int(line.split(",")[0]) < reports
        ]
        text = header + "".join(kept)
        _parse(io.StringIO(text), path, reports)
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path} is damaged. {error}") from error
    return text


def read_history(path: pathlib.Path, reports: int) -> dict[str, list[float | None]]:
    """Reads the history of a run.

    Args:
        path: path of `history.csv`.
        reports: int, the number of reports of the run.

    Returns:
        Dict from names to lists of one value per report, rounded to 5
        decimals. `None` stands for NaN and infinity.

    Raises:
        ValueError: if these are not the reports `0..reports-1`.
    """
    frame = _parse(path, path, reports).drop(columns="epoch").rename(columns=COLUMNS)
    return {
        name: [
            round(value, 5) if math.isfinite(value) else None
            for value in frame[name].tolist()
        ]
        for name in frame.columns
    }


def _parse(file, path, reports):
    frame = pd.read_csv(file)
    epochs = list(frame.get("epoch", ()))
    if epochs != list(range(reports)):
        raise ValueError(
            f"{path} is not the history of the run. Expected: the epochs "
            f"0..{reports - 1}, one a line. Received: {epochs}. The same command "
            "restores it."
        )
    # Raises a ValueError for text.
    frame.astype(float)
    return frame


def _make_directory(path):
    records.check_writable(path)
    path.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _locked(path, wait=True):
    """Holds the lock of a run's directory."""
    lock = filelock.FileLock(path / ".lock")
    if os.path.isdir(lock.lock_file):
        raise ValueError(
            "The lock of a run is a file. Expected: none, or one that a process left. "
            f"Received: the directory {lock.lock_file}. Remove it."
        )
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if not wait:
            raise
        logger.warning(
            "Another process works on the run %s. This one waits for its record. "
            "The lock is %s.",
            path.name,
            lock.lock_file,
        )
        lock.acquire(poll_interval=0.2)
    try:
        yield
    finally:
        # One who waits finds this file removed, and makes another.
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


def _leftovers(path):
    """Paths of what is in a run's directory while a process works there."""
    # The temporary names of `records.write_bytes`.
    found = [
        place
        for name in ("*.json", "history.csv", "latest.weights.h5")
        for place in path.rglob(f".{name}.[0-9]*")
    ]
    if (path / "record.json").exists():
        found += [path / "backup", path / ".lock"]
    else:
        found += [path / "model", path / "model.keras"]
        # An earlier version wrote it.
        found += path.glob("backup/next-*")
    return [place for place in found if place.exists()]


def _clean(path):
    for place in _leftovers(path):
        if place.is_dir():
            shutil.rmtree(place)
        elif place.name != ".lock":
            place.unlink()


@contextlib.contextmanager
def _explained(path):
    """Says that the disk is full: h5py and TensorFlow hide it in theirs."""
    try:
        yield
    except Exception as error:
        full = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
        said = next((words for words in full if words in str(error)), None)
        if said is None:
            raise
        raise OSError(
            f"A file of the run could not be written: {said}. Expected: room on the "
            f"disk of {path}. Received: none. Free some. Then the same command goes "
            "on after the last epoch."
        ) from error
