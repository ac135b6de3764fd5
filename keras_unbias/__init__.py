"""Classifiers whose features carry little information of an attribute."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "AttributeEncoder": "attributes",
    "Audit": "auditing",
    "BiasBalanced": "methods",
    "BiasedDataset": "datasets",
    "ConcatenatedCritic": "mutual_information",
    "LabelPrior": "methods",
    "MiWeightSchedule": "callbacks",
    "MutualInformationBackpropagation": "methods",
    "MutualInformationEstimator": "mutual_information",
    "MutualInformationMonitor": "callbacks",
    "Record": "runs",
    "RepresentationClassifier": "methods",
    "RunConfig": "runs",
    "SeparableCritic": "mutual_information",
    "Split": "datasets",
    "UnbiasedClassifier": "unbiased_classifier",
    "audit": "auditing",
    "donsker_varadhan_bound": "mutual_information",
    "load_classifier": "serving",
    "select_mi_weight": "selection",
    "train": "training",
    "tune": "tuning",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    # Names are imported when they are used: reading records and rendering
    # tables must not wait for TensorFlow.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(home, name)


def __dir__():
    return sorted({*globals(), *__all__})
