"""The training methods, each a `RepresentationClassifier`."""

from keras_unbias.methods.adversarial_unlearning import AdversarialUnlearning
from keras_unbias.methods.adversary import AttributeAdversary
from keras_unbias.methods.attribute_confusion import AttributeConfusion
from keras_unbias.methods.base import RepresentationClassifier
from keras_unbias.methods.bias_balanced import BiasBalanced, LabelPrior
from keras_unbias.methods.chi_squared import ChiSquaredPenalty
from keras_unbias.methods.discriminant import adjusted_discriminant
from keras_unbias.methods.mutual_information import MutualInformationBackpropagation
from keras_unbias.methods.overlap import overlap_weights

__all__ = [
    "METHODS",
    "AdversarialUnlearning",
    "AttributeAdversary",
    "AttributeConfusion",
    "BiasBalanced",
    "ChiSquaredPenalty",
    "LabelPrior",
    "MutualInformationBackpropagation",
    "RepresentationClassifier",
    "adjusted_discriminant",
    "overlap_weights",
]

# Experiments choose a method by its name here.
METHODS = {
    "erm": RepresentationClassifier,
    "attribute_confusion": AttributeConfusion,
    "adversarial_unlearning": AdversarialUnlearning,
    "bias_balanced": BiasBalanced,
    "chi_squared": ChiSquaredPenalty,
    "mi_backprop": MutualInformationBackpropagation,
}
