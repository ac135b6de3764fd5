"""Bias-balanced training: logits adjusted by the attribute's label prior.

Reference: Hong & Yang, "Unbiased Classification through Bias-Contrastive and
Bias-Balanced Learning", NeurIPS 2021.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer
from keras_unbias.data.attributes import check_finite
from keras_unbias.data.targets import check_classes, mean_one
from keras_unbias.methods.base import RepresentationClassifier


@keras.saving.register_keras_serializable("keras_unbias")
class LabelPrior(keras.layers.Layer):
    """A layer from attributes to `strength * log p(y|c)`.

    The probabilities are estimated from counts of the labels in the cells of
    the attribute. A cell is one value of the attribute vector. An attribute
    that was not counted takes the nearest cell, or all cells that are equally
    near, counted as one. So an attribute without known values, of zeros in
    place of a one-hot code or of NaN, means p(y).

    Call `adapt` once on the training data, as with
    `keras.layers.Normalization`.

    Args:
        num_classes: int, the number of labels.
        strength: float, the factor of the logarithm. A factor below 1 tempers
            the adjustment. Defaults to 1.
        smoothing: float, added to every count, or a sequence with a float for
            each label. Defaults to 0.05.

    Example:

    >>> prior = LabelPrior(num_classes=2, smoothing=0.0)
    >>> prior.adapt(np.array([[0], [0], [0], [0]]), np.array([0, 1, 1, 1]))
    >>> np.exp(prior(np.array([[0]]))).round(2).tolist()
    [[0.25, 0.75]]
    """

    # An attribute with more cells than this is continuous.
    MAX_CELLS = 4096

    def __init__(
        self,
        num_classes: int,
        strength: float = 1.0,
        smoothing: float | Sequence[float] = 0.05,
        **kwargs: Any,
    ):
        # Counts and cells are float32, whatever the global dtype policy is.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_classes = check_integer("num_classes", num_classes, minimum=1)
        self.strength = strength
        self.smoothing = smoothing

    def adapt(
        self,
        attributes: np.ndarray,
        labels: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None:
        """Counts the labels in every cell.

        Args:
            attributes: float array of shape `(rows, a)`.
            labels: int array of shape `(rows,)` or `(rows, 1)`, in
                `0..num_classes-1`.
            sample_weight: float array of shape `(rows,)`, what each row
                counts. Only the ratios of the weights matter. Defaults to
                `None`, equal weights.

        Raises:
            ValueError: if the shapes are wrong, if attributes are not finite,
                if labels are not class numbers in the range, if weights are
                negative, not finite or all 0, if there are more than
                `MAX_CELLS` cells, or if there are other cells than in an
                earlier call.
        """
        given, attributes = attributes, np.asarray(attributes, np.float32)
        labels = np.asarray(labels)
        rows = len(labels)
        if attributes.ndim != 2 or {labels.size, len(attributes)} != {rows} or not rows:
            raise ValueError(
                "A label prior counts rows. Expected: attributes of shape "
                "(rows >= 1, a) and one label per row. Received: attributes "
                f"of shape {attributes.shape}, labels of shape {labels.shape}."
            )
        check_finite(attributes)
        labels = check_classes(labels, self.num_classes)
        cells, cell = np.unique(attributes, axis=0, return_inverse=True)
        if len(np.unique(given, axis=0)) > len(cells):
            raise ValueError(
                "Values of the attribute are the same in float32. Expected: numbers of "
                "seven digits. Received: numbers that differ only beyond. Subtract "
                "their mean first, or cut them with AttributeEncoder."
            )
        if len(cells) > self.MAX_CELLS:
            raise ValueError(
                "A label prior counts labels per value of the attribute. Expected: at "
                f"most {self.MAX_CELLS} different attribute vectors. Received: "
                f"{len(cells)}. Bin numbers more coarsely, or leave columns out."
            )
        if self.built and cells.shape != self.cells.shape:
            raise ValueError(
                "The prior was adapted to other cells before. Expected: "
                f"{self.cells.shape[0]} different attribute vectors of width "
                f"{self.cells.shape[1]}. Received: {len(cells)} of width "
                f"{cells.shape[1]}. Make a new LabelPrior."
            )
        weight = np.ones(rows) if sample_weight is None else mean_one(sample_weight)
        counts = np.zeros((len(cells), self.num_classes))
        np.add.at(counts, (cell.ravel(), labels), weight)
        self.build_from_config(
            {"cells": len(cells), "attribute_size": attributes.shape[1]}
        )
        self.cells.assign(cells)
        self.counts.assign(counts)
        counts = counts + self.smoothing
        self.log_prior.assign(np.log(counts / counts.sum(axis=1, keepdims=True)))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates the weights for the cells of `get_build_config`."""
        if self.built:
            return
        cells, width = config["cells"], config["attribute_size"]
        self.cells = self.add_weight((cells, width), trainable=False, name="cells")
        shape = cells, self.num_classes
        self.log_prior = self.add_weight(shape, trainable=False, name="log_prior")
        # Zeros draw no seed, so later layers have the same weights as ever.
        self.counts = self.add_weight(
            shape, trainable=False, initializer="zeros", name="counts"
        )
        self.built = True

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights. Older files have no counts."""
        if len(store.keys()) == 2:
            store = {**store, "2": np.exp(store["1"])}
        super().load_own_variables(store)

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the number and the width of the cells."""
        if not self.built:
            return None
        cells, attribute_size = self.cells.shape
        return {"cells": cells, "attribute_size": attribute_size}

    def build(self, input_shape: Any) -> None:
        """Raises an error, for only `adapt` knows the cells."""
        raise ValueError(
            "The LabelPrior has no counts yet. Expected: "
            "`prior.adapt(attributes, labels)` before training. Received: "
            f"attributes of shape {tuple(input_shape)}."
        )

    def call(self, attributes: tf.Tensor) -> tf.Tensor:
        """Returns the adjustment of the logits for each row."""
        width = self.cells.shape[1]
        shape = tf.TensorShape(attributes.shape)
        if not shape.is_compatible_with((None, width)):
            raise ValueError(
                "The prior was adapted to attributes of another shape. "
                f"Expected: shape (n, {width}). Received: shape {shape}. "
                "Encode all rows in the same way."
            )
        # Squares of large numbers leave no digits of 32 bit for differences.
        cells = tf.cast(self.cells, tf.float64)
        mean = tf.reduce_mean(cells, 0)
        cells = cells - mean
        attributes = tf.cast(attributes, tf.float64) - mean
        # A column that is not known is as far from all cells.
        known = tf.math.is_finite(attributes)
        attributes = tf.where(known, attributes, 0.0)
        squares = tf.matmul(tf.cast(known, tf.float64), cells**2, transpose_b=True)
        # The squared distance, up to a constant of the row.
        distances = squares - 2 * tf.matmul(attributes, cells, transpose_b=True)
        nearest = tf.argmin(distances, 1)
        rounding = 1e-14 * tf.reduce_max(squares, 1, keepdims=True)
        equal = distances <= tf.reduce_min(distances, 1, keepdims=True) + rounding
        pooled = tf.matmul(tf.cast(equal, tf.float32), self.counts) + self.smoothing
        log_prior = tf.where(
            tf.math.count_nonzero(equal, 1, keepdims=True) == 1,
            tf.gather(self.log_prior, nearest),
            tf.math.log(pooled / tf.reduce_sum(pooled, 1, keepdims=True)),
        )
        return self.strength * log_prior

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "strength": self.strength,
            "smoothing": self.smoothing,
        }


@keras.saving.register_keras_serializable("keras_unbias")
class BiasBalanced(RepresentationClassifier):
    """Adds `log p(y|c)` to the logits in the training loss.

    The training loss is told what the attribute says of the label, so the
    network has no reason to learn it. Every method takes a `label_prior`. Pass
    one to `MutualInformationBackpropagation` to combine the two.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        label_prior: an adapted `LabelPrior`.

    Raises:
        ValueError: if there is no prior, or if it has another number of
            classes.

    Example:

    >>> prior = LabelPrior(num_classes=2)
    >>> prior.adapt(np.array([[0], [0], [1]]), np.array([0, 0, 1]))
    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = BiasBalanced(encoder, num_classes=2, label_prior=prior)
    >>> model.label_prior is prior
    True
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        label_prior: LabelPrior,
        **kwargs: Any,
    ):
        if label_prior is None:
            raise ValueError(
                "BiasBalanced adjusts the logits with a label prior. Expected: "
                "an adapted LabelPrior. Received: label_prior=None."
            )
        super().__init__(encoder, num_classes, label_prior=label_prior, **kwargs)
