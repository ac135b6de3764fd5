"""The classifier that every training method extends."""

import keras


@keras.saving.register_keras_serializable("keras_unbias")
class RepresentationClassifier(keras.Model):
    """An encoder and a linear classifier, trained by empirical risk (ERM).

    Batches are `(x, {"label": y, "attribute": c})` with `y` of shape `(n,)`
    and `c` of shape `(n, a)`. `call` is the inference path: it returns
    `{"logits": (n, num_classes), "features": (n, d)}`. `evaluate`, `predict`
    and the loops of `fit` are Keras's own.

    Args:
        encoder: a Keras model or layer from inputs to features `(n, d)`.
        num_classes: int, the number of labels.
        label_prior: a `LabelPrior` or `None`. Its `log p(y|c)` is added to
            the logits of the training loss, and nowhere else (see
            `BiasBalanced`). Defaults to `None`.
    """

    def __init__(self, encoder, num_classes, *, label_prior=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.num_classes = num_classes
        self.label_prior = label_prior
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
                `["accuracy"]`.
            **kwargs: further arguments of `keras.Model.compile`.
        """
        super().compile(
            optimizer=optimizer,
            loss=loss
            or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"] if metrics is None else metrics,
            **kwargs,
        )

    def compile_from_config(self, config):
        # Keras does not replay an overridden `compile` by itself. The
        # optimizers are built here, for the saved state is loaded next.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.build_optimizers()

    def build_optimizers(self):
        """Creates the optimizer's weights, before a state is loaded."""
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        labels, sample_weight = labels_and_weights(y, sample_weight)
        logits = y_pred["logits"]
        if training and self.label_prior is not None:
            logits = logits + self.label_prior(y["attribute"])
        return super().compute_loss(x, labels, logits, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        labels, sample_weight = labels_and_weights(y, sample_weight)
        return super().compute_metrics(
            x, labels, y_pred["logits"], sample_weight
        )

    def inference_model(self):
        """The encoder and the classifier alone, sharing these weights.

        Returns:
            A functional model: inputs to `{"logits", "features"}`.
        """
        # A Sequential that was never called has `inputs` but no `input`.
        if isinstance(self.encoder, keras.Sequential):
            known = self.encoder.inputs[0]
        else:
            known = getattr(self.encoder, "input", None)
        if known is not None:
            inputs = keras.tree.map_structure(
                lambda t: keras.Input(batch_shape=t.shape, dtype=t.dtype),
                known,
            )
        else:
            inputs = keras.tree.map_shape_structure(
                lambda shape: keras.Input(batch_shape=shape),
                self.input_shapes,
            )
        features = self.encoder(inputs)
        outputs = {"logits": self.classifier(features), "features": features}
        return keras.Model(inputs, outputs)

    def export(self, filepath, **kwargs):
        """Writes a SavedModel of the inference path, for any batch size.

        Keras's `export` of the encoder and classifier alone: no estimator,
        no optimizer. The endpoint `serve` maps inputs to `{"logits",
        "features"}`.
        """
        self.inference_model().export(filepath, **kwargs)

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


def follower(optimizer, factor, prefix):
    """A new optimizer like `optimizer`, at `factor` times its present rate.

    The rate follows schedules, callbacks and assignments alike, for one that
    stays up while the task's gradient vanishes destroys the network. Weight
    decay and averaging stay with the first optimizer.
    """
    config = optimizer.get_config()
    if "learning_rate" not in config:
        raise ValueError(
            "A second optimizer cannot be made like the task's. Expected: an "
            "optimizer with a learning rate, e.g. Adam. Received: "
            f"{type(optimizer).__name__}. Train in float32 or bfloat16; for "
            "mutual information own_optimizer=False does with one."
        )
    config["learning_rate"] = lambda: factor * optimizer.learning_rate
    if config["weight_decay"]:
        config["weight_decay"] = 0.0
    config.update(name=f"{prefix}_{optimizer.name}", use_ema=False)
    return type(optimizer).from_config(config)


def labels_and_weights(targets, sample_weight):
    """The labels of a batch, and their weights.

    Keras hands weights given as an array over in the structure of the
    targets.
    """
    if not isinstance(targets, dict) or "label" not in targets:
        received = (
            sorted(targets)
            if isinstance(targets, dict)
            else type(targets).__name__
        )
        raise ValueError(
            "A batch does not name its labels. Expected: (x, {'label': y, "
            f"'attribute': c}}). Received: targets {received}. Put both in a "
            "dict."
        )
    if isinstance(sample_weight, dict):
        sample_weight = sample_weight["label"]
    return targets["label"], sample_weight
