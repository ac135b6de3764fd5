"""The classifier that every training method extends."""

import collections.abc
import inspect
import os
from typing import Any

import keras
import tensorflow as tf

from keras_unbias import backend, replicas
from keras_unbias.checks import check_integer, check_weight
from keras_unbias.data.targets import (
    as_class_numbers,
    attribute_of,
    inputs_and_targets,
    labels_and_weights,
)
from keras_unbias.methods.gate import Gate, GatedModel
from keras_unbias.methods.input_memory import InputMemory
from keras_unbias.serving import export

BINARY = (keras.losses.BinaryCrossentropy, keras.losses.BinaryFocalCrossentropy)
# Losses whose labels are shares of classes.
SHARES = (
    *BINARY,
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)

# Reductions whose value is the same with a weight of 1.
MEANS = ("sum_over_batch_size", "mean")


@keras.saving.register_keras_serializable("keras_unbias")
class RepresentationClassifier(InputMemory, GatedModel):
    """An encoder and a linear classifier, trained by empirical risk (ERM).

    Batches are `(x, {"label": y, "attribute": c})` with `y` of shape `(n,)`
    and `c` of shape `(n, a)`. `call` returns `{"logits": (n, num_classes),
    "features": (n, d)}`. The methods `evaluate` and `predict` and the loop of
    `fit` are Keras's own.

    Args:
        encoder: Keras model or layer from inputs to features of shape
            `(n, d)`.
        num_classes: int, the number of labels. With a loss for other targets,
            such as several labels per row or numbers, the number of outputs.
        label_prior: `LabelPrior` whose `log p(y|c)` is added to the logits
            in the training loss only, see `BiasBalanced`. Defaults to `None`.

    Raises:
        ValueError: if the label prior has another number of classes, or if
            the encoder does not return one vector per row.
        ImportError: if Keras does not run on TensorFlow.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = RepresentationClassifier(encoder, num_classes=3)
    >>> model.compile("adam")
    >>> x, y, c = np.zeros((8, 6)), np.zeros(8), np.zeros((8, 2))
    >>> history = model.fit(x, {"label": y, "attribute": c}, verbose=0)
    >>> model.predict(x, verbose=0)["logits"].shape
    (8, 3)
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        label_prior: keras.layers.Layer | None = None,
        **kwargs: Any,
    ):
        backend.check_backend()
        num_classes = check_integer("num_classes", num_classes, minimum=1)
        # A layer other than LabelPrior does not say its number of classes.
        prior_classes = getattr(label_prior, "num_classes", num_classes)
        if prior_classes != num_classes:
            raise ValueError(
                "The label prior is added to the logits. Expected: a LabelPrior with "
                f"num_classes={num_classes}. Received: num_classes={prior_classes}. "
                "Give the model two logits for two labels."
            )
        super().__init__(**kwargs)
        self.encoder = encoder
        self.num_classes = num_classes
        self.label_prior = label_prior
        self.class_weight = None
        self.classifier = keras.layers.Dense(
            num_classes, dtype="float32", name="classifier"
        )

    def build(self, input_shape: Any) -> None:
        """Creates the weights for inputs of `input_shape`."""
        # A subclassed encoder shows the shape of its output only in a call.
        features_shape = getattr(self.encoder, "output_shape", None)
        if features_shape is None:
            features_shape = self.encoder(
                keras.tree.map_shape_structure(keras.KerasTensor, input_shape)
            ).shape
        if isinstance(features_shape, (dict, list)) or len(features_shape) != 2:
            raise ValueError(
                "The encoder must return one feature vector per row. Expected: output "
                f"shape (batch, d). Received: output shape {features_shape}. End it "
                "with a Flatten or pooling layer."
            )
        self.classifier.build(features_shape)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Computes logits and features, which are NaN for inputs with NaN."""
        self.see(inputs)
        features = self.encoder(inputs, training=training)
        outputs = {"logits": self.classifier(features), "features": features}
        return outputs if training else export.nan_for_nan(inputs, outputs)

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str = "adam",
        loss: Any = None,
        metrics: list | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures the training, as `keras.Model.compile` does.

        Args:
            optimizer: optimizer of the encoder and the classifier.
            loss: any Keras loss of labels and logits. Defaults to the sparse
                categorical cross-entropy, equation 4 of the paper.
            metrics: list of Keras metrics of labels and logits. Defaults to
                `["accuracy"]`. With a binary cross-entropy, the predicted
                label is the sign of the logit.
            **kwargs: arguments of `keras.Model.compile`.

        Raises:
            ValueError: if the loss takes probabilities, if a part of the
                model was made in the scope of another strategy, or if
                `steps_per_execution` or `jit_compile` does not suit several
                replicas.
        """
        for name, value in (("loss", loss), ("metrics", metrics)):
            if isinstance(value, dict):
                raise ValueError(
                    f"`{name}` is for labels and logits alone. Expected: "
                    f"{name}={next(iter(value.values()), None)!r}, for example. "
                    f"Received: {name}={value!r}. Leave the names of targets out."
                )
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        _check_takes_logits(loss)
        if metrics is None:
            metrics = [_default_accuracy(loss)]
        replicas.check_same_strategy(
            self.distribute_strategy,
            {**self._parts(), "the optimizer": getattr(optimizer, "variables", [])},
        )
        # What Keras makes of names has variables too.
        with self.distribute_strategy.scope():
            super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)
        replicas.check_options(self)
        self.gate = self.make_gate()

    def make_gate(self) -> Gate:
        """Returns what the rows of every batch must hold, see `Gate`."""
        if isinstance(self.loss, keras.losses.SparseCategoricalCrossentropy):
            ignored = getattr(self.loss, "ignore_class", None)
            return Gate(num_classes=self.num_classes, ignored_label=ignored)
        if self.class_weight is not None:
            return Gate(num_classes=len(self.class_weight))
        return Gate(label_range=(0, 1) if isinstance(self.loss, SHARES) else None)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model and creates its optimizers' weights."""
        # Keras does not repeat an overridden `compile` by itself. It loads
        # the saved state next, which must find the optimizers built.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.build_optimizers()

    @property
    def task_variables(self) -> list:
        """The variables that the task's optimizer trains."""
        return self.trainable_variables

    @property
    def network_variables(self) -> list:
        """The trainable variables of the encoder and the classifier."""
        return self.encoder.trainable_variables + self.classifier.trainable_variables

    def build_optimizers(self) -> None:
        """Creates the weights of the optimizers."""
        if not self.optimizer.built:
            self.optimizer.build(self.task_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        class_weight: dict[int, float] | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains the model, as `keras.Model.fit` does.

        Args:
            x: inputs as arrays, or a data set of batches
                `(x, {"label": y, "attribute": c})`.
            y: dict `{"label": y, "attribute": c}` of arrays, if `x` is
                arrays.
            *args: arguments of `keras.Model.fit`.
            class_weight: dict from labels to their weights in the training
                loss. Other labels have weight 1.
            **kwargs: arguments of `keras.Model.fit`.

        Returns:
            The `History` of the training.

        Raises:
            ValueError: if `class_weight` has other labels, or if the data do
                not suit the method.
        """
        weights = self._class_weights(class_weight)
        if weights != self.class_weight:
            # The compiled step holds the weights as constants.
            self.class_weight, self.train_function = weights, None
            self.gate = self.make_gate()
        given = inspect.signature(super().fit).bind(x, y, *args, **kwargs).arguments
        self._check_arrays(x, y, given.get("sample_weight"))
        if isinstance(given.get("validation_data"), (tuple, list)):
            self._check_arrays(*given["validation_data"])
        if self.compiled:
            replicas.check_same_strategy(
                self.distribute_strategy,
                {**self._parts(), "the optimizer": self.optimizer.variables},
            )
        with self.distribute_strategy.scope():
            self.prepare(x, y)
        return super().fit(x, y, *args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Takes one step, as `keras.Model.train_on_batch` does, on one replica."""
        replicas.check_single_batch(self.distribute_strategy, "train_on_batch")
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluates a batch, as `keras.Model.test_on_batch` does, on one replica."""
        replicas.check_single_batch(self.distribute_strategy, "test_on_batch")
        return super().test_on_batch(*args, **kwargs)

    def _parts(self):
        """Returns the variables that a training assigns, by the name of the part."""
        return {
            "the encoder": self.encoder.trainable_variables,
            "the model": self.classifier.trainable_variables,
        }

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes the shapes from the mean of the replicas' rows, which fails
        # where their numbers differ. One replica's rows tell them too.
        strategy = self.distribute_strategy
        if iterator is not None and strategy.num_replicas_in_sync > 1:
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(
                lambda part: strategy.experimental_local_results(part)[0],
                next(batches),
            )
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _check_arrays(self, x, y=None, sample_weight=None):
        """Checks all rows of arrays before training."""
        if y is not None:
            self.gate.check(x, y, sample_weight)

    def prepare(self, x: Any, y: Any) -> None:
        """Checks the data of `fit` and creates the weights.

        TensorFlow would trace a first step that creates variables twice, and
        a backup restores only the state that exists before it.

        Args:
            x: see `fit`.
            y: see `fit`.
        """
        data = inputs_and_targets(x, y)
        if data is not None:
            self.see(data[0])
        taken = export.known_inputs(self.encoder)
        if not self.built and taken is not None:
            self.build(keras.tree.map_structure(lambda t: t.shape, taken))
        if self.compiled and all(layer.built for layer in self.layers):
            self.build_optimizers()

    def _class_weights(self, class_weight):
        """Returns a weight for each class, or `None`."""
        if class_weight is None:
            return None
        classes = range(max(2, self.num_classes))
        mapping = isinstance(class_weight, collections.abc.Mapping)
        if not mapping or class_weight.keys() - set(classes):
            raise ValueError(
                "`class_weight` weights labels. Expected: a dict from labels in "
                f"0..{classes[-1]} to weights. Received: {class_weight!r}. "
                "scikit-learn's compute_class_weight computes balanced ones."
            )
        for label, weight in class_weight.items():
            check_weight(f"class_weight[{label}]", weight)
        return [float(class_weight.get(c, 1.0)) for c in classes]

    def track_loss(self, loss: tf.Tensor, y: dict) -> None:
        """Updates the metric `loss`, as Keras's own training step does."""
        for metric in self.metrics:
            if metric.name == "loss":
                # The loss is a replica's share of the objective.
                loss = loss * replicas.count() if replicas.in_step() else loss
                metric.update_state(loss, tf.shape(y["label"])[0])

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Computes the loss of the labels, with prior and class weights."""
        labels, sample_weight = labels_and_weights(y, sample_weight)
        logits = y_pred["logits"]
        if training and self.label_prior is not None:
            logits = logits + self.label_prior(attribute_of(y))
        if training and self.class_weight is not None:
            row_weight = tf.gather(self.class_weight, as_class_numbers(labels))
            if sample_weight is not None:
                row_weight = row_weight * tf.reshape(sample_weight, [-1])
            sample_weight = row_weight
        reduction = getattr(self.loss, "reduction", "mean")
        if training and reduction != "sum":
            # A mean over the rows of all replicas, which may have uneven numbers.
            labels, logits, sample_weight = replicas.gather(
                (labels, logits, sample_weight)
            )
        if replicas.in_step() and sample_weight is None and reduction in MEANS:
            # Keras shares means of rows alone. A loss of one's own may be a scalar,
            # and one row with this weight, of a rank that Keras does not squeeze.
            sample_weight = tf.ones((1, 1))
        loss = super().compute_loss(x, labels, logits, sample_weight, training)
        return replicas.share(loss) if reduction in (None, "none") else loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates the metrics of labels and logits."""
        labels, sample_weight = labels_and_weights(y, sample_weight)
        return super().compute_metrics(x, labels, y_pred["logits"], sample_weight)

    def inference_model(self, **kwargs: Any) -> keras.Model:
        """Returns encoder and classifier, see `serving.export.inference_model`.

        Args:
            **kwargs: `preprocessing` and `activation`.

        Returns:
            Functional model that shares the weights.
        """
        return export.inference_model(self, **kwargs)

    def export(self, filepath: str | os.PathLike, **kwargs: Any) -> None:
        """Writes a SavedModel for inference, see `serving.export.export`.

        Args:
            filepath: path of the directory to write.
            **kwargs: `class_names`, `preprocessing`, `activation`, and the
                arguments of `keras.export.ExportArchive.write_out`.
        """
        export.export(self, filepath, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder": serialize(self.encoder),
            "num_classes": self.num_classes,
            "label_prior": serialize(self.label_prior),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RepresentationClassifier":
        """Creates the model from `get_config`."""
        deserialize = keras.saving.deserialize_keras_object
        values = {
            name: deserialize(value) if isinstance(value, dict) else value
            for name, value in config.items()
        }
        return cls(**values)


def _check_takes_logits(loss):
    """Checks a loss: one of probabilities would accept logits silently."""
    known = keras.losses.get(loss) if isinstance(loss, str) else loss
    from_logits = getattr(known, "from_logits", None)
    if inspect.isroutine(known):
        parameter = inspect.signature(known).parameters.get("from_logits")
        from_logits = parameter.default if parameter else None
    if from_logits is False:
        raise ValueError(
            "The model returns logits, but the loss takes probabilities. "
            f"Expected: from_logits=True. Received: loss={loss!r}. Pass the "
            "class of keras.losses with from_logits=True, or leave `loss` out "
            "for the cross-entropy of class numbers."
        )


def _default_accuracy(loss):
    """Returns the accuracy of logits that suits a loss."""
    # An "accuracy" that Keras resolves from the shapes of labels and logits
    # creates its variables inside the first step.
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return keras.metrics.SparseCategoricalAccuracy("accuracy")
    if isinstance(loss, BINARY):
        # Each logit is a yes-or-no answer.
        return keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    return "accuracy"
