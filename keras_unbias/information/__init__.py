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
from keras_unbias.information.discrete import discrete_mutual_information, entropy
from keras_unbias.information.estimator import MutualInformationEstimator

__all__ = [
    "CRITICS",
    "ConcatenatedCritic",
    "Critic",
    "MutualInformationEstimator",
    "SeparableCritic",
    "discrete_mutual_information",
    "donsker_varadhan_bound",
    "entropy",
    "roll",
    "shuffle_within_classes",
]
