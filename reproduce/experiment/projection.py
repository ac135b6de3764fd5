"""Features of finished runs in two dimensions."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from reproduce.experiment import run_files, tensorflow_process
from reproduce.experiment.results import Cell
from reproduce.experiment.settings import Settings


def model_of(cell: Cell, output_dir: str | os.PathLike, command: str) -> pathlib.Path:
    """Returns the path of the model of a finished run.

    Args:
        cell: the run.
        output_dir: directory of all runs.
        command: script and flags that make the run, for the error.

    Raises:
        FileNotFoundError: if the run has no model.
    """
    path = run_files.directory(cell.settings, output_dir) / "model.keras"
    if not path.exists():
        raise FileNotFoundError(
            f"The run {cell} has no model. Expected: {path}. Received: no such file. "
            f"Run {command} with the same directories first."
        )
    return path


def project(
    settings: Settings,
    path: str | os.PathLike,
    data_dir: str | os.PathLike | None,
    *,
    count: int,
    reduce: Callable[[np.ndarray], np.ndarray],
) -> tuple[list[list[float]], Any]:
    """Projects the features of the first test rows on a plane.

    Args:
        settings: the settings of the run.
        path: path of its model.
        data_dir: directory of the data.
        count: number of rows.
        reduce: function from features of shape `(count, d)` to places of
            shape `(count, 2)`.

    Returns:
        The places, scaled to -1..1, and the `Split` of the rows.
    """
    tensorflow_process.import_tensorflow()

    import keras

    from keras_unbias.data import Split
    from reproduce.experiment import build

    dataset = build.load_data(settings, data_dir)
    encoder = keras.models.load_model(path, compile=False).encoder
    rows = np.arange(count)
    batches = dataset.batches("test", dataset.evaluation_batch, rows)
    features = encoder.predict(batches.map(lambda x, _: x), verbose=0)
    plane = np.asarray(reduce(features), float)
    parts = (dataset.test.inputs, dataset.test.labels, dataset.test.attributes)
    # The digits that a picture shows.
    place = np.round(plane / np.abs(plane).max(), 3).tolist()
    return place, Split(*(part[rows] for part in parts))
