"""Classifiers that representations are compared with: constant, SVM, FERM."""

import numpy as np
from sklearn import dummy, model_selection

from keras_unbias.fair_svm import FairSVC

_SVM = {"kernel", "C", "gamma", "folds"}
# The settings of a run of each.
SETTINGS = {"constant": set(), "svm": _SVM, "ferm": _SVM}


def fit(method, settings, dataset):
    """Fits a scikit-learn classifier to the training split.

    The parameters of a support vector machine are those of the best
    cross-validated accuracy. (Donini et al. take the fairest of all that
    reach 90 % of it; on German credit that is the constant classifier.)

    Args:
        method: `"constant"`, the most frequent label; `"svm"`; or `"ferm"`,
            the same under the constraint of `FairSVC` on a binary attribute.
        settings: dict; for the last two with `kernel`, lists of values of
            `C` and `gamma`, and the number of `folds`.
        dataset: a `BiasedDataset` with inputs of shape `(rows, d)`.

    Returns:
        A fitted scikit-learn classifier.

    Raises:
        ValueError: as in `FairSVC.fit`.
    """
    inputs, labels = dataset.train.inputs, dataset.train.labels
    if method == "constant":
        return dummy.DummyClassifier().fit(inputs, labels)
    search = model_selection.GridSearchCV(
        FairSVC(kernel=settings["kernel"]),
        {"C": settings["C"], "gamma": settings["gamma"]},
        cv=settings["folds"],
    )
    constraint = {}
    if method == "ferm":
        attribute = dataset.attributes("train")[:, 0].astype(np.int32)
        constraint["sensitive_features"] = attribute
    return search.fit(inputs, labels, **constraint)
