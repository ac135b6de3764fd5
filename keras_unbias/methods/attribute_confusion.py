"""Attribute confusion: an attribute classifier can only guess.

Reference: Alvi, Zisserman & Nellaker, "Turning a Blind Eye: Explicit Removal
of Biases and Variation from Deep Neural Network Embeddings", ECCV workshops
2018.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_unbias.checks import check_weight
from keras_unbias.methods import penalties
from keras_unbias.methods.adversary import AttributeAdversary


@keras.saving.register_keras_serializable("keras_unbias")
class AttributeConfusion(AttributeAdversary):
    """Adds `confusion_weight` times the confusion loss to the task loss.

    The encoder drives the probabilities of the attribute classifier toward
    the uniform distribution, while the attribute classifier keeps learning.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        confusion_weight: float >= 0, the paper's alpha. Defaults to 1.
        **kwargs: see `AttributeAdversary`. `attribute_parts` is required.

    Raises:
        ValueError: if the weight is not a finite number >= 0, or for the
            reasons that `AttributeAdversary` gives.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = AttributeConfusion(
    ...     encoder, num_classes=3, attribute_parts=(2,), confusion_weight=0.1
    ... )
    >>> model.get_config()["confusion_weight"]
    0.1
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        confusion_weight: float = 1.0,
        **kwargs: Any,
    ):
        check_weight("confusion_weight", confusion_weight)
        super().__init__(encoder, num_classes, **kwargs)
        self.confusion_weight = confusion_weight

    def adversarial_loss(self, logits: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        """Computes the weighted confusion loss."""
        return self.confusion_weight * penalties.confusion(logits, self.attribute_spec)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "confusion_weight": self.confusion_weight}
