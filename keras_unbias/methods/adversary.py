"""The base class of methods with an attribute classifier."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.checks import check_integer, check_width
from keras_unbias.data.attributes import AttributeSpec
from keras_unbias.data.targets import attribute_of, check_vectors
from keras_unbias.methods import penalties
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.gate import Gate
from keras_unbias.methods.optimizers import companion_optimizer


class AttributeAdversary(RepresentationClassifier):
    """An encoder, a classifier, and a classifier of the attribute.

    A subclass implements `adversarial_loss`. A step trains the encoder and
    the classifier on the task loss plus the adversarial loss. It then trains
    the attribute classifier on the same features, with an optimizer of its
    own that is like the task's.

    The metrics are `loss`, the task's, those of `compile`, and
    `attribute_loss`, the cross-entropy of the attribute classifier in nats.
    In training it is that after the step. Sample weights apply to the task
    loss only.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        attribute_parts: `AttributeSpec` of the attribute, or the widths of
            its parts, such as `(8, 8, 8)` for three binned channels. A part
            of width 1 is a number in 0..1.
        attribute_hidden: sequence of int, the units of the attribute
            classifier's hidden layers. Each has batch normalization and a
            ReLU. Without normalization the encoder could win by the scale of
            its features alone. Defaults to `()`, a linear classifier.
        attribute_rate: float, the learning rate of the attribute classifier
            as a multiple of the task's. Defaults to 1.
        attribute_layer: str, the name of the layer of the encoder whose
            outputs the attribute classifier sees, those of its first call. If
            these are maps of shape `(n, height, width, channels)`, the
            attribute classifier consists of 3x3 convolutions and answers at
            each place. Of other shapes it answers at each place of the last
            axis. Defaults to `None`, which shows it the features.
        label_prior: see `RepresentationClassifier`.

    Raises:
        ValueError: if `attribute_parts` are not widths, if the encoder has no
            such layer, or for the reasons that `RepresentationClassifier` gives.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = ku.methods.AttributeConfusion(encoder, 3, attribute_parts=(2,))
    >>> isinstance(model, AttributeAdversary)
    True
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        attribute_parts: AttributeSpec | Sequence[int],
        attribute_hidden: Sequence[int] = (),
        attribute_rate: float = 1.0,
        attribute_layer: str | None = None,
        **kwargs: Any,
    ):
        spec = penalties.as_spec(attribute_parts)
        super().__init__(encoder, num_classes, **kwargs)
        self.attribute_spec = spec
        self.attribute_hidden = tuple(
            check_integer("attribute_hidden", units, minimum=1)
            for units in attribute_hidden
        )
        self.attribute_rate = attribute_rate
        self.attribute_layer = attribute_layer
        self.tapped, maps, dtype = None, False, None
        if attribute_layer is not None:
            self.tapped = _tap(encoder, attribute_layer)
            maps = len(self.tapped.output_shape[1]) == 4
            # As fast as the encoder, where maps are large.
            dtype = encoder.get_layer(attribute_layer).dtype_policy
        self.attribute_classifier = _make_classifier(
            self.attribute_hidden, spec.size, maps=maps, dtype=dtype
        )
        self.attribute_optimizer = None
        self.attribute_tracker = keras.metrics.Mean(name="attribute_loss")

    def adversarial_loss(self, logits: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        """Computes what the encoder minimizes beside the task loss.

        Args:
            logits: float tensor of shape `(n, a)`, those of the attribute
                classifier, of all places where it answers.
            attributes: float tensor of shape `(n, a)`.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Creates the weights for inputs of `input_shape`."""
        super().build(input_shape)
        self.attribute_classifier.build(
            (None, self.classifier.kernel.shape[0])
            if self.tapped is None
            else self.tapped.output_shape[1]
        )
        # The task's optimizer and its weight average must not change them.
        for variable in self.attribute_variables:
            variable.trainable = False

    @property
    def attribute_variables(self) -> list:
        """The variables that the attribute classifier's optimizer trains."""
        return [
            variable
            for variable in self.attribute_classifier.variables
            if not variable.name.startswith("moving")
        ]

    def make_gate(self) -> Gate:
        """Returns what the rows of every batch must hold, see `Gate`."""
        return dataclasses.replace(
            super().make_gate(),
            needs_variety=True,
            categories=lambda width: self.attribute_spec,
        )

    task_variables = RepresentationClassifier.network_variables

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures the training, see `RepresentationClassifier.compile`."""
        super().compile(*args, **kwargs)
        with self.distribute_strategy.scope():
            self.attribute_optimizer = companion_optimizer(
                self.optimizer, self.attribute_rate, "attribute"
            )

    def build_optimizers(self) -> None:
        """Creates the weights of both optimizers."""
        super().build_optimizers()
        if not self.attribute_optimizer.built:
            self.attribute_optimizer.build(self.attribute_variables)

    def prepare(self, x: Any, y: Any) -> None:
        """Checks the width of the attribute, and creates the weights."""
        if y is not None:
            self._check_width(attribute_of(y))
        super().prepare(x, y)

    def _check_width(self, attributes):
        check_vectors(attributes)
        check_width(attributes.shape[-1], self.attribute_spec.size)

    def _show(self, x):
        """Returns what `call` does, and what the attribute classifier sees."""
        if self.tapped is None:
            outputs = self(x, training=True)
            return {**outputs, "seen": outputs["features"]}
        self.see(x)
        features, seen = self.tapped(x, training=True)
        logits = self.classifier(features)
        return {"logits": logits, "features": features, "seen": seen}

    def _attribute_logits(self, seen, attributes, *, training):
        """Returns the logits of all places, and the attribute at each of them."""
        logits = self.attribute_classifier(seen, training=training)
        places = tf.reduce_prod(tf.shape(logits)[1:-1])
        return (
            tf.reshape(logits, (-1, self.attribute_spec.size)),
            tf.repeat(attributes, places, axis=0),
        )

    def _attribute_loss(self, seen, attributes, *, training):
        return penalties.attribute_cross_entropy(
            *self._attribute_logits(seen, attributes, training=training),
            self.attribute_spec,
        )

    def train_step(self, data: Any) -> dict[str, Any]:
        """Trains all three networks on one batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self._check_width(attribute_of(y))
        with tf.GradientTape() as tape:
            y_pred = self._show(x)
            loss = self.compute_loss(x, y, y_pred, sample_weight, True)
            seen, attributes = replicas.gather((y_pred["seen"], y["attribute"]))
            adversarial_loss = self.adversarial_loss(
                *self._attribute_logits(seen, attributes, training=True)
            )
            objective = self.optimizer.scale_loss(
                loss + replicas.share(adversarial_loss)
            )
        task_variables = self.task_variables
        task_gradients = tape.gradient(objective, task_variables)
        # A tape does not watch variables that are not trainable by itself.
        adversary = [variable.value for variable in self.attribute_variables]
        with tf.GradientTape() as tape:
            tape.watch(adversary)
            attribute_loss = self._attribute_loss(
                tf.stop_gradient(seen), attributes, training=True
            )
            attribute_loss = self.attribute_optimizer.scale_loss(
                replicas.share(attribute_loss)
            )
        attribute_gradients = tape.gradient(attribute_loss, adversary)
        self.optimizer.apply(task_gradients, task_variables)
        self.attribute_optimizer.apply(attribute_gradients, self.attribute_variables)
        self.track_loss(loss, y)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates the metrics, `attribute_loss` among them."""
        seen = y_pred.get("seen", y_pred["features"])
        if self.tapped is not None and "seen" not in y_pred:
            _, seen = self.tapped(x, training=False)
        seen, attributes = replicas.gather((seen, attribute_of(y)))
        self.attribute_tracker.update_state(
            self._attribute_loss(seen, attributes, training=False),
            tf.shape(y["label"])[0],
        )
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "attribute_parts": self.attribute_spec.widths,
            "attribute_hidden": self.attribute_hidden,
            "attribute_rate": self.attribute_rate,
            "attribute_layer": self.attribute_layer,
        }


def _make_classifier(hidden, size, *, maps, dtype):
    """Returns the attribute classifier, which answers at each place of maps."""
    make_layer = keras.layers.Dense
    if maps:
        make_layer = functools.partial(
            keras.layers.Conv2D, kernel_size=3, padding="same"
        )
    layers = []
    for units in hidden:
        layers += [
            make_layer(units, use_bias=False, dtype=dtype),
            keras.layers.BatchNormalization(momentum=0.9, dtype=dtype),
            keras.layers.ReLU(dtype=dtype),
        ]
    layers.append(make_layer(size, dtype="float32"))
    return keras.Sequential(layers, name="attribute_classifier")


def _tap(encoder, name):
    """Returns a model from inputs to features and to the outputs of a layer."""
    layers = {layer.name: layer for layer in getattr(encoder, "layers", [])}
    inputs = getattr(encoder, "inputs", None)
    # A `call` of its own may do other things than the layers.
    known = inputs and type(encoder).call in (
        keras.Sequential.call,
        type(keras.Model(inputs, inputs)).call,
    )
    if not known or name not in layers:
        raise ValueError(
            "The attribute classifier sees the outputs of a layer of the encoder. "
            "Expected: a functional model, or a Sequential one that begins with "
            f"keras.Input, and one of its own layers, {[*layers]}. Received: "
            f"{type(encoder).__name__} and attribute_layer={name!r}. Leave it out for "
            "the features."
        )
    shown = []

    def call(layer, *arguments, **named):
        outputs = layer(*arguments, **named)
        if layer.name == name:
            shown.append(outputs)
        return outputs

    # The same layers in a new graph: a layer may be part of other graphs too.
    given = inputs[0] if isinstance(encoder, keras.Sequential) else encoder.input
    copy = keras.models.clone_model(
        keras.Model(given, encoder.outputs),
        clone_function=lambda layer: layer,
        call_function=call,
    )
    shape = getattr(shown[0], "shape", ())
    if len(copy.outputs) != 1 or len(shape) < 2:
        raise ValueError(
            "The attribute classifier sees vectors or maps. Expected: an encoder and a "
            "layer with one output, of shape (batch, d) or (batch, height, width, "
            f"channels). Received: {len(copy.outputs)} outputs of the encoder, and "
            f"{shape or 'several outputs'} of {name!r}. Choose another layer."
        )
    return keras.Model(
        copy.input, [copy.outputs[0], shown[0]], name=f"{encoder.name}_and_{name}"
    )
