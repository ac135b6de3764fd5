"""A scikit-learn classifier that ignores an attribute."""

import contextlib
import math
import random
import warnings

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn import base, preprocessing
from sklearn.utils import check_random_state, multiclass, validation

from keras_unbias import methods
from keras_unbias.checks import check_integer
from keras_unbias.data import attribute_encoder, attributes
from keras_unbias.information import (
    MutualInformationEstimator,
    SeparableCritic,
)

Schedule = keras.optimizers.schedules.LearningRateSchedule
METHODS = ("erm", "bias_balanced", "mi_backprop")


class UnbiasedClassifier(
    base.ClassNamePrefixFeaturesOutMixin,
    base.ClassifierMixin,
    base.TransformerMixin,
    base.BaseEstimator,
):
    """A neural network trained to ignore an attribute, as an estimator.

    By default what the attribute says of the label, p(y|c) / p(y), is given to
    the training loss, so that the network need not learn it: half of its
    logarithm is added to the logits (bias-balanced training, Hong & Yang
    2021), half weighs the rows (reweighing, Kamiran & Calders 2012). What is
    left of I(Z;C|Y) is pushed down with a small weight (Ragonesi et al.,
    Algorithm 1). The attribute is needed for training alone.

    At the default weight it is mainly the labels that come to depend less on
    the attribute; the features may still tell a good part of it. Where the
    features themselves are used or published, raise `mi_weight` and `audit`
    them.

    A `random_state` seeds Keras and TensorFlow, for they have one state for
    all models; those of NumPy and Python stay as they are.

    Args:
        method: `"mi_backprop"` (the default), `"bias_balanced"`, which is the
            same without mutual information, or `"erm"`, plain training.
        mi_weight: float, lambda of `"mi_backprop"`. Defaults to 0.3.
        conditional: bool, whether I(Z;C|Y) is pushed down, or I(Z;C).
            Defaults to `True`.
        prior_strength: float in [0, 1], the share of log p(y|c) / p(y) that
            is added to the logits; the rest weighs the rows. 1 is
            bias-balanced training, 0 is reweighing, both alike with endless
            rows. `None` leaves both out. Defaults to 0.5.
        attribute_bins: int or `None`, see `AttributeEncoder`. Defaults to 10.
        encoder: function from the shape of one input to a Keras model that
            returns features `(n, d)`. `None` (the default) standardises the
            columns and takes two layers of 64 and 32 units.
        dropout: float in [0, 1), the share of columns and of the first
            layer's units that a training step leaves out: the rows that go
            against the bias are few and easily learned by heart. Not for an
            `encoder` of your own. Defaults to 0.2.
        epochs: int, passes through the rows. `None` (the default) makes as
            many as take 1,000 steps, but at least 10.
        batch_size: int. Defaults to 128.
        learning_rate: float, Adam's. Defaults to 1e-3.
        estimator_batches: int, the estimator's own mini-batches in a step.
            Defaults to 4.
        random_state: int, `RandomState` or `None`.
        verbose: what Keras's `fit` takes. Defaults to 0.

    Attributes (after `fit`):
        classes_: the labels, sorted.
        model_: Keras model from inputs to `{"logits", "probabilities",
            "features"}`.
        history_: dict of lists, the training's metrics by epoch.
        attribute_encoder_: the fitted `AttributeEncoder`, or `None`.
        n_features_in_: int, the columns of the inputs.
    """

    def __init__(
        self,
        method="mi_backprop",
        *,
        mi_weight=0.3,
        conditional=True,
        prior_strength=0.5,
        attribute_bins=10,
        encoder=None,
        dropout=0.2,
        epochs=None,
        batch_size=128,
        learning_rate=1e-3,
        estimator_batches=4,
        random_state=None,
        verbose=0,
    ):
        self.method = method
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

    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Trains the network.

        Args:
            X: `(rows, columns)` array or frame of numbers; with an `encoder`
                of your own `(rows, ...)`, of any dtype that it takes.
            y: `(rows,)` labels, numbers or strings.
            sensitive_features: the attribute, `(rows,)` or `(rows, columns)`
                array, series or frame. The prior counts the combinations of
                several columns; the mutual information is that of their
                codes side by side, whose critic sees no interactions: make
                one column of them where their combination matters. `None`
                means plain training, with a warning unless `method` is
                `"erm"`.
            sample_weight: `(rows,)` floats, weights of the training loss.

        Returns:
            Itself.

        Raises:
            ValueError: an argument is out of range, lengths differ, or there
                is only one class.
        """
        self._check_parameters()
        X, y = self._checked(X, y)
        multiclass.check_classification_targets(y)
        labels = preprocessing.LabelEncoder()
        numbers = labels.fit_transform(y)
        if len(labels.classes_) < 2:
            raise ValueError(
                "A classifier tells classes apart. Expected: two or more. "
                f"Received: one class, {labels.classes_[0]!r}."
            )
        weight = None
        if sample_weight is not None:
            weight = validation._check_sample_weight(sample_weight, X)
        vectors = self._vectors(sensitive_features, len(X))
        self.classes_ = labels.classes_
        prior = None
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        with _seeded(seed):
            if vectors is not None and self.prior_strength is not None:
                prior, shares, told = self._prior(numbers, vectors, weight)
                weight = told if weight is None else told * weight
            model = self._model(X, vectors, prior)
            parts = 1 + getattr(model, "estimator_batches", 0)
            data = self._batches(X, numbers, vectors, weight, parts)
            self.history_ = model.fit(
                data,
                epochs=self.epochs or max(10, math.ceil(1000 / len(data))),
                # The pipeline does; Keras would warn.
                shuffle=False,
                verbose=self.verbose,
            ).history
        if prior is not None:
            # The prior alone would make all classes equally frequent.
            model.classifier.bias.assign_add(prior.strength * np.log(shares))
        self.model_ = model.inference_model()
        self._n_features_out = self.model_.output["features"].shape[-1]
        return self

    def predict(self, X):
        """Labels, `(rows,)`."""
        best = self._outputs(X)["logits"].argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X):
        """Probabilities of the classes, `(rows, classes)`."""
        return self._outputs(X)["probabilities"]

    def decision_function(self, X):
        """Logits, `(rows, classes)`; of two classes their difference."""
        logits = self._outputs(X)["logits"]
        if len(self.classes_) == 2:
            return logits[:, 1] - logits[:, 0]
        return logits

    def transform(self, X):
        """Features z, `(rows, d)`."""
        return self._outputs(X)["features"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _outputs(self, X):
        validation.check_is_fitted(self)
        outputs = self.model_.predict(
            self._checked(X, reset=False), batch_size=1024, verbose=0
        )
        # scikit-learn knows no bfloat16, of a policy of mixed precision.
        return {name: v.astype(np.float32) for name, v in outputs.items()}

    def _checked(self, X, y="no_validation", *, reset=True):
        own = self.encoder is not None
        return validation.validate_data(
            self,
            X,
            y,
            reset=reset,
            allow_nd=own,
            dtype=None if own else np.float32,
        )

    def _check_parameters(self):
        if self.method not in METHODS:
            raise ValueError(
                f"Unknown method. Expected: one of {METHODS}. Received: "
                f"method={self.method!r}. Other methods are Keras models of "
                "`keras_unbias.methods`."
            )
        if self.method == "bias_balanced" and self.prior_strength is None:
            raise ValueError(
                "Bias-balanced training is that with a prior. Expected: "
                "prior_strength in 0 to 1. Received: prior_strength=None. For "
                "plain training take method='erm'."
            )
        check_integer("batch_size", self.batch_size, minimum=1)
        if self.epochs is not None:
            check_integer("epochs", self.epochs, minimum=1)
        limits = {"prior_strength": (0, 1)}
        # What is not used is not looked at.
        if self.method == "mi_backprop":
            check_integer(
                "estimator_batches", self.estimator_batches, minimum=0
            )
            limits["mi_weight"] = (0, math.inf)
        if self.encoder is None:
            limits["dropout"] = (0, 0.99)
        if not isinstance(self.learning_rate, Schedule):
            limits["learning_rate"] = (1e-9, math.inf)
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value is None and name == "prior_strength":
                continue
            if value is None or not least <= value <= most:
                raise ValueError(
                    f"`{name}` is out of range. Expected: {least} to {most}. "
                    f"Received: {name}={value!r}."
                )

    def _vectors(self, sensitive_features, rows):
        """The attribute vectors, `(rows, a)`, or `None`."""
        self.attribute_encoder_ = None
        if self.method == "erm":
            return None
        if sensitive_features is None:
            warnings.warn(
                "No sensitive_features: this is plain training, which "
                "ignores no attribute.",
                stacklevel=3,
            )
            return None
        encoder = attribute_encoder.AttributeEncoder(self.attribute_bins)
        vectors = encoder.fit_transform(sensitive_features)
        if len(vectors) != rows:
            raise ValueError(
                "Every row has an attribute. Expected: sensitive_features of "
                f"{rows} rows. Received: {len(vectors)}."
            )
        self.attribute_encoder_ = encoder
        return vectors

    def _prior(self, numbers, vectors, weight):
        """The prior for the logits, p(y), and the weights of the rows."""
        if weight is not None:
            weight = weight / weight.mean()
        counts = np.bincount(numbers, weight) + 1 / len(numbers)
        shares = counts / counts.sum()
        # Cells of few rows lean towards the shares of all rows.
        prior = methods.LabelPrior(
            len(shares), smoothing=(len(shares) * shares).tolist()
        )
        prior.adapt(_cells(vectors), numbers, weight)
        # A row has a distance to every cell: not all rows at once.
        chunks = np.array_split(vectors, math.ceil(len(vectors) / 1024))
        told = np.concatenate([prior(chunk) for chunk in chunks])
        told = told[np.arange(len(numbers)), numbers]
        expected = np.log(shares)[numbers]
        prior.strength = self.prior_strength
        rows = np.exp((1 - self.prior_strength) * (expected - told))
        return prior, shares, rows

    def _model(self, X, vectors, prior):
        if self.encoder is None:
            encoder = _encoder(X, self.dropout)
        else:
            encoder = self.encoder(X.shape[1:])
        method = methods.RepresentationClassifier
        arguments = {"label_prior": prior}
        if vectors is not None and self.method == "mi_backprop":
            method = methods.MutualInformationBackpropagation
            arguments.update(
                mi_weight=self.mi_weight,
                conditional=self.conditional,
                estimator_batches=self.estimator_batches,
                estimator=MutualInformationEstimator(
                    SeparableCritic.for_attributes(vectors),
                    num_classes=(
                        len(self.classes_) if self.conditional else None
                    ),
                ),
                attribute_size=vectors.shape[1],
            )
        model = method(encoder, len(self.classes_), **arguments)
        model.compile(keras.optimizers.Adam(self.learning_rate))
        return model

    def _batches(self, X, numbers, vectors, weight, parts):
        """Batches of `parts` mini-batches; the task gets the first of each."""
        targets = {"label": numbers}
        if vectors is not None:
            targets["attribute"] = vectors
        arrays = (X, targets) if weight is None else (X, targets, weight)
        rows = parts * min(self.batch_size, len(X))
        return (
            tf.data.Dataset.from_tensor_slices(arrays)
            .shuffle(len(X))
            .repeat(parts)
            # The mini-batches of a step must be of one length.
            .batch(rows, drop_remainder=parts > 1)
            .prefetch(2)
        )


def _encoder(X, dropout):
    # Unlike Keras's `adapt` it leaves constant columns as they are.
    scaler = preprocessing.StandardScaler().fit(X)
    return keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            # Alone it takes deviations below 1e-7 for 1e-7.
            keras.layers.Normalization(
                mean=scaler.mean_, variance=np.ones_like(scaler.scale_)
            ),
            keras.layers.Rescaling((1 / scaler.scale_).tolist()),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(32, activation="relu"),
        ]
    )


def _cells(vectors):
    """Attribute vectors with the mean of its decile for each number."""
    frame = pd.DataFrame(vectors)
    for column in frame:
        if frame[column].nunique() > attributes.MAX_VALUES:
            deciles = pd.qcut(frame[column], 10, duplicates="drop")
            means = frame[column].groupby(deciles, observed=True)
            frame[column] = means.transform("mean")
    return frame.to_numpy()


@contextlib.contextmanager
def _seeded(seed):
    """Keras and TensorFlow seeded, NumPy and Python as they were after."""
    ours, theirs = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(ours)
        np.random.set_state(theirs)
