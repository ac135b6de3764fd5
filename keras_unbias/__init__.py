"""Classifiers whose features carry little information of an attribute."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "AttributeEncoder": "data",
    "AttributeSpec": "data",
    "Audit": "auditing",
    "BiasBalanced": "methods",
    "BiasedDataset": "data",
    "ConcatenatedCritic": "information",
    "LabelPrior": "methods",
    "MiWeightSchedule": "callbacks",
    "MutualInformationBackpropagation": "methods",
    "MutualInformationEstimator": "information",
    "MutualInformationMonitor": "callbacks",
    "RepresentationClassifier": "methods",
    "SeparableCritic": "information",
    "Split": "data",
    "UnbiasedClassifier": "sklearn",
    "audit": "auditing",
    "donsker_varadhan_bound": "information",
    "load_classifier": "serving",
    "select_mi_weight": "tuning",
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
