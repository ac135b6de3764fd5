"""Mutual information backpropagation.

By default it differs from the paper in three ways. Each is an argument.

- The estimator uses standardized features and a separable critic. The paper's
  concatenated critic on raw features is an option.
- The gradient of the bound has an optimizer of its own, as in the released
  code. The paper writes one optimizer.
- The estimator's K steps use P mini-batches, embedded once per step, for the
  encoder does not change meanwhile.

Reference: Ragonesi et al., "Learning Unbiased Representations via Mutual
Information Backpropagation", Algorithm 1.
"""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.checks import check_integer, check_weight, check_width
from keras_unbias.data.targets import (
    attribute_of,
    check_vectors,
    inputs_and_targets,
    warn_of_large,
)
from keras_unbias.information import MutualInformationEstimator
from keras_unbias.methods import batches
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.bound_tracker import BoundTracker
from keras_unbias.methods.gate import Gate
from keras_unbias.methods.optimizers import clip_to_reference, companion_optimizer


@keras.saving.register_keras_serializable("keras_unbias")
class MutualInformationBackpropagation(RepresentationClassifier):
    """Minimizes the task loss and the information of features on attribute.

    A step is one iteration of Algorithm 1. The estimator takes K steps on the
    current features. Then the encoder descends on the task loss and on the
    bound. A batch of `(1 + P) * n` rows gives its first n rows to the task
    and the others to the estimator. With P = 0 both use all rows.

    With P > 0, arrays are shuffled in every batch, so that all rows come to
    the task. A data set has to do this itself, as `BiasedDataset.stream` does.
    Several replicas then exchange the inputs, for each to compute on its share
    of the n rows. Only in a data set of `distribute_datasets_from_function`,
    each replica's batch has to consist of its shares.
    Batch normalization and dropout see the estimator's rows too.

    The metrics are `loss`, the task's, those of `compile`, and
    `mutual_information`, the bound in nats. In training it is the mean of the
    bounds on the task's rows of each batch. In evaluation it is the bound of
    the current critic over all evaluated rows, whatever the batches. It is
    loose where they are distributed otherwise than the training rows.
    Sample and class weights apply to the task loss only.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        mi_weight: float >= 0, the paper's lambda. It may be assigned between
            calls of `fit`. Training uses `mi_weight_variable`, which starts
            with this value and is set to it when it is assigned.
            `callbacks.MiWeightSchedule` and `load_weights` change the
            variable only. Defaults to 1.
        conditional: bool, whether to minimize I(Z;C|Y) instead of the paper's
            I(Z;C). I(Z;C) cannot fall below I(Y;C) as long as the features
            tell the label. I(Z;C|Y) has no such floor. Its pairs lie within
            the classes of a mini-batch: with fewer than some ten rows per
            class it measures, and removes, only a part of the information.
            Defaults to `False`.
        estimator: `MutualInformationEstimator`. Its `num_classes` must agree
            with `conditional`. Defaults to `None`, one with default
            arguments.
        estimator_batches: int >= 0, the number P of mini-batches for the
            estimator in every batch. Defaults to 0.
        mi_every: int >= 1, how often a step descends on the bound: in each
            step whose number, counted from 0 by the optimizer, is a multiple
            of `mi_every`. The estimator takes its steps there too. The others
            descend on the task loss alone, which takes less time, and leave
            out the estimator's rows. More than 1 needs a single device.
            Defaults to 1, every step.
        own_optimizer: bool, whether the gradient of the bound has an
            optimizer of its own, like the task's with `mi_weight` times the
            learning rate. Otherwise it is multiplied by `mi_weight` and added
            to the task's gradient. Defaults to `True`.
        clip: bool, whether to clip the gradient of the bound to the norm of
            the task's gradient, one variable at a time. Defaults to `True`.
        released_order: bool, whether a step has the order of the released
            code instead of that of Algorithm 1. It descends on the task loss.
            At the new weights it computes both gradients anew, on the same
            rows, and descends on the bound. Then the estimator takes its K
            steps, for the next step. So `mutual_information` is that of an
            estimator that has not seen the new features, and lower. The rows
            pass through the encoder twice, and with P = 0 three times.
            Defaults to `False`.
        attribute_size: int, the width of the attribute vectors. Defaults to
            `None`, the width of the first data that `fit` gets.
        label_prior: see `RepresentationClassifier`.

    Raises:
        ValueError: if `mi_weight`, `estimator_batches` or `mi_every` is out of
            range, if `released_order` has a single optimizer, if the
            estimator's `num_classes` or `accumulate` does not suit the other
            arguments, or for the reasons that `RepresentationClassifier`
            gives.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = MutualInformationBackpropagation(
    ...     encoder, num_classes=2, mi_weight=0.5, estimator_batches=1
    ... )
    >>> model.compile("adam")
    >>> model.mi_weight = 0.25
    >>> float(model.mi_weight_variable)
    0.25
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        mi_weight: float = 1.0,
        conditional: bool = False,
        estimator: MutualInformationEstimator | None = None,
        estimator_batches: int = 0,
        mi_every: int = 1,
        own_optimizer: bool = True,
        clip: bool = True,
        released_order: bool = False,
        attribute_size: int | None = None,
        **kwargs: Any,
    ):
        check_weight("mi_weight", mi_weight)
        estimator_batches = check_integer(
            "estimator_batches", estimator_batches, minimum=0
        )
        mi_every = check_integer("mi_every", mi_every, minimum=1)
        if attribute_size is not None:
            attribute_size = check_integer("attribute_size", attribute_size, minimum=1)
        # A single logit distinguishes two labels.
        classes = max(2, num_classes) if conditional else None
        if estimator is None:
            estimator = MutualInformationEstimator(num_classes=classes)
        if estimator.num_classes != classes:
            raise ValueError(
                "The estimator does not suit the objective. Expected: an estimator "
                f"with num_classes={classes} for conditional={conditional}. Received: "
                f"num_classes={estimator.num_classes}."
            )
        if (estimator_batches or 1) % estimator.accumulate:
            raise ValueError(
                "The estimator cannot accumulate its mini-batches evenly. "
                "Expected: estimator_batches that is a multiple of "
                f"accumulate={estimator.accumulate}. Received: "
                f"estimator_batches={estimator_batches}."
            )
        if released_order and not own_optimizer:
            raise ValueError(
                "The released code takes a step for each gradient. Expected: "
                "own_optimizer=True with released_order=True. Received: "
                "own_optimizer=False. Leave out one of the two."
            )
        super().__init__(encoder, num_classes, **kwargs)
        self._mi_weight = mi_weight
        self.mi_weight_variable = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(mi_weight),
            trainable=False,
            dtype="float32",
            name="mi_weight_variable",
        )
        self.conditional = conditional
        self.estimator = estimator
        self.estimator_batches = estimator_batches
        self.mi_every = mi_every
        self.own_optimizer = own_optimizer
        self.clip = clip
        self.released_order = released_order
        self.attribute_size = attribute_size
        self.mi_optimizer = None
        # Whether batches are shuffled, and whether replicas have their shares.
        self.shuffle_rows = self.shared_rows = False
        self.bound_tracker = BoundTracker(name="mutual_information")
        # Features, attributes and labels of the rows that are evaluated.
        self._evaluated, self._in_step = [], False

    @property
    def mi_weight(self) -> float:
        """The weight of the mutual information, the paper's lambda."""
        return self._mi_weight

    @mi_weight.setter
    def mi_weight(self, weight: float) -> None:
        check_weight("mi_weight", weight)
        self.mi_weight_variable.assign(weight)
        self._mi_weight = weight

    def build(self, input_shape: Any) -> None:
        """Creates the weights for inputs of `input_shape`."""
        super().build(input_shape)
        if self.attribute_size is not None:
            self._build_estimator()

    def _build_estimator(self):
        if not self.estimator.built:
            self.estimator.build(
                features_shape=(None, self.classifier.kernel.shape[0]),
                attributes_shape=(None, self.attribute_size),
            )

    def compile(
        self,
        *args: Any,
        estimator_optimizer: keras.optimizers.Optimizer | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures the training, see `RepresentationClassifier.compile`.

        Args:
            *args: arguments of `RepresentationClassifier.compile`.
            estimator_optimizer: optimizer of the critic. Defaults to `None`,
                which keeps the estimator's.
            **kwargs: arguments of `RepresentationClassifier.compile`.

        Raises:
            ValueError: if `mi_every` is more than 1 on several replicas.
        """
        super().compile(*args, **kwargs)
        with self.distribute_strategy.scope():
            if self.mi_every > 1 and replicas.count() > 1:
                # They cannot exchange gradients in a branch of the step.
                raise ValueError(
                    "Replicas take the same step every time. Expected: mi_every=1 for "
                    f"{replicas.count()} replicas. Received: mi_every="
                    f"{self.mi_every}. Leave it out, or train on one device."
                )
            if estimator_optimizer is not None:
                self.estimator.compile(estimator_optimizer)
            replicas.apply_alike(self.optimizer)
            if self.own_optimizer:
                self.mi_optimizer = companion_optimizer(
                    self.optimizer, self.mi_weight_variable, "mi"
                )
                replicas.apply_alike(self.mi_optimizer)

    def _parts(self):
        parts = {**super()._parts(), "the estimator": self.estimator.variables}
        parts["the model"] = [*parts["the model"], self.mi_weight_variable]
        if self.estimator.built:
            # Before that, the estimator makes the optimizer anew.
            parts["the estimator's optimizer"] = self.estimator.optimizer.variables
        return parts

    def make_gate(self) -> Gate:
        """Returns what the rows of every batch must hold, see `Gate`."""
        classes = {"num_classes": self.estimator.num_classes, "ignored_label": None}
        return dataclasses.replace(
            super().make_gate(),
            needs_variety=True,
            **(classes if self.conditional else {}),
        )

    task_variables = RepresentationClassifier.network_variables

    def build_optimizers(self) -> None:
        """Creates the weights of both optimizers."""
        super().build_optimizers()
        if self.own_optimizer and not self.mi_optimizer.built:
            self.mi_optimizer.build(self.encoder.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, *args, **kwargs) -> Any:
        """Trains the model, see `RepresentationClassifier.fit`."""
        # With a set seed, Keras shuffles arrays to one order for all epochs,
        # and the estimator's rows would never come to the task.
        shuffle = y is not None and kwargs.get("shuffle", True)
        shared = replicas.is_from_function(x)
        if (self.shuffle_rows, self.shared_rows) != (shuffle, shared):
            self.shuffle_rows, self.shared_rows = shuffle, shared
            self.train_function = None
        return super().fit(x, y, *args, **kwargs)

    def prepare(self, x: Any, y: Any) -> None:
        """Checks the attribute in the data, and creates all weights.

        Raises:
            ValueError: if the data have no attribute, or one of another width.
        """
        data = inputs_and_targets(x, y)
        if data is not None:
            inputs, targets = data
            attributes = attribute_of(targets)
            check_vectors(attributes)
            check_width(attributes.shape[-1], self.attribute_size)
            if y is not None:
                # All rows of arrays are known before training.
                # The user calls fit, which calls the base's fit and this.
                warn_of_large(np.asarray(attributes, float), stacklevel=4)
            if not self.built:
                self.build(keras.tree.map_structure(lambda t: t.shape, inputs))
            self.attribute_size = attributes.shape[-1]
            self._build_estimator()
        elif not self.built or self.attribute_size is None:
            raise ValueError(
                "The shapes of the data are not known before training. "
                "Expected: arrays, a tf.data.Dataset or a PyDataset. "
                f"Received: {type(x).__name__}. Set `attribute_size` and call "
                "`build(input_shape)` first."
            )
        super().prepare(x, y)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Takes one step of Algorithm 1, or another as the arguments say."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        mini_batches = None
        if self.estimator_batches:
            seed = tf.stack([self.estimator.seed, self._order()])
            (x, y, sample_weight), mini_batches = batches.split(
                (x, y, sample_weight),
                self.estimator_batches,
                seed if self.shuffle_rows else None,
                exchange=not self.shared_rows,
            )
        task = x, y, sample_weight
        if self.mi_every == 1:
            y_pred, loss = self._whole_step(task, mini_batches)
        else:
            y_pred, loss = tf.cond(
                self.optimizer.iterations % self.mi_every == 0,
                lambda: self._whole_step(task, mini_batches),
                lambda: self._task_step(task),
            )
        self.track_loss(loss, y)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _order(self):
        """Returns a number of its own for each step, to shuffle its rows."""
        number = self.estimator.updates + 0
        if self.mi_every > 1:
            # The estimator stands still in most steps.
            number += tf.cast(self.optimizer.iterations + 0, number.dtype)
        return number

    def _whole_step(self, task, mini_batches):
        """Descends on both terms; returns outputs and loss before it."""
        x, y, sample_weight = task
        before = self._task_step(task) if self.released_order else None
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            rows = replicas.gather((y_pred["features"], attribute_of(y), y["label"]))
            if not self.released_order:
                # Lines 5 to 8: the estimator follows the current features.
                with tape.stop_recording():
                    self._follow(rows, mini_batches)
            # Lines 9 and 10: the two terms of the objective. They are scaled
            # for 16-bit floats, and `apply` divides by the scale.
            bound = self.estimator.bound(*rows)
            scaled_loss = self.optimizer.scale_loss(loss)
            scaled_bound = (self.mi_optimizer or self.optimizer).scale_loss(
                replicas.share(bound)
            )
        theta = self.encoder.trainable_variables
        psi = self.classifier.trainable_variables
        zero = tf.UnconnectedGradients.ZERO
        task_theta, task_psi = tape.gradient(scaled_loss, [theta, psi], None, zero)
        mi_theta = tape.gradient(scaled_bound, theta, None, zero)
        del tape
        task_theta, task_psi, mi_theta = map(
            replicas.total, (task_theta, task_psi, mi_theta)
        )
        if self.clip:
            mi_theta = clip_to_reference(mi_theta, task_theta)
        # Lines 11 and 12: the encoder descends on both terms, the classifier
        # on the task loss.
        if self.own_optimizer:
            # First, for the task optimizer's weight average to include it. In
            # the released order the average follows a step later.
            self.mi_optimizer.apply(mi_theta, theta)
        else:
            task_theta = [
                # The gradients of an embedding are slices, which do not add.
                tf.convert_to_tensor(task)
                + self.mi_weight_variable * tf.convert_to_tensor(mi)
                for task, mi in zip(task_theta, mi_theta, strict=True)
            ]
        self.bound_tracker.update_state(bound, tf.shape(y["label"])[0])
        self.bound_tracker.latest.assign(bound)
        if self.released_order:
            if mini_batches is None:
                rows = replicas.gather(self.encoder(x, training=True)), *rows[1:]
            self._follow(rows, mini_batches)
            return before
        self.optimizer.apply(task_theta + task_psi, theta + psi)
        return y_pred, loss

    def _task_step(self, task):
        """Descends on the task loss; returns outputs and loss before it."""
        x, y, sample_weight = task
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            scaled_loss = self.optimizer.scale_loss(loss)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(scaled_loss, self.network_variables, None, zero)
        self.optimizer.apply(replicas.total(gradients), self.network_variables)
        return y_pred, loss

    def _follow(self, rows, mini_batches):
        """Updates the estimator on its mini-batches, or else on the task's rows."""
        if mini_batches is None:
            pool = [part[None] for part in rows]
        else:
            pool = replicas.gather(self._embedded(*mini_batches), axis=1)
        self.estimator.update(*pool)

    def make_test_function(self, force: bool = False) -> None:
        """Makes the function of an evaluation step, without XLA."""
        # XLA cannot hand features to the host.
        jit_compile, self.jit_compile = self.jit_compile, False
        try:
            super().make_test_function(force)
        finally:
            self.jit_compile = jit_compile

    def test_step(self, data: Any) -> dict[str, Any]:
        """Takes a step of the evaluation, and keeps what the bound needs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        self.track_loss(self.compute_loss(x, y, y_pred, sample_weight, False), y)
        rows = replicas.gather((y_pred["features"], attribute_of(y), y["label"]))
        if replicas.is_first_here():
            tf.py_function(
                lambda *rows: self._evaluated.append([part.numpy() for part in rows]),
                rows,
                [],
            )
        bound = self.estimator.bound(*rows)
        self.bound_tracker.update_state(bound, tf.shape(y["label"])[0])
        self._in_step = True
        try:
            return self.compute_metrics(x, y, y_pred, sample_weight)
        finally:
            self._in_step = False

    def reset_metrics(self) -> None:
        """Resets the metrics, and forgets the rows that were evaluated."""
        super().reset_metrics()
        self._evaluated.clear()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the metrics. The bound of an evaluation is that of all rows."""
        results = super().get_metrics_result()
        if self._evaluated and not self._in_step:
            rows = map(np.concatenate, zip(*self._evaluated, strict=True))
            results[self.bound_tracker.name] = self.estimator.evaluate(*rows)
        return results

    def _embedded(self, inputs, targets):
        """Returns features, attributes and labels of the mini-batches."""

        def embed(batch):
            return tf.cast(self.encoder(batch, training=True), tf.float32)

        def embed_one(number):
            return embed(keras.tree.map_structure(lambda part: part[number], inputs))

        if replicas.in_step():
            # Replicas do not exchange statistics of batches inside a loop.
            features = tf.stack(list(map(embed_one, range(self.estimator_batches))))
        else:
            features = tf.map_fn(
                embed,
                inputs,
                fn_output_signature=tf.float32,
                parallel_iterations=1,
            )
        return features, targets["attribute"], targets["label"]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "mi_weight": self.mi_weight,
            "conditional": self.conditional,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
            "estimator_batches": self.estimator_batches,
            "mi_every": self.mi_every,
            "own_optimizer": self.own_optimizer,
            "clip": self.clip,
            "released_order": self.released_order,
            "attribute_size": self.attribute_size,
        }
