"""The mutual information of any two sets of columns."""

from keras_unbias.dependence.estimate import MutualInformation, mutual_information

__all__ = ["MutualInformation", "mutual_information"]
