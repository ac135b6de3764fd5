"""Adversarial unlearning: the encoder works against an attribute classifier.

The released code takes two steps per batch, one for each term of the
adversarial loss. Here both terms belong to one step.

Reference: Kim, Kim, Kim, Kim & Kim, "Learning Not to Learn: Training Deep
Neural Networks with Biased Data", CVPR 2019.
"""

from typing import Any

import keras
import tensorflow as tf

from keras_unbias.checks import check_weight
from keras_unbias.methods import penalties
from keras_unbias.methods.adversary import AttributeAdversary


@keras.saving.register_keras_serializable("keras_unbias")
class AdversarialUnlearning(AttributeAdversary):
    """Adds a negative entropy and a reversed cross-entropy to the task loss.

    The encoder and the classifier minimize
    `loss + entropy_weight * E[sum q log q] - reversal_weight * CE`. Here q is
    the probabilities of the attribute classifier and CE its cross-entropy,
    which the attribute classifier minimizes.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        entropy_weight: float >= 0, the paper's lambda. Defaults to 0.01, as
            in the released code.
        reversal_weight: float >= 0, the paper's mu. Defaults to 0.1.
        **kwargs: see `AttributeAdversary`. `attribute_parts` is required.

    Raises:
        ValueError: if a weight is not a finite number >= 0, or for the
            reasons that `AttributeAdversary` gives.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = AdversarialUnlearning(
    ...     encoder, num_classes=3, attribute_parts=(2,), reversal_weight=1.0
    ... )
    >>> model.get_config()["reversal_weight"]
    1.0
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        entropy_weight: float = 0.01,
        reversal_weight: float = 0.1,
        **kwargs: Any,
    ):
        check_weight("entropy_weight", entropy_weight)
        check_weight("reversal_weight", reversal_weight)
        super().__init__(encoder, num_classes, **kwargs)
        self.entropy_weight = entropy_weight
        self.reversal_weight = reversal_weight

    def adversarial_loss(self, logits: tf.Tensor, attributes: tf.Tensor) -> tf.Tensor:
        """Computes the weighted negative entropy minus the cross-entropy."""
        entropy = penalties.negative_entropy(logits, self.attribute_spec)
        cross_entropy = penalties.attribute_cross_entropy(
            logits, attributes, self.attribute_spec
        )
        return self.entropy_weight * entropy - self.reversal_weight * cross_entropy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "entropy_weight": self.entropy_weight,
            "reversal_weight": self.reversal_weight,
        }
