"""Keras callbacks that measure, schedule and stop a training."""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.auditing.outputs import collect_labels, collect_outputs
from keras_unbias.checks import check_integer, check_weight
from keras_unbias.data import BiasedDataset
from keras_unbias.dependence import critics


class StopOnDivergence(keras.callbacks.Callback):
    """Stops a training that has diverged.

    A training has diverged when its loss or its bound is not finite, or when
    its bound exceeds the entropy of the attribute.

    Args:
        entropy: float, H(C) in nats, the most that features can reveal.
            Defaults to infinity, for an unknown entropy.

    Attributes:
        reason: str, why the training was stopped. Empty if it was not.

    Example:

    >>> stop = StopOnDivergence(entropy=0.69)
    >>> stop.set_model(keras.Model())
    >>> stop.on_train_batch_end(7, {"loss": float("nan")})
    >>> stop.reason
    'loss is nan at batch 7'
    >>> stop.model.stop_training
    True
    """

    def __init__(self, entropy: float = math.inf):
        super().__init__()
        self.entropy = entropy
        self.reason = ""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Checks the loss and the bound of a step."""
        for name in ("loss", "mutual_information"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._stop(f"{name} is {logs[name]} at batch {batch}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Checks the validation loss and the bound of an epoch."""
        # Each training loss is computed before its step, so that of the last
        # step does not show what the step broke.
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
    """Measures the mutual information with a fresh critic on held-out rows.

    The estimator of the training may lag behind its features. The monitor
    fits a new critic instead, see `held_out_bound`. It adds two values in nats
    to the logs: `held_out_mutual_information`, I(Z;C), and, if the labels are
    class numbers, `held_out_conditional_mutual_information`, I(Z;C|Y). They
    are NaN for epochs without a measurement, and once the features are not
    finite. In the list of callbacks, put it before those that read the
    values.

    Args:
        dataset: as in `audit`, rows that the model is not trained on.
        every: int, epochs from one measurement to the next. The first
            measurement follows the first epoch. Defaults to 1.
        passes: int, passes over the rows that the critic is fitted to.
            Defaults to 20.
        seed: int, the seed of the critic. Defaults to 0.

    Raises:
        ValueError: if `every` or `passes` is not an integer >= 1.

    Example:

    >>> codes = np.arange(64) % 2
    >>> x = np.eye(2)[codes].astype("float32")
    >>> targets = {"label": codes, "attribute": x}
    >>> encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    >>> model = ku.RepresentationClassifier(encoder, num_classes=2)
    >>> model.compile(run_eagerly=True)
    >>> monitor = MutualInformationMonitor((x, {"attribute": x}), passes=1)
    >>> history = model.fit(x, targets, callbacks=[monitor], verbose=0).history
    >>> len(history["held_out_mutual_information"])
    1
    """

    def __init__(
        self,
        dataset: BiasedDataset | tf.data.Dataset | tuple,
        *,
        every: int = 1,
        passes: int = 20,
        seed: int = 0,
    ):
        super().__init__()
        check_integer("every", every, minimum=1)
        check_integer("passes", passes, minimum=1)
        self.dataset = dataset
        self.every = every
        self.passes = passes
        self.seed = seed

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Finds out which values the labels allow."""
        replicas.check_no_scope("MutualInformationMonitor")
        labels = collect_labels(self.dataset)
        self.num_classes = {"held_out_mutual_information": None}
        if labels is not None:
            name = "held_out_conditional_mutual_information"
            self.num_classes[name] = int(labels.max()) + 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the values to the logs."""
        # CSVLogger and others fix the names of all epochs after the first.
        logs.update(dict.fromkeys(self.num_classes, math.nan))
        if epoch % self.every:
            return
        outputs = collect_outputs(self.model, self.dataset)
        if not np.isfinite(outputs.features).all():
            return
        for name, num_classes in self.num_classes.items():
            logs[name] = critics.held_out_bound(
                outputs.features,
                outputs.attributes,
                outputs.labels,
                num_classes=num_classes,
                seed=self.seed,
                epochs=self.passes,
                batch_size=critics.choose_batch_size(len(outputs.features)),
            )


class MiWeightSchedule(keras.callbacks.Callback):
    """Sets the weight of the mutual information at the start of every epoch.

    It is to `MutualInformationBackpropagation` what Keras's
    `LearningRateScheduler` is to the learning rate. It adds the weight of the
    epoch to the logs, as `mi_weight`.

    Args:
        schedule: function from the epoch, which counts from 0, and the
            model's `mi_weight` to the weight of this epoch, e.g. `warm_up(5)`.

    Raises:
        ValueError: in `fit`, if a weight is negative or not finite.

    Example:

    >>> codes = np.arange(64) % 2
    >>> x = np.eye(2)[codes].astype("float32")
    >>> encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    >>> model = ku.MutualInformationBackpropagation(
    ...     encoder, num_classes=2, mi_weight=0.5
    ... )
    >>> model.compile(run_eagerly=True)
    >>> halved = MiWeightSchedule(lambda epoch, weight: weight / 2**epoch)
    >>> history = model.fit(
    ...     x, {"label": codes, "attribute": x}, epochs=2, steps_per_epoch=1,
    ...     callbacks=[halved], verbose=0,
    ... ).history
    >>> history["mi_weight"]
    [0.5, 0.25]
    """

    def __init__(self, schedule: Callable[[int, float], float]):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Sets the weight."""
        weight = self.schedule(epoch, self.model.mi_weight)
        check_weight(f"schedule(epoch={epoch}, weight)", weight)
        self.model.mi_weight_variable.assign(weight)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the weight to the logs."""
        weight = keras.ops.convert_to_numpy(self.model.mi_weight_variable)
        logs["mi_weight"] = float(weight)


def warm_up(epochs: int) -> Callable[[int, float], float]:
    """Returns a schedule that rises linearly to the model's weight.

    Args:
        epochs: int, the number of epochs before the weight is reached.

    Returns:
        A function for `MiWeightSchedule`.

    Example:

    >>> schedule = warm_up(3)
    >>> [schedule(epoch, 1.0) for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return lambda epoch, weight: weight * min(1, (epoch + 1) / (epochs + 1))
