"""Mutual information: bounds, critics, the estimator, and counts."""

from keras_unbias.information.bounds import donsker_varadhan_bound
from keras_unbias.information.critics import (
    CRITICS,
    ConcatenatedCritic,
    Critic,
    SeparableCritic,
    roll,
    shuffle_within_classes,
)
from keras_unbias.information.estimator import (
    MutualInformationEstimator,
    check_width,
)

__all__ = [
    "CRITICS",
    "ConcatenatedCritic",
    "Critic",
    "MutualInformationEstimator",
    "SeparableCritic",
    "check_width",
    "donsker_varadhan_bound",
    "roll",
    "shuffle_within_classes",
]
