"""A penalty on the dependence of predictions and attribute.

Reference: Mary, Calauzenes & El Karoui, "Fairness-Aware Learning for
Continuous Attributes and Treatments", ICML 2019.
"""

import keras
import numpy as np

from keras_unbias.checks import check_weight
from keras_unbias.data.targets import (
    attribute_of,
    check_categories,
    check_vectors,
    labels_and_weights,
)
from keras_unbias.methods import penalties
from keras_unbias.methods.base import RepresentationClassifier


@keras.saving.register_keras_serializable("keras_unbias")
class ChiSquaredPenalty(RepresentationClassifier):
    """Task loss plus `penalty_weight` times a chi-squared dependence.

    The dependence is that of the positive class's probability and the
    attribute on the rows of that class (`penalties.equal_opportunity_penalty`):
    where it is 0, the true positive rates are equal at every threshold. It
    is estimated on each batch, which must hold some rows of every group: 128
    rows of the positive class or more.

    Args:
        encoder: as in `RepresentationClassifier`.
        num_classes: as in `RepresentationClassifier`.
        penalty_weight: float >= 0. Defaults to 1.
        positive: int, the positive class. Defaults to 1.
        label_prior: as in `RepresentationClassifier`.

    Raises:
        ValueError: `penalty_weight` is no finite number >= 0, there is no such
            class, or as in `RepresentationClassifier`.
    """

    def __init__(
        self, encoder, num_classes, *, penalty_weight=1.0, positive=1, **kwargs
    ):
        check_weight("penalty_weight", penalty_weight)
        if not 0 <= positive < num_classes:
            raise ValueError(
                "`positive` is the class whose rows are looked at. Expected: "
                f"0 <= positive < num_classes={num_classes}. Received: "
                f"positive={positive}. For two labels give the model two "
                "logits."
            )
        super().__init__(encoder, num_classes, **kwargs)
        self.penalty_weight = penalty_weight
        self.positive = positive

    def fit(self, x=None, y=None, *args, **kwargs):
        """Keras's `fit`; batches hold labels (n,) and attributes (n, a).

        Raises:
            ValueError: several replicas, or arrays whose attribute is
                neither a number in 0..1 nor one-hot codes or shares.
        """
        self.check_one_device()
        if y is not None:
            attributes = attribute_of(y)
            check_vectors(attributes)
            check_categories(np.asarray(attributes), attributes.shape[-1:])
        return super().fit(x, y, *args, **kwargs)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        labels, sample_weight = labels_and_weights(y, sample_weight)
        return loss + self.penalty_weight * penalties.equal_opportunity_penalty(
            y_pred["logits"],
            labels,
            attribute_of(y),
            self.positive,
            sample_weight,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "penalty_weight": self.penalty_weight,
            "positive": self.positive,
        }
