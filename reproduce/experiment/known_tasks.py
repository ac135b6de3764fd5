"""Files of pairs of which the mutual information is known."""

import json
import os
import pathlib

import numpy as np

TRUTHS = "tasks.json"


def find(data_dir: str | os.PathLike | None, task: str) -> tuple[pathlib.Path, float]:
    """Finds a task.

    Args:
        data_dir: directory of the tasks: `tasks.json` with the truths, and for
            each task an `.npz` with `x` and `y` of shape `(rows, columns)`.
        task: its name.

    Returns:
        Path of the rows, and their mutual information in nats.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if `tasks.json` does not have its truth.
    """
    place = pathlib.Path(data_dir or ".")
    path, truths = place / f"{task}.npz", place / TRUTHS
    if data_dir is None or not (path.exists() and truths.exists()):
        raise FileNotFoundError(
            f"The rows of a task are read from a file. Expected: {task}.npz and "
            f"{TRUTHS} in --data-dir. Received: {data_dir}. "
            "docs/experiments/information.md says how to sample them."
        )
    try:
        truth = json.loads(truths.read_text("utf-8"))[task]
        return path, float(truth["mutual_information_nats"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{truths} does not have the task. Expected: mutual_information_nats of "
            f"{task}. Received: {error!r}. Sample the tasks again, as "
            "docs/experiments/information.md says."
        ) from error


def read(
    data_dir: str | os.PathLike | None, task: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Reads a task.

    Args:
        data_dir: as in `find`.
        task: its name.

    Returns:
        `x`, `y`, and their mutual information in nats.

    Raises:
        FileNotFoundError, ValueError: as `find`.
    """
    path, truth = find(data_dir, task)
    with np.load(path) as rows:
        return rows["x"], rows["y"], truth
