"""The classifier that every training method extends."""

import collections.abc
import inspect

import keras
import tensorflow as tf

from keras_unbias import backend
from keras_unbias.data.targets import (
    as_class_numbers,
    attribute_of,
    labels_and_weights,
)
from keras_unbias.serving.export import (
    PreprocessingLayer,
    check_fractions,
    known_inputs,
    named_inputs,
)


@keras.saving.register_keras_serializable("keras_unbias")
class RepresentationClassifier(keras.Model):
    """An encoder and a linear classifier, trained by empirical risk (ERM).

    Batches are `(x, {"label": y, "attribute": c})` with `y` of shape `(n,)`
    and `c` of shape `(n, a)`. `call` is the inference path: it returns
    `{"logits": (n, num_classes), "features": (n, d)}`. `evaluate`, `predict`
    and the loops of `fit` are Keras's own.

    Args:
        encoder: a Keras model or layer from inputs to features `(n, d)`.
        num_classes: int, the number of labels, or of outputs where a loss
            takes other targets (several labels a row, or numbers).
        label_prior: a `LabelPrior` or `None`. Its `log p(y|c)` is added to
            the logits of the training loss, and nowhere else (see
            `BiasBalanced`). Defaults to `None`.

    Raises:
        ValueError: the label prior is of another number of classes, or the
            encoder returns something else than one vector a row.
        ImportError: Keras does not run on TensorFlow.
    """

    def __init__(self, encoder, num_classes, *, label_prior=None, **kwargs):
        backend.check_backend()
        # Any layer from attributes to logits will do; a LabelPrior says more.
        of_prior = getattr(label_prior, "num_classes", num_classes)
        if of_prior != num_classes:
            raise ValueError(
                "The label prior is added to the logits. Expected: a "
                f"LabelPrior with num_classes={num_classes}. Received: "
                f"num_classes={of_prior}. For two labels give the model two "
                "logits."
            )
        super().__init__(**kwargs)
        self.encoder = encoder
        self.num_classes = num_classes
        self.label_prior = label_prior
        self.class_weight = None
        self.classifier = keras.layers.Dense(
            num_classes, dtype="float32", name="classifier"
        )

    def build(self, input_shape):
        """Creates the weights for inputs of `input_shape`."""
        # A subclassed encoder knows its output only from a call.
        features_shape = getattr(self.encoder, "output_shape", None)
        if features_shape is None:
            features_shape = self.encoder(
                keras.tree.map_shape_structure(keras.KerasTensor, input_shape)
            ).shape
        if len(features_shape) != 2:
            raise ValueError(
                "The encoder must return one feature vector an example. "
                "Expected: output shape (batch, d). Received: output shape "
                f"{tuple(features_shape)}. End it with a Flatten or pooling "
                "layer."
            )
        self.classifier.build(features_shape)
        self.input_shapes = input_shape
        self.built = True

    def call(self, inputs, training=False):
        features = self.encoder(inputs, training=training)
        return {"logits": self.classifier(features), "features": features}

    def compile(self, optimizer="adam", loss=None, metrics=None, **kwargs):
        """Keras's `compile`, with the defaults of a classifier.

        Args:
            optimizer: optimizer of the encoder and the classifier.
            loss: any Keras loss of labels and logits. Defaults to the sparse
                categorical cross-entropy (equation 4 of the paper).
            metrics: Keras metrics of labels and logits. Defaults to
                `["accuracy"]`, for a binary cross-entropy that of the logits'
                signs.
            **kwargs: further arguments of `keras.Model.compile`.

        Raises:
            ValueError: the loss takes probabilities.
        """
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        check_logits(loss)
        if metrics is None:
            metrics = [accuracy_of(loss)]
        super().compile(
            optimizer=optimizer, loss=loss, metrics=metrics, **kwargs
        )

    def compile_from_config(self, config):
        # Keras does not replay an overridden `compile` by itself. The
        # optimizers are built here, for the saved state is loaded next.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.build_optimizers()

    @property
    def task_variables(self):
        """What the task's optimizer trains."""
        return self.trainable_variables

    def build_optimizers(self):
        """Creates the optimizer's weights, before a state is loaded."""
        if not self.optimizer.built:
            self.optimizer.build(self.task_variables)

    @property
    def network_variables(self):
        """Those of encoder and classifier, whatever else is trainable."""
        return (
            self.encoder.trainable_variables
            + self.classifier.trainable_variables
        )

    def fit(self, *args, class_weight=None, **kwargs):
        """Keras's `fit`; the batches hold labels and attributes.

        Args:
            *args: as in `keras.Model.fit`.
            class_weight: dict from labels to their weights in the training
                loss (1 where a label is missing), as in Keras, which refuses
                it for batches that hold more than labels.
            **kwargs: as in `keras.Model.fit`.

        Raises:
            ValueError: `class_weight` is of other labels.
        """
        weights = self._class_weights(class_weight)
        if weights != self.class_weight:
            # The compiled step holds the weights as constants.
            self.class_weight, self.train_function = weights, None
        # Before the first step, which TensorFlow traces twice if it creates
        # variables; and a backup restores only the state that it finds.
        with self.distribute_strategy.scope():
            taken = known_inputs(self.encoder)
            if not self.built and taken is not None:
                self.build(keras.tree.map_structure(lambda t: t.shape, taken))
            if self.compiled and all(layer.built for layer in self.layers):
                self.build_optimizers()
        return super().fit(*args, **kwargs)

    def _class_weights(self, class_weight):
        """A weight for each class, or `None`."""
        if class_weight is None:
            return None
        if not isinstance(class_weight, collections.abc.Mapping):
            raise ValueError(
                "`class_weight` weighs labels. Expected: a dict from labels to "
                f"weights. Received: {class_weight!r}. scikit-learn's "
                "compute_class_weight computes balanced ones."
            )
        classes = range(max(2, self.num_classes))
        unknown = class_weight.keys() - set(classes)
        if unknown:
            raise ValueError(
                "`class_weight` weighs labels. Expected: keys in "
                f"0..{classes[-1]}. Received: {sorted(map(str, unknown))}. "
                "Number the classes from 0."
            )
        return [float(class_weight.get(c, 1.0)) for c in classes]

    def check_one_device(self):
        """Refuses a strategy under which Keras would divide the objective.

        Raises:
            ValueError: there are several replicas.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                f"{type(self).__name__} needs a step's rows in one place. "
                "Expected: training on one device. Received: a strategy of "
                f"{replicas} replicas. Build and fit the model outside of its "
                "scope."
            )

    def track_loss(self, loss, y):
        """What Keras's own training step does for its metric `loss`."""
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, tf.shape(y["label"])[0])

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        labels, sample_weight = labels_and_weights(y, sample_weight)
        logits = y_pred["logits"]
        if training and self.label_prior is not None:
            logits = logits + self.label_prior(attribute_of(y))
        if training and self.class_weight is not None:
            of_row = tf.gather(self.class_weight, as_class_numbers(labels))
            sample_weight = (
                of_row
                if sample_weight is None
                else of_row * tf.reshape(sample_weight, [-1])
            )
        return super().compute_loss(x, labels, logits, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        labels, sample_weight = labels_and_weights(y, sample_weight)
        return super().compute_metrics(
            x, labels, y_pred["logits"], sample_weight
        )

    def inference_model(self, *, preprocessing=None, activation="softmax"):
        """The encoder and the classifier alone, sharing these weights.

        Args:
            preprocessing: a Keras layer or model, or a function of
                TensorFlow ops, from raw inputs to the encoder's inputs.
                A model with an `Input` knows what its raw inputs are; those
                of anything else have the shapes and dtypes of the encoder's.
                Defaults to `None`: inputs are the encoder's.
            activation: what Keras takes as an activation, from logits to
                probabilities: `"softmax"`, or `"sigmoid"` where a row has
                several labels. `None` leaves `"probabilities"` out, for
                regression. Defaults to `"softmax"`.

        Returns:
            A functional model: inputs to `{"logits": (n, num_classes),
            "probabilities": (n, num_classes), "features": (n, d)}`. A single
            input is called `inputs`; those of a dict have its keys as names,
            those of a list are `inputs_0`, `inputs_1`, ...

        Raises:
            ValueError: an encoder of integers would get fractions from the
                preprocessing, or a softmax a single logit.
        """
        if activation == "softmax" and self.num_classes == 1:
            raise ValueError(
                "The softmax of a single logit is always 1. Expected: "
                "activation='sigmoid' for a binary label, None for "
                "regression. Received: activation='softmax'."
            )
        taken = known_inputs(self.encoder)
        if taken is None:
            # The training's batch size is none of inference.
            taken = keras.tree.map_shape_structure(
                lambda shape: keras.KerasTensor((None, *shape[1:])),
                self.input_shapes,
            )
        raw = known_inputs(preprocessing)
        inputs = named_inputs(taken if raw is None else raw)
        encoded = inputs
        if preprocessing is not None:
            encoded = PreprocessingLayer(preprocessing)(inputs)
            check_fractions(encoded, taken)
        features = self.encoder(encoded)
        logits = self.classifier(features)
        if features.dtype != "float32":
            features = keras.layers.Activation("linear", dtype="float32")(
                features
            )
        outputs = {"logits": logits, "features": features}
        if activation is not None:
            outputs["probabilities"] = keras.layers.Activation(
                activation, dtype="float32"
            )(logits)
        return keras.Model(inputs, outputs)

    def export(
        self,
        filepath,
        *,
        class_names=None,
        preprocessing=None,
        activation="softmax",
        **kwargs,
    ):
        """Writes a SavedModel of the inference path, for any batch size.

        It holds the `inference_model` alone: no estimator, no optimizer. The
        endpoint `serve`, which is also the signature `serving_default`, maps
        inputs to `{"logits", "probabilities", "features"}`; the endpoint and
        signature `class_names` takes nothing and returns `{"class_names":
        (names,)}`, strings.

        Args:
            filepath: directory to write.
            class_names: a sequence of names, one a class, in the order of the
                labels; for a single logit one or two. Defaults to `None`: no
                such endpoint.
            preprocessing: goes in front of the encoder, see
                `inference_model`.
            activation: from logits to probabilities, see `inference_model`.
            **kwargs: further arguments of
                `keras.export.ExportArchive.write_out`, e.g. `verbose=False`.

        Raises:
            ValueError: there is not one name a class, or an encoder of
                integers would get fractions from the preprocessing.
        """
        model = self.inference_model(
            preprocessing=preprocessing, activation=activation
        )
        archive = keras.export.ExportArchive()
        archive.track_and_add_endpoint("serve", model, [model.input])
        if class_names is not None:
            names = [str(name) for name in class_names]
            lengths = {self.num_classes, max(2, self.num_classes)}
            if isinstance(class_names, str) or len(names) not in lengths:
                raise ValueError(
                    "Every class has one name. Expected: class_names of "
                    f"length {' or '.join(map(str, sorted(lengths)))}. "
                    f"Received: {len(names)} "
                    "names. List them in the order of the labels."
                )
            archive.add_endpoint(
                "class_names", lambda: {"class_names": tf.constant(names)}, []
            )
        archive.write_out(filepath, **kwargs)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "num_classes": self.num_classes,
            "label_prior": serialize(self.label_prior),
        }

    @classmethod
    def from_config(cls, config):
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )


def check_logits(loss):
    """Of logits, a loss that takes probabilities makes numbers all the same."""
    known = keras.losses.get(loss) if isinstance(loss, str) else loss
    from_logits = getattr(known, "from_logits", None)
    if inspect.isroutine(known):
        parameter = inspect.signature(known).parameters.get("from_logits")
        from_logits = parameter.default if parameter else None
    if from_logits is False:
        raise ValueError(
            "The loss takes probabilities, and the model gives logits. "
            f"Expected: from_logits=True. Received: loss={loss!r}. Pass the "
            "class of keras.losses with from_logits=True, or leave `loss` out "
            "for the cross-entropy of class numbers."
        )


def accuracy_of(loss):
    """The accuracy of logits that goes with a loss, for `compile`."""
    # One that Keras chooses, by the shapes of labels and logits, creates its
    # variables inside the first step.
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return keras.metrics.SparseCategoricalAccuracy("accuracy")
    binary = (
        keras.losses.BinaryCrossentropy,
        keras.losses.BinaryFocalCrossentropy,
    )
    if isinstance(loss, binary):
        # As many yes-or-no answers as there are logits.
        return keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    return "accuracy"
