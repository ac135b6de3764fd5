"""Callbacks of a run: its history, its backup after every epoch, its clock."""

import csv
import hashlib
import io
import os
import pathlib
import time

import h5py
import keras
import numpy as np
from keras.src.saving import saving_lib

from reproduce.experiment import records, run_files
from reproduce.experiment.run_files import DamagedError


class HistoryFile(keras.callbacks.Callback):
    """Writes `history.csv`, with a line for each epoch.

    Keras's `CSVLogger` appends to the file. Here every epoch writes all of it
    in one step, so that neither a kill nor a full disk leaves half a line.

    Args:
        path: the file to write.

    Attributes:
        text: str, the content of the file.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = pathlib.Path(path)
        self.text = ""

    def restore(self, text: str) -> None:
        """Begins with these lines."""
        self.text = text
        if text:
            records.write_text(self.path, text)
        else:
            self.path.unlink(missing_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds a line."""
        row = {"epoch": epoch, **dict(sorted(logs.items()))}
        added = io.StringIO()
        writer = csv.DictWriter(added, row, lineterminator="\n")
        writer.writeheader()
        header = added.getvalue()
        writer.writerow(row)
        if not self.text:
            self.text = header
        elif self.text.splitlines()[0] + "\n" != header:
            raise DamagedError(f"{self.path} has other columns than {list(row)}.")
        self.text += added.getvalue().removeprefix(header)
        records.write_text(self.path, self.text)


class Backup(keras.callbacks.Callback):
    """Keeps the state of the last epoch in one file.

    The file is written under a temporary name and renamed. Keras's
    `BackupAndRestore` writes the weights and the epoch to two files, in place,
    so a kill between the two resumes at the wrong epoch. Here the epoch
    follows from the optimizer's own count of steps, and the file also holds
    the history and a digest of its content.

    Args:
        path: the `.weights.h5` file to write.
        history: the `HistoryFile` of the run, which precedes the backup in the
            list of callbacks.
        run_id: str, the id of the run. No other run can use the backup.
    """

    def __init__(self, path: str | os.PathLike, history: HistoryFile, run_id: str):
        super().__init__()
        self.path = pathlib.Path(path)
        self.history = history
        self.run_id = run_id

    def restore(self, model: keras.Model, steps: int) -> int:
        """Loads the state and the history, if there is a backup.

        Args:
            model: the model, with all its state created.
            steps: int, steps per epoch.

        Returns:
            Int, the epoch to continue with: 0 without a backup.

        Raises:
            DamagedError: if the backup is damaged or that of another model. The
                model may have been changed by then.
        """
        if not self.path.exists():
            self.history.restore("")
            return 0
        try:
            with h5py.File(self.path) as file:
                text = self._checked_history(file)
            model.load_weights(self.path)
        # h5py and Keras raise errors of many types.
        except Exception as error:
            raise DamagedError(
                f"{self.path} cannot be read. {type(error).__name__}: {error}"
            ) from error
        epoch, rest = divmod(int(model.optimizer.iterations), steps)
        if rest:
            raise DamagedError(f"{self.path} was not written after an epoch.")
        if text is None:
            text = run_files.finished_lines(self.history.path, epoch)
        self.history.restore(text)
        return epoch

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the state, unless the training was stopped."""
        if self.model.stop_training:
            return  # A diverged state is not worth continuing from.
        # On a full disk, HDF5 may crash. So it writes to memory.
        content = io.BytesIO()
        store = saving_lib.H5IOStore(content, mode="w")
        saving_lib._save_state(
            self.model,
            weights_store=store,
            assets_store=None,
            inner_path="",
            visited_saveables=set(),
        )
        store.close()
        with h5py.File(content, "a") as file:
            file["history"] = np.frombuffer(self.history.text.encode(), np.uint8)
            file.attrs["digest"] = self._digest(file)
        records.write_bytes(self.path, content.getbuffer())

    def _checked_history(self, file):
        # Earlier versions wrote neither.
        if "digest" not in file.attrs and "history" not in file:
            return None
        if file.attrs["digest"] != self._digest(file):
            raise ValueError("Its content was changed, or is that of another run.")
        return file["history"][()].tobytes().decode()

    def _digest(self, file):
        digest = hashlib.sha256(self.run_id.encode())
        names = []
        file.visit(names.append)
        for name in sorted(names):
            if isinstance(file[name], h5py.Dataset):
                values = file[name][()]
                digest.update(f"{name} {values.dtype} {values.shape}".encode())
                digest.update(values.tobytes())
        return digest.hexdigest()


class Clock(keras.callbacks.Callback):
    """Adds the `seconds` of every epoch to its logs.

    Attributes:
        total: float, the seconds of all epochs so far.
    """

    total = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock."""
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the seconds to the logs."""
        logs["seconds"] = round(time.monotonic() - self.began, 2)
        self.total += logs["seconds"]
