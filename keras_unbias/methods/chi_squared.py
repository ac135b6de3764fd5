"""A penalty on the dependence of the predictions on the attribute.

Reference: Mary, Calauzenes & El Karoui, "Fairness-Aware Learning for
Continuous Attributes and Treatments", ICML 2019.
"""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.checks import check_weight
from keras_unbias.data.attributes import AttributeSpec
from keras_unbias.data.targets import attribute_of, labels_and_weights
from keras_unbias.methods import penalties
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.gate import Gate


@keras.saving.register_keras_serializable("keras_unbias")
class ChiSquaredPenalty(RepresentationClassifier):
    """Adds `penalty_weight` times a chi-squared dependence to the task loss.

    The penalty is the dependence of the positive class's probability on the
    attribute, among the rows of that class (see
    `penalties.equal_opportunity_penalty`). Where it is 0, the true positive
    rates are equal at every threshold. It is estimated on each batch, which
    must contain rows of every group: 128 rows of the positive class or more.

    Args:
        encoder: see `RepresentationClassifier`.
        num_classes: see `RepresentationClassifier`.
        penalty_weight: float >= 0. Defaults to 1.
        positive: int, the positive class. Defaults to 1.
        label_prior: see `RepresentationClassifier`.

    Raises:
        ValueError: if `penalty_weight` is not a finite number >= 0, if there
            is no class `positive`, or for the reasons that
            `RepresentationClassifier` gives.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = ChiSquaredPenalty(encoder, num_classes=2, penalty_weight=3.0)
    >>> model.get_config()["penalty_weight"]
    3.0
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        num_classes: int,
        *,
        penalty_weight: float = 1.0,
        positive: int = 1,
        **kwargs: Any,
    ):
        check_weight("penalty_weight", penalty_weight)
        if not 0 <= positive < num_classes:
            raise ValueError(
                "`positive` must be one of the classes. Expected: 0 <= "
                f"positive < num_classes={num_classes}. Received: positive="
                f"{positive}. Give the model two logits for two labels."
            )
        super().__init__(encoder, num_classes, **kwargs)
        self.penalty_weight = penalty_weight
        self.positive = positive

    def make_gate(self) -> Gate:
        """Returns what the rows of every batch must hold, see `Gate`."""
        return dataclasses.replace(
            super().make_gate(),
            needs_variety=True,
            # The penalty is on the rows of the positive class.
            num_classes=self.num_classes,
            ignored_label=None,
            # One attribute: one-hot codes, or a number in 0..1.
            categories=lambda width: AttributeSpec((width,)),
        )

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Computes the task loss, and in training the penalty."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        labels, sample_weight = labels_and_weights(y, sample_weight)
        logits, labels, attributes, sample_weight = replicas.gather(
            (y_pred["logits"], labels, attribute_of(y), sample_weight)
        )
        penalty = self.penalty_weight * penalties.equal_opportunity_penalty(
            logits, labels, attributes, self.positive, sample_weight
        )
        return loss + replicas.share(penalty)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "penalty_weight": self.penalty_weight,
            "positive": self.positive,
        }
