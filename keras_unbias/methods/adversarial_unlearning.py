"""Adversarial unlearning: the encoder works against an attribute classifier.

Reference: Kim, Kim, Kim, Kim & Kim, "Learning Not to Learn: Training Deep
Neural Networks with Biased Data", CVPR 2019.
"""

import keras

from keras_unbias.checks import check_weight
from keras_unbias.methods import penalties
from keras_unbias.methods.adversary import AttributeAdversary


@keras.saving.register_keras_serializable("keras_unbias")
class AdversarialUnlearning(AttributeAdversary):
    """Task loss, negative entropy, and the attribute's reversed gradient.

    The objective of the encoder and the classifier is
    `loss + entropy_weight * E[sum q log q] - reversal_weight * CE`, with q
    what the attribute classifier says and CE its cross-entropy, which the
    attribute classifier minimises. (The released code takes two steps a
    batch, one for each term; here both gradients are of one step.)

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        entropy_weight: float >= 0, the paper's lambda. Defaults to 0.01, as
            in the released code.
        reversal_weight: float >= 0, the paper's mu. Defaults to 0.1.
        **kwargs: as in `AttributeAdversary`; `attribute_parts` is needed.

    Raises:
        ValueError: a weight is no finite number >= 0, or as in
            `AttributeAdversary`.
    """

    def __init__(
        self,
        encoder,
        num_classes,
        *,
        entropy_weight=0.01,
        reversal_weight=0.1,
        **kwargs,
    ):
        check_weight("entropy_weight", entropy_weight)
        check_weight("reversal_weight", reversal_weight)
        super().__init__(encoder, num_classes, **kwargs)
        self.entropy_weight = entropy_weight
        self.reversal_weight = reversal_weight

    def adversarial_loss(self, features, attributes):
        logits = self.attribute_classifier(features, training=True)
        entropy = penalties.negative_entropy(logits, self.attribute_parts)
        cross_entropy = penalties.attribute_cross_entropy(
            logits, attributes, self.attribute_parts
        )
        return (
            self.entropy_weight * entropy - self.reversal_weight * cross_entropy
        )

    def get_config(self):
        return {
            **super().get_config(),
            "entropy_weight": self.entropy_weight,
            "reversal_weight": self.reversal_weight,
        }
