from .auditing import Audit as Audit
from .auditing import audit as audit
from .callbacks import MiWeightSchedule as MiWeightSchedule
from .callbacks import MutualInformationMonitor as MutualInformationMonitor
from .data import AttributeEncoder as AttributeEncoder
from .data import AttributeSpec as AttributeSpec
from .data import BiasedDataset as BiasedDataset
from .data import Split as Split
from .dependence import mutual_information as mutual_information
from .information import ConcatenatedCritic as ConcatenatedCritic
from .information import (
    MutualInformationEstimator as MutualInformationEstimator,
)
from .information import SeparableCritic as SeparableCritic
from .information import donsker_varadhan_bound as donsker_varadhan_bound
from .methods import AdversarialUnlearning as AdversarialUnlearning
from .methods import AttributeConfusion as AttributeConfusion
from .methods import BiasBalanced as BiasBalanced
from .methods import ChiSquaredPenalty as ChiSquaredPenalty
from .methods import LabelPrior as LabelPrior
from .methods import (
    MutualInformationBackpropagation as MutualInformationBackpropagation,
)
from .methods import RepresentationClassifier as RepresentationClassifier
from .methods import adjusted_discriminant as adjusted_discriminant
from .methods import overlap_weights as overlap_weights
from .serving.load import load_classifier as load_classifier
from .sklearn import UnbiasedClassifier as UnbiasedClassifier
from .tuning import select_mi_weight as select_mi_weight
from .tuning import tune as tune

__version__: str
