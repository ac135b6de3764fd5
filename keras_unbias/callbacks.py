"""Keras callbacks: what is measured, changed and kept between epochs."""

import math
import os
import pathlib
import time

import keras
import numpy as np

from keras_unbias.auditing import critics, outputs
from keras_unbias.checks import check_integer, check_weight


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
        # The last step's harm shows in no training loss: each is taken before
        # its step.
        loss = logs.get("val_loss", 0.0)
        if not math.isfinite(loss):
            self._stop(f"val_loss is {loss} after epoch {epoch + 1}")
        bound = logs.get("mutual_information", 0.0)
        if bound > self.entropy:
            self._stop(
                f"mutual_information is {bound:.3f} nats after epoch "
                f"{epoch + 1}, above H(C) = {self.entropy:.3f}"
            )

    def _stop(self, reason):
        self.reason = self.reason or reason
        self.model.stop_training = True


class MutualInformationMonitor(keras.callbacks.Callback):
    """Measures the information with a fresh critic on held-out rows.

    The estimator of the training may lag behind its features; this shows what
    they tell in truth (`critics.held_out_bound`). It adds to the
    logs, in nats, `held_out_mutual_information`, I(Z;C), and, if labels are
    class numbers, `held_out_conditional_mutual_information`, I(Z;C|Y): NaN in
    the epochs between, and once the features are not finite. Callbacks that
    read them must come after it in the list.

    Args:
        dataset: as in `audit`; rows that the training does not see.
        every: int, epochs from one measurement to the next; the first is
            after the first epoch. Defaults to 1.
        passes: int, the passes of the fresh critic. Defaults to 20.
        seed: int, of the fresh critic.

    Raises:
        ValueError: `every` or `passes` is no integer >= 1.
    """

    def __init__(self, dataset, *, every=1, passes=20, seed=0):
        super().__init__()
        check_integer("every", every, minimum=1)
        check_integer("passes", passes, minimum=1)
        self.dataset = dataset
        self.every = every
        self.passes = passes
        self.seed = seed

    def on_train_begin(self, logs=None):
        _, _, targets, _ = outputs.collect_outputs(np.empty(0), self.dataset)
        labels = outputs.class_numbers(targets.get("label"))
        self.num_classes = {"held_out_mutual_information": None}
        if labels is not None:
            name = "held_out_conditional_mutual_information"
            self.num_classes[name] = int(labels.max()) + 1

    def on_epoch_end(self, epoch, logs=None):
        # CSVLogger and others take the names of the first epoch for all.
        logs.update(dict.fromkeys(self.num_classes, math.nan))
        if epoch % self.every:
            return
        features, _, targets, _ = outputs.collect_outputs(
            self.model, self.dataset
        )
        if not np.isfinite(features).all():
            return  # The model has diverged, and there is nothing to measure.
        for name, num_classes in self.num_classes.items():
            logs[name] = critics.held_out_bound(
                features,
                targets["attribute"],
                outputs.class_numbers(targets.get("label")),
                num_classes=num_classes,
                seed=self.seed,
                epochs=self.passes,
                batch_size=critics.batch_size_of(len(features)),
            )


class MiWeightSchedule(keras.callbacks.Callback):
    """Sets the weight of the mutual information at the start of every epoch.

    For `MutualInformationBackpropagation`, as `LearningRateScheduler` is for
    the rate; the log `mi_weight` says what it was.

    Args:
        schedule: function from the epoch (from 0) and the model's `mi_weight`
            to the weight of this epoch, e.g. `warm_up(5)`.
    """

    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch, logs=None):
        weight = self.schedule(epoch, self.model.mi_weight)
        check_weight(f"schedule(epoch={epoch}, weight)", weight)
        self.model.mi_weight_variable.assign(weight)

    def on_epoch_end(self, epoch, logs=None):
        logs["mi_weight"] = float(self.model.mi_weight_variable)


def warm_up(epochs):
    """A schedule that rises evenly to the model's weight.

    Args:
        epochs: int, the epochs before the weight is reached.

    Returns:
        A function for `MiWeightSchedule`.
    """
    return lambda epoch, weight: weight * min(1, (epoch + 1) / (epochs + 1))
