"""Support vector machines, plain and under a fairness constraint.

Reference: Donini, Oneto, Ben-David, Shawe-Taylor & Pontil, "Empirical Risk
Minimization Under Fairness Constraints" (FERM), NeurIPS 2018.
"""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class FairSVC(ClassifierMixin, BaseEstimator):
    """An SVM whose mean decision on positive rows is equal in two groups.

    FERM with the linear loss and epsilon = 0: `<w, u> = 0` for the
    difference `u` of the groups' mean positive rows in feature space. Both
    forms solve this exactly: the linear one projects `u` out of the rows,
    the kernel one out of the kernel, `K(x, x') - t(x) t(x') / <u, u>` with
    `t(x) = <phi(x), u>`. (Donini et al. eliminate a coordinate, which then
    is not penalised.) Without `sensitive_features` it is a plain SVM.

    Args:
        C: float, as in `sklearn.svm.SVC`. Defaults to 1.
        kernel: `"linear"` or `"rbf"`. Defaults to `"linear"`.
        gamma: of the RBF kernel: float, or `"scale"` (the default) for
            `1 / (n_features * X.var())`.
    """

    def __init__(self, C=1.0, kernel="linear", gamma="scale"):
        self.C = C
        self.kernel = kernel
        self.gamma = gamma

    def fit(self, X, y, sensitive_features=None):
        """Fits the classifier.

        Args:
            X: `(rows, n_features)` array.
            y: `(rows,)` labels; two classes if `sensitive_features` are
                given.
            sensitive_features: `(rows,)` array with two values, or `None`.

        Returns:
            The classifier itself.

        Raises:
            ValueError: an argument is out of range, or a group has no
                positive row.
        """
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        if self.kernel not in ("linear", "rbf"):
            raise ValueError(
                "Unknown kernel. Expected: 'linear' or 'rbf'. Received: "
                f"kernel={self.kernel!r}."
            )
        if isinstance(self.gamma, str) and self.gamma != "scale":
            raise ValueError(
                "Unknown gamma. Expected: 'scale' or a number. Received: "
                f"gamma={self.gamma!r}."
            )
        self.classes_ = np.unique(y)
        self._X = X
        variance = X.var() or 1.0
        self._gamma = (
            1 / (X.shape[1] * variance)
            if isinstance(self.gamma, str)
            else self.gamma
        )
        # The weights of the rows in the difference of the groups' means.
        self._contrast = np.zeros(len(X))
        if sensitive_features is not None:
            self._contrast = self._difference(y, sensitive_features)
        # <u, u>; without a difference there is nothing to constrain.
        self._square = self._contrast @ self._along(X)
        if self._square < 1e-12:
            self._contrast = np.zeros(len(X))
        self._svc = SVC(
            C=self.C,
            kernel="linear" if self.kernel == "linear" else "precomputed",
        )
        self._svc.fit(self._map(X), y)
        return self

    def decision_function(self, X):
        """Signed distances, as `sklearn.svm.SVC.decision_function`."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self._svc.decision_function(self._map(X))

    def predict(self, X):
        """The label of each row of X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self._svc.predict(self._map(X))

    def _difference(self, y, sensitive_features):
        groups = np.asarray(sensitive_features)
        values = np.unique(groups)
        if groups.shape != y.shape or len(values) != 2:
            raise ValueError(
                "The constraint compares two groups. Expected: "
                f"sensitive_features of shape {y.shape} with two values. "
                f"Received: shape {groups.shape}, {len(values)} values."
            )
        if len(self.classes_) != 2:
            raise ValueError(
                "The constraint is on the positive of two classes. Expected: "
                f"two labels. Received: {len(self.classes_)}."
            )
        positive = self.classes_[1]
        contrast = np.zeros(len(y))
        for value, sign in zip(values, (1, -1), strict=True):
            rows = (groups == value) & (y == positive)
            if not rows.any():
                raise ValueError(
                    "A group without positive rows has no mean. Expected: "
                    f"rows with label {positive} in both groups. Received: "
                    f"none with sensitive feature {value}."
                )
            contrast[rows] = sign / rows.sum()
        return contrast

    def _kernel(self, X):
        if self.kernel == "linear":
            return X @ self._X.T
        return rbf_kernel(X, self._X, gamma=self._gamma)

    def _along(self, X):
        """`t(x) = <phi(x), u>` of every row."""
        return self._kernel(X) @ self._contrast

    def _map(self, X):
        """Rows without the direction u, or their kernel without it."""
        if self.kernel == "rbf":
            kernel = self._kernel(X)
            if not self._contrast.any():
                return kernel
            along = np.outer(kernel @ self._contrast, self._along(self._X))
            return kernel - along / self._square
        if not self._contrast.any():
            return X
        direction = self._contrast @ self._X
        return X - np.outer(X @ direction, direction) / self._square
