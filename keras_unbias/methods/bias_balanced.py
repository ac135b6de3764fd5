"""Bias-balanced training: a logit adjustment by the attribute's label prior.

Reference: Hong & Yang, "Unbiased Classification through Bias-Contrastive and
Bias-Balanced Learning", NeurIPS 2021.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.data.targets import check_known
from keras_unbias.methods.base import RepresentationClassifier


@keras.saving.register_keras_serializable("keras_unbias")
class LabelPrior(keras.layers.Layer):
    """`strength * log p(y|c)`, from counts over the cells of the attribute.

    A cell is one value of the attribute vector. Call `adapt` once on the
    training data, as with `keras.layers.Normalization`. An attribute that
    was never seen takes the nearest cell.

    Args:
        num_classes: int, the number of labels.
        strength: float, factor of the logarithm; below 1 it is a tempered
            adjustment. Defaults to 1.
        smoothing: float, added to every count, or a list of one a label.
            Defaults to 0.05.
    """

    # More cells than this are no cells any more but a continuous attribute.
    MAX_CELLS = 4096

    def __init__(self, num_classes, strength=1.0, smoothing=0.05, **kwargs):
        # Counts and cells are exact numbers, whatever the policy.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_classes = num_classes
        self.strength = strength
        self.smoothing = smoothing

    def adapt(self, attributes, labels, sample_weight=None):
        """Counts the labels of every cell.

        Args:
            attributes: `(rows, a)` array.
            labels: `(rows,)` or `(rows, 1)` int array in `0..num_classes-1`.
            sample_weight: `(rows,)` array, what each row counts. Defaults to
                1.

        Raises:
            ValueError: other shapes, attributes that are not finite, labels
                that are no class numbers or out of range, more different
                attribute rows than `MAX_CELLS`, or not as many as in an
                earlier call.
        """
        attributes = np.asarray(attributes, np.float32)
        labels = np.asarray(labels)
        rows = len(labels)
        if (
            attributes.ndim != 2
            or {labels.size, len(attributes)} != {rows}
            or not rows
        ):
            raise ValueError(
                "A label prior counts rows. Expected: attributes of shape "
                "(rows >= 1, a), one label a row. Received: attributes of "
                "shape "
                f"{attributes.shape}, labels of shape {labels.shape}."
            )
        check_known(attributes)
        labels = self._class_numbers(labels.reshape(rows))
        cells, cell = np.unique(attributes, axis=0, return_inverse=True)
        if len(cells) > self.MAX_CELLS:
            raise ValueError(
                "A label prior is counted per value of the attribute. "
                f"Expected: at most {self.MAX_CELLS} different attribute "
                f"rows. Received: {len(cells)}. Bin numbers more coarsely, or "
                "leave columns out."
            )
        if self.built and cells.shape != self.cells.shape:
            raise ValueError(
                "The prior was adapted to other cells before. Expected: "
                f"{self.cells.shape[0]} different attribute rows of width "
                f"{self.cells.shape[1]}. Received: {len(cells)} of width "
                f"{cells.shape[1]}. Make a new LabelPrior."
            )
        counts = np.full((len(cells), self.num_classes), self.smoothing)
        weight = 1 if sample_weight is None else sample_weight
        np.add.at(counts, (cell.ravel(), labels), weight)
        self.build_from_config(
            {"cells": len(cells), "attribute_size": attributes.shape[1]}
        )
        self.cells.assign(cells)
        self.log_prior.assign(
            np.log(counts / counts.sum(axis=1, keepdims=True))
        )

    def _class_numbers(self, labels):
        numbers = labels.dtype.kind in "biuf" and np.isfinite(labels).all()
        if not numbers or (labels != np.floor(labels)).any():
            raise ValueError(
                "A label prior counts class numbers. Expected: integers. "
                f"Received: labels of {labels.dtype}. Number the classes."
            )
        labels = labels.astype(np.int64)
        if labels.min() < 0 or labels.max() >= self.num_classes:
            raise ValueError(
                "A label prior counts class numbers. Expected: labels in "
                f"0..{self.num_classes - 1}. Received: {labels.min()}.."
                f"{labels.max()}. Renumber them or raise num_classes."
            )
        return labels

    def build_from_config(self, config):
        if self.built:
            return
        self.cells = self.add_weight(
            shape=(config["cells"], config["attribute_size"]),
            trainable=False,
            name="cells",
        )
        self.log_prior = self.add_weight(
            shape=(config["cells"], self.num_classes),
            trainable=False,
            name="log_prior",
        )
        self.built = True

    def get_build_config(self):
        if not self.built:
            return None
        cells, attribute_size = self.cells.shape
        return {"cells": cells, "attribute_size": attribute_size}

    def build(self, input_shape):
        raise ValueError(
            "A LabelPrior has no counts yet. Expected: "
            "`prior.adapt(attributes, labels)` before training. Received: "
            f"attributes of shape {tuple(input_shape)}."
        )

    def call(self, attributes):
        width = self.cells.shape[1]
        shape = tf.TensorShape(attributes.shape)
        if not shape.is_compatible_with((None, width)):
            raise ValueError(
                "The attribute is not what the prior was counted on. Expected: "
                f"shape (n, {width}). Received: shape {shape}. Encode all rows "
                "alike."
            )
        # Of large numbers the squares would leave no digits for differences.
        mean = tf.reduce_mean(self.cells, 0)
        attributes = tf.cast(attributes, tf.float32) - mean
        cells = self.cells - mean
        # Squared distance up to a constant of the row.
        distances = tf.reduce_sum(cells**2, 1) - 2 * tf.matmul(
            attributes, cells, transpose_b=True
        )
        nearest = tf.argmin(distances, 1)
        return self.strength * tf.gather(self.log_prior, nearest)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "strength": self.strength,
            "smoothing": self.smoothing,
        }


@keras.saving.register_keras_serializable("keras_unbias")
class BiasBalanced(RepresentationClassifier):
    """ERM with `log p(y|c)` added to the logits of the training loss.

    What the attribute says of the label is given to the loss for free, so
    the network has no reason to learn it. Hand the same `label_prior` to
    `MutualInformationBackpropagation` to have both.

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        label_prior: an adapted `LabelPrior`.

    Raises:
        ValueError: there is no prior, or it is of another number of classes.
    """

    def __init__(self, encoder, num_classes, *, label_prior, **kwargs):
        if label_prior is None:
            raise ValueError(
                "BiasBalanced adjusts the logits by a label prior. Expected: "
                "an adapted LabelPrior. Received: label_prior=None."
            )
        super().__init__(
            encoder, num_classes, label_prior=label_prior, **kwargs
        )
