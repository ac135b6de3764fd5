"""The training methods: every one a `RepresentationClassifier`."""

from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.bias_balanced import BiasBalanced, LabelPrior
from keras_unbias.methods.chi_squared import ChiSquaredPenalty
from keras_unbias.methods.mi_backprop import MutualInformationBackpropagation

__all__ = [
    "METHODS",
    "BiasBalanced",
    "ChiSquaredPenalty",
    "LabelPrior",
    "MutualInformationBackpropagation",
    "RepresentationClassifier",
]

METHODS = {
    "erm": RepresentationClassifier,
    "bias_balanced": BiasBalanced,
    "chi_squared": ChiSquaredPenalty,
    "mi_backprop": MutualInformationBackpropagation,
}
