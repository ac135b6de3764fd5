"""Callbacks of a run: its backup after every epoch, and its clock."""

import os
import pathlib
import time

import keras


class Backup(keras.callbacks.Callback):
    """Keeps the state of the last epoch in one file.

    The file is written under a temporary name and renamed. Keras's
    `BackupAndRestore` writes the weights and the epoch to two files, in place,
    so a kill between the two resumes at the wrong epoch. Here the epoch
    follows from the optimizer's own count of steps.

    Args:
        path: the `.weights.h5` file to write.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.path = pathlib.Path(path)

    def restore(self, model: keras.Model, steps: int) -> int:
        """Loads the state, if there is a backup.

        Args:
            model: the model, with all its state created.
            steps: int, steps per epoch.

        Returns:
            Int, the epoch to continue with: 0 without a backup.
        """
        if not self.path.exists():
            return 0
        model.load_weights(self.path)
        return int(model.optimizer.iterations) // steps

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the state, unless the training was stopped."""
        if self.model.stop_training:
            return  # A diverged state is not worth continuing from.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"next-{self.path.name}")
        self.model.save_weights(temporary, overwrite=True)
        os.replace(temporary, self.path)


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
