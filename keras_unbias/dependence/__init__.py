"""The mutual information of any two sets of columns."""

from keras_unbias.dependence.bootstrap import Estimate
from keras_unbias.dependence.critics import held_out_bound
from keras_unbias.dependence.cross_fitting import MutualInformation
from keras_unbias.dependence.estimate import mutual_information

__all__ = ["Estimate", "MutualInformation", "held_out_bound", "mutual_information"]
