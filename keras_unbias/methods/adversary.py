"""What methods with an attribute classifier share."""

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.data.targets import (
    attribute_of,
    check_categories,
    check_vectors,
)
from keras_unbias.methods import penalties
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.optimizers import companion_optimizer


class AttributeAdversary(RepresentationClassifier):
    """An encoder, a classifier, and a classifier of the attribute.

    A step trains encoder and classifier on the task loss and
    `adversarial_loss(features, attributes)`, then the attribute classifier on the
    features as they were, with an optimizer of its own like the task's.

    Metrics: `loss` (the task's), those of `compile`, and `attribute_loss`,
    the cross-entropy in nats of the attribute classifier, in training after
    its step. Sample weights weigh the task loss alone.

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        attribute_parts: tuple of ints, as in
            `penalties.attribute_cross_entropy`.
        attribute_hidden: tuple of ints, units of the attribute classifier's
            hidden layers, each with batch normalisation and ReLU: else the
            encoder can win by the mere scale of its features. Defaults to
            `()`, a linear classifier.
        attribute_rate: float, learning rate of the attribute classifier as a
            multiple of the task's. Defaults to 1.
        label_prior: as in `RepresentationClassifier`.

    Raises:
        ValueError: `attribute_parts` are no widths, or as in
            `RepresentationClassifier`.
    """

    def __init__(
        self,
        encoder,
        num_classes,
        *,
        attribute_parts,
        attribute_hidden=(),
        attribute_rate=1.0,
        **kwargs,
    ):
        if not attribute_parts or min(attribute_parts) < 1:
            raise ValueError(
                "`attribute_parts` are the widths of the attribute's one-hot "
                "parts. Expected: a tuple of integers >= 1. Received: "
                f"attribute_parts={attribute_parts}."
            )
        super().__init__(encoder, num_classes, **kwargs)
        self.attribute_parts = tuple(attribute_parts)
        self.attribute_hidden = tuple(attribute_hidden)
        self.attribute_rate = attribute_rate
        layers = []
        for units in self.attribute_hidden:
            layers += [
                keras.layers.Dense(units, use_bias=False),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.ReLU(),
            ]
        layers.append(keras.layers.Dense(sum(self.attribute_parts)))
        self.attribute_classifier = keras.Sequential(
            layers, name="attribute_classifier"
        )
        self.attribute_optimizer = None
        self.attribute_tracker = keras.metrics.Mean(name="attribute_loss")

    def adversarial_loss(self, features, attributes):
        """What the encoder minimises beside the task loss.

        Args:
            features: `(n, d)` float tensor.
            attributes: `(n, a)` float tensor.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError

    def build(self, input_shape):
        super().build(input_shape)
        self.attribute_classifier.build((None, self.classifier.kernel.shape[0]))
        # The task's optimizer and its weight average leave it alone.
        for variable in self.attribute_variables:
            variable.trainable = False

    @property
    def attribute_variables(self):
        """What the attribute classifier's own optimizer trains."""
        return [
            variable
            for variable in self.attribute_classifier.variables
            if not variable.name.startswith("moving")
        ]

    task_variables = RepresentationClassifier.network_variables

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.attribute_optimizer = companion_optimizer(
            self.optimizer, self.attribute_rate, "attribute"
        )

    def build_optimizers(self):
        super().build_optimizers()
        if not self.attribute_optimizer.built:
            self.attribute_optimizer.build(self.attribute_variables)

    def fit(self, x=None, y=None, *args, **kwargs):
        """Keras's `fit`; batches hold labels (n,) and attributes (n, a).

        Raises:
            ValueError: several replicas, or arrays whose attribute is not
                of `attribute_parts`: one-hot codes or shares.
        """
        self.check_one_device()
        if y is not None:
            self._check_width(attribute_of(y))
            check_categories(np.asarray(y["attribute"]), self.attribute_parts)
        return super().fit(x, y, *args, **kwargs)

    def _check_width(self, attributes):
        check_vectors(attributes)
        width = attributes.shape[-1]
        if width != sum(self.attribute_parts):
            raise ValueError(
                "The attribute has another width than its parts. Expected: "
                f"{sum(self.attribute_parts)} for attribute_parts="
                f"{self.attribute_parts}. Received: {width}."
            )

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self._check_width(attribute_of(y))
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            objective = self.optimizer.scale_loss(
                loss + self.adversarial_loss(y_pred["features"], y["attribute"])
            )
        theta = self.task_variables
        gradients = tape.gradient(objective, theta)
        with tf.GradientTape() as tape:
            tape.watch(
                [variable.value for variable in self.attribute_variables]
            )
            attribute_loss = penalties.attribute_cross_entropy(
                self.attribute_classifier(
                    tf.stop_gradient(y_pred["features"]), training=True
                ),
                y["attribute"],
                self.attribute_parts,
            )
            attribute_loss = self.attribute_optimizer.scale_loss(attribute_loss)
        of_head = tape.gradient(
            attribute_loss, [v.value for v in self.attribute_variables]
        )
        self.optimizer.apply(gradients, theta)
        self.attribute_optimizer.apply(of_head, self.attribute_variables)
        self.track_loss(loss, y)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.attribute_tracker.update_state(
            penalties.attribute_cross_entropy(
                self.attribute_classifier(y_pred["features"]),
                attribute_of(y),
                self.attribute_parts,
            ),
            tf.shape(y["label"])[0],
        )
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "attribute_parts": self.attribute_parts,
            "attribute_hidden": self.attribute_hidden,
            "attribute_rate": self.attribute_rate,
        }
