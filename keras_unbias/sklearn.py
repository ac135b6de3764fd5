"""A scikit-learn classifier that learns to ignore an attribute."""

import contextlib
import math
import random
import warnings
from collections.abc import Callable
from numbers import Integral, Real

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from scipy import special
from sklearn import base, utils
from sklearn.utils import multiclass, validation

from keras_unbias import information, methods
from keras_unbias.checks import check_choice
from keras_unbias.data import AttributeEncoder, rows
from keras_unbias.data.attribute_encoder import as_frame
from keras_unbias.data.targets import mean_one
from keras_unbias.encoders import table_encoder
from keras_unbias.methods import trial
from keras_unbias.methods.erasure import find_erasure
from keras_unbias.methods.optimizers import LocalAdam
from keras_unbias.methods.reweighing import divide_prior, log_prior
from keras_unbias.serving.export import known_inputs

METHODS = ("erm", "bias_balanced", "mi_backprop")
Schedule = keras.optimizers.schedules.LearningRateSchedule


class UnbiasedClassifier(
    base.ClassNamePrefixFeaturesOutMixin,
    base.ClassifierMixin,
    base.TransformerMixin,
    base.BaseEstimator,
):
    """Neural classifier that learns to ignore an attribute.

    The training loss is given what the attribute says about the label,
    p(y|c) / p(y), so the network need not learn it. By default half of its
    logarithm is added to the logits (bias-balanced training, Hong & Yang,
    NeurIPS 2021), and the other half weights the rows (reweighing, Kamiran &
    Calders, KAIS 2012). The rest of I(Z;C|Y) is minimized with a small weight
    (Ragonesi et al., Algorithm 1). Only `fit` needs the attribute.

    Before that, an erasure is tried: what the columns tell linearly about the
    attribute given the label is projected out (Belrose et al., NeurIPS 2023).
    All rows show what to erase. So it helps most where few rows contradict the
    bias. It takes the place of the part that is added to the logits. A trial
    on two halves of the rows decides. Each half is predicted by networks
    trained on the other, with the erasure and without. The one is taken under
    which the labels are likelier, given the inputs and the attribute.

    If nothing is erased, it is mainly the predictions that depend less on the
    attribute. The features may still reveal a good part of it. If you use or
    publish the features, `audit` them, and raise `mi_weight`.

    `fit` seeds Keras and TensorFlow, which have one random state for all
    models. The states of NumPy and Python do not change.

    Args:
        method: str, `"mi_backprop"` (the default), `"bias_balanced"`, which
            leaves the mutual information out, or `"erm"`, plain training.
        erase: bool, whether an erasure is tried. The trial takes as long as
            two trainings without mutual information. It has no effect with an
            `encoder` of your own, or without a prior. Defaults to `True`.
        mi_weight: float >= 0, the weight lambda of `"mi_backprop"`. Defaults
            to 0.3.
        conditional: bool, whether I(Z;C|Y) is minimized instead of I(Z;C).
            Defaults to `True`.
        prior_strength: float in 0..1, the share of log p(y|c) / p(y) that is
            added to the logits. The rest weights the rows: 1 is bias-balanced
            training, 0 is reweighing. `None` leaves both out. Defaults to 0.5.
        attribute_bins: int or `None`, see `AttributeEncoder`. Defaults to 10.
        encoder: function from the shape of one input to a Keras model with
            features of shape `(n, d)`. Defaults to `None`, which takes
            `table_encoder` with 32 features.
        dropout: float, the share of units that a training step of the default
            encoder leaves out, see `table_encoder`. Defaults to 0.2.
        epochs: int, passes over the rows. Defaults to `None`, which makes
            1,000 steps or 10 epochs, whichever is more.
        batch_size: int, rows per mini-batch. Defaults to 128.
        learning_rate: float or Keras schedule, the rate of Adam. Defaults to
            1e-3.
        estimator_batches: int, further mini-batches per step for the
            estimator alone. Defaults to 4.
        random_state: int, `RandomState` or `None`, the seed. Defaults to
            `None`.
        verbose: as in Keras's `fit`. Defaults to 0.

    Attributes:
        classes_: array of shape `(classes,)`, the labels in ascending order.
        model_: Keras model from inputs to `{"logits", "probabilities",
            "features"}`.
        history_: dict of lists, the metrics of the training by epoch.
        attribute_encoder_: the fitted `AttributeEncoder`, or `None`.
        erased_: int, the number of directions that were erased. It is 0 if
            there was nothing to erase, or if the trial was against it.
        n_features_in_: int, the number of columns of the inputs.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(100, 3)), rng.choice(["no", "yes"], 100)
    >>> age = rng.choice(["old", "young"], 100)
    >>> classifier = UnbiasedClassifier(epochs=1, random_state=0)
    >>> classifier = classifier.fit(X, y, sensitive_features=age)
    >>> classifier.predict_proba(X).shape
    (100, 2)
    >>> classifier.transform(X).shape
    (100, 32)
    """

    def __init__(
        self,
        method: str = "mi_backprop",
        *,
        erase: bool = True,
        mi_weight: float = 0.3,
        conditional: bool = True,
        prior_strength: float | None = 0.5,
        attribute_bins: int | None = 10,
        encoder: Callable | None = None,
        dropout: float = 0.2,
        epochs: int | None = None,
        batch_size: int = 128,
        learning_rate: float | Schedule = 1e-3,
        estimator_batches: int = 4,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | str = 0,
    ):
        self.method = method
        self.erase = erase
        self.mi_weight = mi_weight
        self.conditional = conditional
        self.prior_strength = prior_strength
        self.attribute_bins = attribute_bins
        self.encoder = encoder
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.estimator_batches = estimator_batches
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sensitive_features: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> "UnbiasedClassifier":
        """Trains the network.

        Args:
            X: array or frame of numbers of shape `(rows, columns)`, finite
                in float32. Times count as seconds. With an `encoder` of your
                own, an array of numbers or texts of shape `(rows, ...)` that
                the encoder takes.
            y: array of shape `(rows,)`, labels that are numbers or strings.
            sensitive_features: array, series or frame of shape `(rows,)` or
                `(rows, columns)`, the attribute. Of several columns the prior
                counts the combinations, but the critic sees no interactions.
                If the combination matters, make one column of it. Defaults to
                `None`: plain training, with a warning unless `method` is
                `"erm"`.
            sample_weight: float array of shape `(rows,)`, weights >= 0 in the
                training loss. Their scale has no effect. Rows of weight 0 are
                left out, unless only one class would remain. Defaults to
                `None`, equal weights.

        Returns:
            The fitted classifier itself.

        Raises:
            TypeError: if a parameter or a row has the wrong type.
            ValueError: if a parameter is out of range, if lengths differ, if
                a number is not finite, or if there is only one class.
        """
        self._check_parameters()
        X, y = self._validate(X, y)
        rows.distinct(y)  # Its error for labels without an order is clearer.
        multiclass.check_classification_targets(y)
        weight, kept = None, np.ones(len(X), bool)
        if sample_weight is not None:
            weight = validation._check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
            if len(rows.distinct(y[weight > 0])) > 1:
                kept = weight > 0
            weight = mean_one(weight[kept])
        X, y = X[kept], y[kept]
        classes = rows.distinct(y)
        if len(classes) < 2:
            raise ValueError(
                "A classifier needs two or more classes. Expected: labels of "
                "two classes or more. Received: one class, "
                f"{classes.tolist()}. Add rows of another class."
            )
        labels = np.searchsorted(classes, y)
        attributes = self._encode_attributes(sensitive_features, kept)
        self.classes_ = classes
        seed = utils.check_random_state(self.random_state).randint(2**31 - 1)
        every = X, labels, attributes, weight
        with _seeded(seed):
            erasure = self._choose(*every, seed)
        # Seeded anew, so that a trial that finds nothing changes nothing.
        with _seeded(seed):
            model, self.history_ = self._train(*every, erasure)
        self.erased_ = 0 if erasure is None else len(erasure.directions)
        self.model_ = model.inference_model()
        self._n_features_out = self.model_.output["features"].shape[-1]
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Returns the predicted labels, `(rows,)`."""
        # First the logits, which check that the classifier is fitted.
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Returns the class probabilities, `(rows, classes)`."""
        # In float64, as in scikit-learn. Rounded to float32, their sums would
        # be too far from 1 for its metrics.
        return special.softmax(self._logits(X), axis=1)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Returns the logits, or the difference of two, `(rows,)`."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Returns the features z, `(rows, d)`."""
        return self._outputs(X)["features"]

    def __setstate__(self, state: dict) -> None:
        # What was saved before there was an erasure had none.
        earlier = {"erase": False}
        if "classes_" in state:
            earlier["erased_"] = 0
        super().__setstate__({**earlier, **state})

    def __sklearn_tags__(self) -> utils.Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _logits(self, X):
        return self._outputs(X)["logits"].astype(np.float64)

    def _outputs(self, X):
        validation.check_is_fitted(self)
        X = self._validate(X, reset=False)
        rows.check_taken(X, known_inputs(self.model_))
        # Keras would cast arrays to float32, and refuse arrays of objects.
        batches = tf.data.Dataset.from_tensor_slices(X).batch(1024)
        return self.model_.predict(batches, verbose=0)

    def _validate(self, X, y=None, *, reset=True):
        own = self.encoder is not None
        if not own:
            X = rows.times_as_seconds(X)
        checked = validation.validate_data(
            self,
            X,
            "no_validation" if y is None and not reset else y,
            reset=reset,
            allow_nd=own,
            dtype=None if own else np.float64,
        )
        if not reset:
            return rows.check_rows(checked)
        X, y = checked
        return rows.check_rows(X), y

    def _check_parameters(self):
        if self.method not in METHODS:
            raise ValueError(
                f"Unknown method. Expected: one of {METHODS}. Received: "
                f"method={self.method!r}. Other methods are Keras models of "
                "`keras_unbias.methods`."
            )
        if self.method == "bias_balanced" and self.prior_strength is None:
            raise ValueError(
                "Bias-balanced training needs a prior. Expected: "
                "prior_strength in 0..1. Received: prior_strength=None. For "
                "plain training use method='erm'."
            )
        for name in ("erase", "conditional"):
            check_choice(name, getattr(self, name), (True, False))
        estimator = self.method == "mi_backprop"
        number = not isinstance(self.learning_rate, Schedule)
        for name, used, kind, (low, high) in (
            ("batch_size", True, Integral, (1, None)),
            ("epochs", self.epochs is not None, Integral, (1, None)),
            ("prior_strength", self.prior_strength is not None, Real, (0, 1)),
            ("mi_weight", estimator, Real, (0, None)),
            ("estimator_batches", estimator, Integral, (0, None)),
            ("dropout", self.encoder is None, Real, (0, 0.99)),
            ("learning_rate", number, Real, (1e-9, None)),
        ):
            if used:
                value = getattr(self, name)
                utils.check_scalar(value, name, kind, min_val=low, max_val=high)
                # NaN passes every comparison of check_scalar.
                utils.assert_all_finite(value, input_name=name)

    def _encode_attributes(self, sensitive_features, kept):
        """Returns the attribute vectors of the kept rows, or `None`."""
        self.attribute_encoder_ = None
        if self.method == "erm":
            return None
        if sensitive_features is None:
            warnings.warn(
                "Without sensitive_features this is plain training, which "
                "ignores no attribute.",
                stacklevel=3,
            )
            return None
        attributes = as_frame(sensitive_features)
        if len(attributes) != len(kept):
            raise ValueError(
                "Every row must have an attribute. Expected: "
                f"sensitive_features of {len(kept)} rows. Received: "
                f"{len(attributes)}. Pass the attribute of the rows of X."
            )
        self.attribute_encoder_ = AttributeEncoder(self.attribute_bins)
        return self.attribute_encoder_.fit_transform(attributes[kept])

    def _choose(self, X, labels, attributes, weight, seed):
        """Returns the erasure, or `None` if a trial shows that none is better."""
        uncorrected = attributes is None or self.prior_strength is None
        if uncorrected or not self.erase or self.encoder is not None:
            return None
        every = X, labels, attributes, weight
        erasure = find_erasure(*every)
        if erasure is None:
            return None
        prior, shares, _ = self._divide(labels, attributes, weight, 1.0)
        known = log_prior(prior, attributes)
        unusual = known[np.arange(len(X)), labels] < np.log(shares)[labels]
        halves = trial.halves(2 * labels + unusual, seed)
        taught = [len(rows.distinct(labels[half])) for half in halves]
        if min(taught) < len(shares):
            return None
        evidence = np.zeros((2, *known.shape))
        for shown, held in (halves, halves[::-1]):
            half = [None if part is None else part[shown] for part in every]
            found = find_erasure(*half)
            if found is None:
                return None
            for answers, tried in zip(evidence, (None, found), strict=True):
                model = self._train(*half, tried, brief=True)[0].inference_model()
                # `predict` would be traced for each model, which TensorFlow warns of.
                answers[held] = model(X[held])["logits"] - np.log(shares)
        plain, erased = (
            trial.likelihood(answers, known, labels, weight) for answers in evidence
        )
        return erasure if erased > plain else None

    def _divide(self, labels, attributes, weight, strength):
        spec = self.attribute_encoder_.spec_
        return divide_prior(
            labels, attributes, spec, strength=strength, sample_weight=weight
        )

    def _train(self, X, labels, attributes, weight, erasure, *, brief=False):
        """Returns a trained model and its history.

        A brief training has half as many steps, as it has half of the rows,
        and leaves out the mutual information, which takes most of the time.
        """
        prior = None
        if attributes is not None and self.prior_strength is not None:
            prior, shares, weight = self._divide(
                labels, attributes, weight, self.prior_strength
            )
        if erasure is not None:
            # It takes the place of the part that is added to the logits.
            prior = None
        informed = attributes is not None and self.method == "mi_backprop"
        model = self._build(X, attributes, prior, erasure, informed and not brief)
        parts = 1 + getattr(model, "estimator_batches", 0)
        batches = self._batches(X, labels, attributes, weight, parts)
        steps = 500 if brief else 1000
        epochs = self.epochs or max(10, math.ceil(steps / len(batches)))
        verbose = 0 if brief else self.verbose
        # The pipeline shuffles, and Keras would warn.
        trained = model.fit(batches, epochs=epochs, shuffle=False, verbose=verbose)
        if prior is not None:
            # With the prior alone, all classes would be equally frequent.
            model.classifier.bias.assign_add(prior.strength * np.log(shares))
        return model, trained.history

    def _build(self, X, attributes, prior, erasure, informed):
        """Returns the compiled model."""
        own = self.encoder is not None
        encoder = (
            self.encoder(X.shape[1:])
            if own
            else table_encoder(X, self.dropout, erasure)
        )
        known = known_inputs(encoder)
        rows.check_taken(X, known)
        method = methods.RepresentationClassifier
        # An encoder that knows its inputs casts them itself, to float64 where
        # it standardizes.
        arguments = {"label_prior": prior, "autocast": known is None}
        if informed:
            method = methods.MutualInformationBackpropagation
            num_classes = len(self.classes_) if self.conditional else None
            arguments.update(
                mi_weight=self.mi_weight,
                conditional=self.conditional,
                estimator_batches=self.estimator_batches,
                estimator=information.MutualInformationEstimator(
                    information.SeparableCritic.for_attributes(attributes),
                    LocalAdam(2e-3),
                    num_classes=num_classes,
                ),
                attribute_size=attributes.shape[1],
            )
        model = method(encoder, len(self.classes_), **arguments)
        model.compile(LocalAdam(self.learning_rate))
        return model

    def _batches(self, X, labels, attributes, weight, parts):
        """Returns batches of `parts` mini-batches, the first for the task."""
        targets = {"label": labels}
        if attributes is not None:
            targets["attribute"] = attributes
        arrays = (X, targets) if weight is None else (X, targets, weight)
        size = parts * min(self.batch_size, len(X))
        return (
            tf.data.Dataset.from_tensor_slices(arrays)
            .shuffle(len(X))
            .repeat(parts)
            # The mini-batches of a step must have the same length.
            .batch(size, drop_remainder=parts > 1)
            .prefetch(2)
        )


@contextlib.contextmanager
def _seeded(seed):
    """Seeds Keras and TensorFlow, and restores the states of NumPy, Python."""
    python, numpy = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
