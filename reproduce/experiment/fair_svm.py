"""Support vector machines, plain and under a constraint of fairness.

Reference: Donini, Oneto, Ben-David, Shawe-Taylor and Pontil, "Empirical Risk
Minimization Under Fairness Constraints" (FERM), NeurIPS 2018.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class FairSVC(ClassifierMixin, BaseEstimator):
    """SVM whose mean decision on positive rows is the same in two groups.

    This is FERM with the linear loss and epsilon = 0. Its constraint is
    `<w, u> = 0`, where `u` is the difference of the groups' mean positive rows
    in feature space. The linear form projects `u` out of the rows. The kernel
    form projects it out of the kernel: `K(x, x') - t(x) t(x') / <u, u>` with
    `t(x) = <phi(x), u>`. Both are exact. Donini et al. instead eliminate one
    coordinate, which the penalty then leaves out.

    Without `sensitive_features` it is a plain SVM.

    Args:
        C: float, as in `sklearn.svm.SVC`. Defaults to 1.
        kernel: `"linear"` or `"rbf"`. Defaults to `"linear"`.
        gamma: float, parameter of the RBF kernel, or `"scale"` for
            `1 / (n_features * X.var())`. Defaults to `"scale"`.

    Example:

    >>> X = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [2, 0], [2, 1]])
    >>> y, groups = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 1, 0, 1, 1])
    >>> model = FairSVC().fit(X, y, sensitive_features=groups)
    >>> decisions = model.decision_function(X[y == 1])
    >>> bool(np.isclose(decisions[0], decisions[1:].mean()))
    True
    """

    def __init__(
        self, C: float = 1.0, kernel: str = "linear", gamma: float | str = "scale"
    ):
        self.C = C
        self.kernel = kernel
        self.gamma = gamma

    def fit(
        self, X: ArrayLike, y: ArrayLike, sensitive_features: ArrayLike | None = None
    ) -> "FairSVC":
        """Fits the classifier.

        Args:
            X: float array of shape `(rows, n_features)`.
            y: array of shape `(rows,)`, the labels. There must be two classes
                if `sensitive_features` are given.
            sensitive_features: array of shape `(rows,)` with two values, the
                groups. Defaults to `None`, no constraint.

        Returns:
            The classifier itself.

        Raises:
            ValueError: if an argument is out of range, or if a group has no
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
            1 / (X.shape[1] * variance) if isinstance(self.gamma, str) else self.gamma
        )
        # u is the sum of the rows with these weights.
        self._contrast = np.zeros(len(X))
        if sensitive_features is not None:
            self._contrast = self._difference(y, sensitive_features)
        # <u, u>. If the groups have the same mean, there is no constraint.
        self._square = self._contrast @ self._along(X)
        if self._square < 1e-12:
            self._contrast = np.zeros(len(X))
        self._svc = SVC(
            C=self.C, kernel="linear" if self.kernel == "linear" else "precomputed"
        )
        self._svc.fit(self._map(X), y)
        return self

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Returns the values of `sklearn.svm.SVC.decision_function`.

        Args:
            X: float array of shape `(rows, n_features)`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self._svc.decision_function(self._map(X))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Returns the label of every row.

        Args:
            X: float array of shape `(rows, n_features)`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self._svc.predict(self._map(X))

    def _difference(self, y, sensitive_features):
        """The weights of the rows in the difference of the groups' means."""
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
        """The rows without the direction u, or their kernel without it."""
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
