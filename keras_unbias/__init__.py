"""Classifiers whose features carry little information of an attribute."""

from keras_unbias.methods import (
    BiasBalanced,
    LabelPrior,
    MutualInformationBackpropagation,
    RepresentationClassifier,
)
from keras_unbias.mutual_information import (
    ConcatenatedCritic,
    MutualInformationEstimator,
    SeparableCritic,
)

__version__ = "0.1.0"
