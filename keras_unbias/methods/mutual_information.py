"""Mutual information backpropagation (Ragonesi et al., Algorithm 1).

Where this differs from the paper, by default (each is an argument):
    - The estimator learns on standardised features with a separable critic;
      the paper's concatenated critic on raw features is an option.
    - The gradient of the bound has an optimizer of its own, as in the
      released code; the paper writes one.
    - The estimator's K steps draw on P mini-batches embedded once a step:
      the encoder does not change meanwhile.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer, check_weight
from keras_unbias.data.targets import (
    attribute_of,
    check_known,
    check_vectors,
    warn_of_large,
)
from keras_unbias.information import (
    MutualInformationEstimator,
    check_width,
)
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.optimizers import companion_optimizer


def clip_to(gradients, reference):
    """Scales each gradient down to its reference's norm where it is longer.

    The released code's form of the paper's "gradient clipping": per
    variable, `g * min(|reference|, |g|) / |g|`.
    """
    return [
        gradient
        * tf.math.divide_no_nan(
            tf.minimum(tf.norm(other), tf.norm(gradient)), tf.norm(gradient)
        )
        for gradient, other in zip(gradients, reference, strict=True)
    ]


@keras.saving.register_keras_serializable("keras_unbias")
class MutualInformationBackpropagation(RepresentationClassifier):
    """Minimises the task loss and the information of features and attribute.

    One step is one turn of Algorithm 1: the estimator learns K steps on the
    present features, then the encoder descends on the task loss and on the
    bound. A batch of `(1 + P) * n` rows gives the task its first n rows and
    the estimator the rest; with P = 0 both use all rows.

    Metrics: `loss` (the task's), those of `compile`, and
    `mutual_information` (nats): in training the bound on the task rows, in
    evaluation what the present critic reads on the evaluated rows, a lower
    bound that is loose where they are distributed otherwise. Sample and class
    weights weigh the task loss alone.

    With P > 0 batch normalisation and dropout see the estimator's rows too,
    and the task learns from n rows of a batch: with arrays other ones of it
    in every step; with pipelines the first, as `BiasedDataset.stream` has
    them, so that these must come to all rows in time.

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        mi_weight: float >= 0, the paper's lambda. Defaults to 1. It may be
            assigned between calls of `fit`. The variable `mi_weight_variable`
            begins with it; `callbacks.MiWeightSchedule` and `load_weights`
            change that one alone, until `mi_weight` is assigned again.
        conditional: bool, whether I(Z;C|Y) is minimised instead of the
            paper's I(Z;C). The latter cannot go below I(Y;C) while z tells
            y; the former has no such floor. Its pairs lie inside the classes
            of a mini-batch: with less than some ten rows a class it reads,
            and lowers, a part of the information alone. Defaults to `False`.
        estimator: a `MutualInformationEstimator` or `None`, one with the
            defaults. Its `num_classes` must agree with `conditional`.
        estimator_batches: int, the number P of mini-batches for the
            estimator in every batch. Defaults to 0.
        own_optimizer: bool, whether the bound's gradient has an optimizer of
            its own, like the task's with `mi_weight` times the rate; else
            both gradients are added, the bound's times `mi_weight`, for one
            optimizer. Defaults to `True`.
        clip: bool, whether the bound's gradient is clipped to the norm of the
            task's, variable by variable. Defaults to `True`.
        attribute_size: int, width of the attribute. `None` (the default)
            takes it from the first data given to `fit`.
        label_prior: as in `RepresentationClassifier`.

    Raises:
        ValueError: `mi_weight` is negative or not finite,
            `estimator_batches` is no integer >= 0, or the estimator's
            `num_classes` or `accumulate` do not go with `conditional` and
            `estimator_batches`; and as in `RepresentationClassifier`.
    """

    def __init__(
        self,
        encoder,
        num_classes,
        *,
        mi_weight=1.0,
        conditional=False,
        estimator=None,
        estimator_batches=0,
        own_optimizer=True,
        clip=True,
        attribute_size=None,
        **kwargs,
    ):
        check_weight("mi_weight", mi_weight)
        check_integer("estimator_batches", estimator_batches, minimum=0)
        # A single logit tells two labels apart.
        classes = max(2, num_classes) if conditional else None
        if estimator is None:
            estimator = MutualInformationEstimator(num_classes=classes)
        if estimator.num_classes != classes:
            raise ValueError(
                "The estimator and the objective differ. Expected: an "
                f"estimator with num_classes={classes} for conditional="
                f"{conditional}. Received: num_classes="
                f"{estimator.num_classes}."
            )
        if (estimator_batches or 1) % estimator.accumulate:
            raise ValueError(
                "The estimator accumulates more mini-batches than there are, "
                "or unevenly. Expected: estimator_batches that is a multiple "
                f"of accumulate={estimator.accumulate}. Received: "
                f"estimator_batches={estimator_batches}."
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
        self.own_optimizer = own_optimizer
        self.clip = clip
        self.attribute_size = attribute_size
        self.mi_optimizer = None
        self.reorder = False
        self.bound_tracker = keras.metrics.Mean(name="mutual_information")

    @property
    def mi_weight(self):
        return self._mi_weight

    @mi_weight.setter
    def mi_weight(self, weight):
        check_weight("mi_weight", weight)
        self.mi_weight_variable.assign(weight)
        self._mi_weight = weight

    def build(self, input_shape):
        super().build(input_shape)
        if self.attribute_size is not None:
            self._build_estimator()

    def _build_estimator(self):
        if not self.estimator.built:
            self.estimator.build(
                features_shape=(None, self.classifier.kernel.shape[0]),
                attributes_shape=(None, self.attribute_size),
            )

    def compile(self, *args, estimator_optimizer=None, **kwargs):
        """As in `RepresentationClassifier`.

        Args:
            *args: as there.
            estimator_optimizer: optimizer of the critic, in place of the
                estimator's. Defaults to `None`, the estimator's stays.
            **kwargs: as there.
        """
        super().compile(*args, **kwargs)
        if estimator_optimizer is not None:
            self.estimator.compile(estimator_optimizer)
        if self.own_optimizer:
            self.mi_optimizer = companion_optimizer(
                self.optimizer, self.mi_weight_variable, "mi"
            )

    task_variables = RepresentationClassifier.network_variables

    def build_optimizers(self):
        super().build_optimizers()
        if self.own_optimizer and not self.mi_optimizer.built:
            self.mi_optimizer.build(self.encoder.trainable_variables)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Keras's `fit`; batches hold labels (n,) and attributes (n, a).

        Raises:
            ValueError: several replicas, data without attributes or of
                another width, or arrays with values that are not known.
        """
        self.check_one_device()
        self._build_for(x, y)
        # Keras shuffles arrays into one order for all epochs if its seed is
        # set, and the estimator's rows would never come to the task.
        reorder = y is not None and kwargs.get("shuffle", True)
        if self.reorder != reorder:
            self.reorder, self.train_function = reorder, None
        return super().fit(x, y, *args, **kwargs)

    def _build_for(self, x, y):
        # Everything exists before the first callback runs: a backup restores
        # only the state that it finds.
        element = None
        if hasattr(x, "element_spec"):
            element = x.element_spec
        elif isinstance(x, keras.utils.PyDataset):
            element = x[0]
        if element is not None:
            pair = isinstance(element, (tuple, list)) and len(element) > 1
            inputs, targets = element[:2] if pair else (element, None)
        elif y is not None:
            inputs, targets = x, y
        elif self.built and self.attribute_size is not None:
            self.build_optimizers()
            return
        else:
            raise ValueError(
                "The shapes of the data cannot be told before training. "
                "Expected: arrays, a tf.data.Dataset or a PyDataset. "
                f"Received: {type(x).__name__}. Give `attribute_size` and "
                "call `build(input_shape)` first."
            )
        attributes = attribute_of(targets)
        check_vectors(attributes)
        shape = attributes.shape
        check_width(shape[-1], self.attribute_size)
        if y is not None:
            self._check_rows(targets)
        if not self.built:
            self.build(keras.tree.map_structure(lambda t: t.shape, inputs))
        self.attribute_size = shape[-1]
        self._build_estimator()
        self.build_optimizers()

    def _check_rows(self, targets):
        """Of arrays all rows are at hand before any work starts."""
        attributes = np.asarray(targets["attribute"], float)
        check_known(attributes)
        warn_of_large(attributes)
        classes = self.estimator.num_classes
        if classes is None:
            return
        labels = np.asarray(targets["label"])
        if labels.size > len(labels):
            raise ValueError(
                "I(Z;C|Y) is taken inside the classes. Expected: one class "
                f"number a row. Received: labels of shape {labels.shape}. "
                "Pass argmax of one-hot labels, or use conditional=False."
            )
        distinct = dict.fromkeys(labels.ravel().tolist())
        others = [label for label in distinct if label not in range(classes)]
        if others:
            raise ValueError(
                "I(Z;C|Y) is taken inside the classes. Expected: labels in "
                f"0..{classes - 1}. Received: {others[:3]} among them, "
                f"{labels.dtype}. Number the classes, or use "
                "conditional=False."
            )

    def train_step(self, data):
        (x, y, sample_weight), reserve = self._split(data)
        attributes = attribute_of(y)
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            with tape.stop_recording():
                self._update_estimator(y_pred["features"], y, reserve)
            bound = self.estimator.bound(
                y_pred["features"], attributes, y["label"]
            )
            # Of 16-bit floats: `apply` divides by the scale.
            scaled_loss = self.optimizer.scale_loss(loss)
            scaled_bound = (self.mi_optimizer or self.optimizer).scale_loss(
                bound
            )
        theta = self.encoder.trainable_variables
        psi = self.classifier.trainable_variables
        zero = tf.UnconnectedGradients.ZERO
        task_theta, task_psi = tape.gradient(
            scaled_loss, [theta, psi], None, zero
        )
        # Line 12: the classifier has no gradient of the bound.
        mi_theta = tape.gradient(scaled_bound, theta, None, zero)
        del tape
        if self.clip:
            mi_theta = clip_to(mi_theta, task_theta)
        if self.own_optimizer:
            # First, so that the task optimizer's weight average sees it.
            self.mi_optimizer.apply(mi_theta, theta)
        else:
            task_theta = [
                # Those of an embedding are slices, which cannot be added.
                tf.convert_to_tensor(task)
                + self.mi_weight_variable * tf.convert_to_tensor(mi)
                for task, mi in zip(task_theta, mi_theta, strict=True)
            ]
        self.optimizer.apply(task_theta + task_psi, theta + psi)
        self.track_loss(loss, y)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _update_estimator(self, features, y, reserve):
        if reserve is None:
            pool = features[None], y["attribute"][None], y["label"][None]
        else:
            inputs, targets = reserve
            pool = (
                tf.map_fn(
                    lambda batch: tf.cast(
                        self.encoder(batch, training=True), tf.float32
                    ),
                    inputs,
                    fn_output_signature=tf.float32,
                    parallel_iterations=1,
                ),
                targets["attribute"],
                targets["label"],
            )
        self.estimator.update(*pool)

    def _split(self, data):
        """The task's rows, and the estimator's as `(P, n, ...)` or None."""
        data = keras.utils.unpack_x_y_sample_weight(data)
        parts = 1 + self.estimator_batches
        if parts == 1:
            return data, None
        labels = data[1]["label"]
        # Eagerly every batch is of a known length, a short last one too.
        known = None if tf.executing_eagerly() else labels.shape[0]
        if known is not None and known % parts:
            raise ValueError(
                f"estimator_batches={self.estimator_batches} divides every "
                f"batch into {parts} equal parts. Expected: a batch size "
                f"that is a multiple of {parts}. Received: {known} rows. "
                "Change the batch size, or use estimator_batches=0."
            )
        present = tf.shape(labels)[0]
        if known is not None:
            rows = known // parts
        else:
            # The last batch of a pass may be short: its remainder is left,
            # and where it has fewer rows than parts they come several times.
            rows = tf.maximum(present // parts, 1)
        order = None
        if self.reorder:
            # Sorted noise: XLA has no shuffle.
            noise = tf.random.stateless_uniform(
                [present],
                tf.stack([self.estimator.seed, self.estimator.updates + 0]),
            )
            order = tf.argsort(noise)
        elif known is None:
            order = tf.range(present)
        if order is not None:
            order = tf.gather(order, tf.range(parts * rows) % present)
            data = keras.tree.map_structure(
                lambda t: None if t is None else tf.gather(t, order), data
            )

        def reshaped(tensor):
            tail = tf.shape(tensor)[1:]
            return tf.reshape(
                tensor[rows : parts * rows],
                tf.concat([[parts - 1, rows], tail], 0),
            )

        task = keras.tree.map_structure(
            lambda t: None if t is None else t[:rows], data
        )
        return task, keras.tree.map_structure(reshaped, data[:2])

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.bound_tracker.update_state(
            self.estimator.bound(
                y_pred["features"], attribute_of(y), y["label"]
            ),
            tf.shape(y["label"])[0],
        )
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "mi_weight": self.mi_weight,
            "conditional": self.conditional,
            "estimator": keras.saving.serialize_keras_object(self.estimator),
            "estimator_batches": self.estimator_batches,
            "own_optimizer": self.own_optimizer,
            "clip": self.clip,
            "attribute_size": self.attribute_size,
        }
