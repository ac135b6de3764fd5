"""Keras callbacks of a run: its backup, its clock, its end."""

import math
import os
import pathlib
import time

import keras


class Backup(keras.callbacks.Callback):
    """Keeps the state of the last epoch, in one file that is renamed.

    Keras's `BackupAndRestore` writes the weights and the epoch to two files,
    in place; a kill between the two resumes at the wrong epoch. Here the
    epoch is read off the optimizer's own count of steps.

    Args:
        path: where to, a `.weights.h5` file.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)

    def restore(self, model, steps):
        """Loads the state, if there is one; returns the epoch to go on at."""
        if not self.path.exists():
            return 0
        model.load_weights(self.path)
        return int(model.optimizer.iterations) // steps

    def on_epoch_end(self, epoch, logs=None):
        if self.model.stop_training:
            return  # A diverged epoch is no state to go on from.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"next-{self.path.name}")
        self.model.save_weights(temporary, overwrite=True)
        os.replace(temporary, self.path)


class Clock(keras.callbacks.Callback):
    """Adds the `seconds` of every epoch to its logs."""

    total = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = round(time.monotonic() - self.began, 2)
        self.total += logs["seconds"]


class StopOnDivergence(keras.callbacks.Callback):
    """Ends a run whose loss is not finite or whose bound is impossible.

    Args:
        entropy: float, H(C) in nats: no features can tell more of C.
    """

    def __init__(self, entropy):
        super().__init__()
        self.entropy = entropy
        self.reason = ""

    def on_train_batch_end(self, batch, logs=None):
        for name in ("loss", "mutual_information"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._stop(f"{name} is {logs[name]} at batch {batch}")

    def on_epoch_end(self, epoch, logs=None):
        bound = logs.get("mutual_information", 0.0)
        if bound > self.entropy:
            self._stop(
                f"mutual_information is {bound:.3f} nats after epoch "
                f"{epoch + 1}, above H(C) = {self.entropy:.3f}"
            )

    def _stop(self, reason):
        self.reason = self.reason or reason
        self.model.stop_training = True
