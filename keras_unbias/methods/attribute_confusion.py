"""Attribute confusion: features from which an attribute classifier guesses.

Reference: Alvi, Zisserman & Nellaker, "Turning a Blind Eye: Explicit Removal
of Biases and Variation from Deep Neural Network Embeddings", ECCV workshops
2018.
"""

import keras

from keras_unbias.checks import check_weight
from keras_unbias.methods import penalties
from keras_unbias.methods.adversary import AttributeAdversary


@keras.saving.register_keras_serializable("keras_unbias")
class AttributeConfusion(AttributeAdversary):
    """Task loss plus `confusion_weight` times the confusion loss.

    The encoder brings what the attribute classifier says towards the uniform
    distribution, while the attribute classifier learns on.

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        confusion_weight: float >= 0, the paper's alpha. Defaults to 1.
        **kwargs: as in `AttributeAdversary`; `attribute_parts` is needed.

    Raises:
        ValueError: the weight is no finite number >= 0, or as in
            `AttributeAdversary`.
    """

    def __init__(self, encoder, num_classes, *, confusion_weight=1.0, **kwargs):
        check_weight("confusion_weight", confusion_weight)
        super().__init__(encoder, num_classes, **kwargs)
        self.confusion_weight = confusion_weight

    def adversarial_loss(self, features, attributes):
        logits = self.attribute_classifier(features, training=True)
        return self.confusion_weight * penalties.confusion(
            logits, self.attribute_parts
        )

    def get_config(self):
        return {
            **super().get_config(),
            "confusion_weight": self.confusion_weight,
        }
