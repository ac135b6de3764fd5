"""The files of a run: its directory, the facts of its data, its history.

The directory `<output_dir>/<data set>/<id>/` holds `settings.json`,
`data.json`, `history.csv` and, at the end, `record.json`. The record is
renamed into place, so it exists exactly when the run is finished.

This module needs no TensorFlow.
"""

import json
import math
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reproduce.experiment import records
from reproduce.experiment.settings import Settings, to_json

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
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise PermissionError(
            f"The output directory cannot be written: {error}. Expected: a "
            f"directory of yours. Received: output_dir={output_dir}. Choose "
            "another."
        ) from error
    file = path / "settings.json"
    content = to_json(settings)
    if not file.exists():
        records.write_json(file, content)
    found = records.read_json(file)
    if found != content:
        raise ValueError(
            f"{path} was made by another run. Expected: {content}. Received: "
            f"{found} in {file}. Nothing was changed. Choose another "
            "`output_dir` or move the directory away."
        )
    return path


def check_data(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Checks that a resumed run goes on with the data that it began with.

    The first call writes the facts. If they have a checksum, then the same
    data may come from another source later.

    Args:
        path: path of `data.json`.
        facts: JSON values by name, the facts of the data set.

    Raises:
        ValueError: if the run was begun on other data.
    """
    facts = json.loads(json.dumps(facts))
    if not path.exists():
        records.write_json(path, facts)
    begun = records.read_json(path)
    moved = {"source": begun["source"]} if "checksum" in begun else {}
    if begun != {**facts, **moved}:
        raise ValueError(
            f"The run was begun on other data. Expected: {begun}, as in "
            f"{path}. Received: {facts}. Pass the same `data_dir`, or move "
            "the directory away to start anew."
        )


def trim_history(path: pathlib.Path, first_report: int) -> None:
    """Removes the lines of reports that a resumed run repeats.

    A kill may also leave an incomplete last line or an empty file.

    Args:
        path: path of `history.csv`, which need not exist.
        first_report: int, the report that the run goes on with.
    """
    if not path.exists():
        return
    header, *lines = path.read_text().splitlines() or [""]
    kept = [
        line
        for line in lines
        if line.count(",") == header.count(",")
        and int(line.split(",")[0]) < first_report
    ]
    if kept:
        records.write_text(path, "\n".join([header, *kept]) + "\n")
    else:
        path.unlink()


def read_history(path: pathlib.Path) -> dict[str, list[float | None]]:
    """Reads the history of a run.

    Args:
        path: path of `history.csv`.

    Returns:
        Dict from names to lists of one value per report, rounded to 5
        decimals. `None` stands for NaN and infinity.
    """
    frame = pd.read_csv(path).drop(columns="epoch").rename(columns=COLUMNS)
    return {
        name: [
            round(value, 5) if math.isfinite(value) else None
            for value in frame[name].tolist()
        ]
        for name in frame.columns
    }
