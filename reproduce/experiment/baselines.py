"""Classifiers that the methods are compared with: constant, SVM and FERM."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV

from keras_unbias.data import BiasedDataset
from reproduce.experiment.fair_svm import FairSVC
from reproduce.experiment.groups import Constant, Ferm, Method, Svm

BASELINES = {kind.name: kind for kind in (Constant, Svm, Ferm)}


def fit(method: Method, dataset: BiasedDataset) -> ClassifierMixin:
    """Fits a scikit-learn classifier to the training split.

    The parameters of a support vector machine are those of the highest
    cross-validated accuracy. Donini et al. instead take the fairest of those
    that reach 90 % of it. On German credit that is the constant classifier.

    Args:
        method: settings of the baseline. `Constant` predicts the most
            frequent label, `Svm` is a `FairSVC` without constraint, and
            `Ferm` is one under the constraint on a binary attribute.
        dataset: a `BiasedDataset` with inputs of shape `(rows, d)`.

    Returns:
        The fitted classifier.

    Raises:
        ValueError: as `FairSVC.fit`.
    """
    inputs, labels = dataset.train.inputs, dataset.train.labels
    if isinstance(method, Constant):
        return DummyClassifier().fit(inputs, labels)
    search = GridSearchCV(
        FairSVC(kernel=method.kernel),
        {"C": method.C, "gamma": method.gamma},
        cv=method.folds,
    )
    constraint = {}
    if isinstance(method, Ferm):
        attribute = dataset.train.attributes[:, 0].astype(np.int32)
        constraint["sensitive_features"] = attribute
    return search.fit(inputs, labels, **constraint)
