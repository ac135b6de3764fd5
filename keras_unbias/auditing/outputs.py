"""Outputs of a model and the targets of the same rows, as checked arrays."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse
from sklearn import base

from keras_unbias.data import AttributeSpec, BiasedDataset
from keras_unbias.data import targets as batches


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs and targets of the same rows.

    Args:
        features: array of shape `(rows, d)`.
        logits: array of shape `(rows, classes)`, or `None` where a model has
            no logits or where only features are known.
        attributes: array of shape `(rows, a)`.
        labels: int64 array of shape `(rows,)`, or `None` where the labels are
            missing or are not class numbers.
        spec: the `AttributeSpec` of a `BiasedDataset`, or `None` for other
            data.
    """

    features: np.ndarray
    logits: np.ndarray | None
    attributes: np.ndarray
    labels: np.ndarray | None
    spec: AttributeSpec | None


def collect_outputs(
    model_or_features: Callable | np.ndarray,
    dataset: BiasedDataset | tf.data.Dataset | tuple,
    *,
    in_order: bool = False,
) -> Outputs:
    """Calls a model on all rows of a data set, or takes given features.

    Args:
        model_or_features: as in `audit`.
        dataset: as in `audit`.
        in_order: bool, whether the caller has other arrays of the same rows.
            Given features always are in order. Defaults to `False`.

    Returns:
        The `Outputs` of all rows.

    Raises:
        ValueError: if the targets have no attribute, if the attribute is not
            a vector of finite numbers per row, if the labels are not numbers,
            if a model returns no features, if there are no batches or
            endlessly many, or if rows must be in order and the data set has
            another order at each pass.

    Example:

    >>> x = np.arange(6.0).reshape(3, 2)
    >>> targets = {"label": [0, 1, 1], "attribute": [0.0, 1.0, 0.0]}
    >>> outputs = collect_outputs(lambda x: {"features": 2 * x}, (x, targets))
    >>> outputs.features.tolist()
    [[0.0, 2.0], [4.0, 6.0], [8.0, 10.0]]
    >>> outputs.attributes.shape
    (3, 1)
    """
    spec = None
    if isinstance(dataset, BiasedDataset):
        spec = dataset.attribute_spec
        dataset = dataset.batches("test", dataset.evaluation_batch)
    if isinstance(model_or_features, base.BaseEstimator):
        raise ValueError(
            "An estimator of scikit-learn must be audited by its features. Expected: a "
            "function, a Keras model, or an array. Received: "
            f"{type(model_or_features).__name__}. Pass `estimator.transform(X)`."
        )
    is_model = callable(model_or_features)
    model = model_or_features
    if isinstance(model, keras.Layer):
        # A layer may augment its inputs unless it is told not to.
        model = functools.partial(model, training=False)
    outputs, targets = [], []
    for batch in _batches(dataset, is_model):
        targets.append(_check_targets(batch))
        if is_model:
            outputs.append(_check_output(model(batch[0])))
    if not targets:
        raise ValueError(
            "The data set has no rows. Expected: at least one batch. Received: "
            "no batch. `drop_remainder=True` drops a data set with fewer rows "
            "than a batch."
        )
    targets = _concatenate(targets)
    if in_order or not is_model:
        _check_order(dataset, targets)
    features = None if is_model else _as_array(model_or_features)
    outputs = _concatenate(outputs) if is_model else {"features": features}
    return Outputs(
        features=outputs["features"],
        logits=outputs.get("logits"),
        attributes=_check_attributes(targets["attribute"]),
        labels=class_numbers(targets.get("label")),
        spec=spec,
    )


def _as_array(features):
    if sparse.issparse(features):
        return features.toarray()
    array = np.asarray(features)
    if array.dtype.kind not in "biuf":
        raise ValueError(
            "Features must be numbers. Expected: a float array of shape (rows, d). "
            f"Received: {array.dtype}. Encode texts and categories."
        )
    return array


def collect_labels(dataset: BiasedDataset | tf.data.Dataset | tuple) -> Any:
    """Returns the class numbers of all rows, or `None`, see `class_numbers`.

    Args:
        dataset: as in `audit`.
    """
    if isinstance(dataset, BiasedDataset):
        return class_numbers(dataset.test.labels)
    targets = [_check_targets(batch) for batch in _batches(dataset, False)]
    return class_numbers(_concatenate(targets).get("label"))


def _check_order(dataset, targets):
    """Checks that a second pass has the rows in the same order."""
    if isinstance(dataset, (tuple, list)):
        return
    if iter(dataset) is dataset:
        raise ValueError(
            "The order of the rows cannot be checked in a single pass. Expected: "
            f"arrays, or a data set. Received: {type(dataset).__name__}. Pass "
            "`(None, targets)` with arrays that are in the order of yours."
        )
    if isinstance(dataset, keras.utils.PyDataset):
        # As Keras does after a pass. It is here that rows are shuffled.
        dataset.on_epoch_end()
    again = _concatenate([_check_targets(batch) for batch in _batches(dataset, False)])
    for name, first in targets.items():
        # A label may be missing, as NaN.
        missing = first.dtype.kind == "f"
        if not np.array_equal(first, again[name], equal_nan=missing):
            raise ValueError(
                "The data set has another order at each pass, so its rows are not "
                "those of the array that goes with them. Expected: rows in one order. "
                f"Received: another {name!r} in a second pass. Leave `shuffle` out, "
                "or give the audit a model in place of arrays."
            )


def _batches(dataset, is_model):
    """Returns an iterable of batches with an end."""
    if isinstance(dataset, keras.utils.PyDataset):
        # Iteration by itself would not end.
        return map(dataset.__getitem__, range(len(dataset)))
    if isinstance(dataset, (tuple, list)):
        if len(dataset) < 2:
            raise ValueError(
                "A pair of arrays has inputs and targets. Expected: (x, {'label': y, "
                f"'attribute': c}}). Received: a {type(dataset).__name__} of "
                f"{len(dataset)}. With features, x may be None."
            )
        inputs, targets = dataset[:2]
        if not is_model:
            return [(inputs, targets)]
        if isinstance(inputs, list) and _are_several(inputs, targets):
            # TensorFlow would stack a list.
            inputs = tuple(inputs)
        return tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(500)
    if (
        isinstance(dataset, tf.data.Dataset)
        and dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    ):
        raise ValueError(
            "The data set must end, because all rows are used at once. "
            "Expected: a data set without `repeat`. Received: one that repeats "
            "without end. Leave `repeat` out, or use `take`."
        )
    return dataset


def _are_several(inputs, targets):
    """Returns whether a list holds several inputs of a model, and not rows."""
    rows = len(keras.tree.flatten(targets)[0])
    return len(inputs) != rows and all(
        len(getattr(part, "shape", ())) > 0 and len(part) == rows for part in inputs
    )


def _check_targets(batch):
    """Returns the targets of a batch as a dict of arrays."""
    pair = isinstance(batch, (tuple, list)) and len(batch) > 1
    targets = batch[1] if pair else None
    batches.attribute_of(targets)
    return keras.tree.map_structure(np.asarray, targets)


def _check_output(output):
    if not isinstance(output, dict) or "features" not in output:
        raise ValueError(
            "The model does not name its features. Expected: a dict with 'features' "
            f"and, if there are any, 'logits'. Received: {batches.named(output)}. Wrap "
            "an encoder: `lambda x: {'features': encoder(x, training=False)}`."
        )
    return output


def _check_attributes(attributes):
    """Returns vectors, of width 1 where there is one number per row."""
    numbers = attributes.dtype.kind in "biuf"
    finite = numbers and np.isfinite(attributes).all()
    if not finite or attributes.ndim > 2:
        flaw = ", NaN or infinity among them" if numbers and not finite else ""
        raise ValueError(
            "The attribute must be a vector of finite numbers per row. Expected: shape "
            f"(rows, a). Received: shape {attributes.shape}, {attributes.dtype}{flaw}. "
            "Encode columns with AttributeEncoder. Leave out rows whose attribute is "
            "not known."
        )
    return attributes[:, None] if attributes.ndim == 1 else attributes


def _concatenate(dicts):
    return {
        name: np.concatenate([np.asarray(d[name]) for d in dicts]) for name in dicts[0]
    }


def class_numbers(labels: np.ndarray | None) -> np.ndarray | None:
    """Returns labels as class numbers, if that is what they are.

    Integers and booleans are class numbers. So are zeros and ones of any
    type, and columns of class numbers.

    Args:
        labels: array of shape `(rows,)` or `(rows, 1)`, or `None`.

    Returns:
        Int64 array of shape `(rows,)`. `None` if the labels are missing or are
        other numbers.

    Raises:
        ValueError: if the labels are not numbers.

    Example:

    >>> class_numbers(np.array([[1.0], [0.0]]))
    array([1, 0])
    >>> class_numbers(np.array([0.3, 0.5])) is None
    True
    """
    if labels is None:
        return None
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            "The labels must be numbers. Expected: class numbers from 0. "
            f"Received: {labels.dtype}. Number the classes, e.g. with "
            "numpy.searchsorted(classes, labels)."
        )
    are_classes = labels.dtype.kind != "f" or np.isin(labels, (0, 1)).all()
    return labels.astype(np.int64) if labels.ndim == 1 and are_classes else None


def check_predictions(predictions: np.ndarray) -> np.ndarray:
    """Returns predictions as class numbers.

    Args:
        predictions: array of shape `(rows,)` or `(rows, 1)`.

    Returns:
        Int64 array of shape `(rows,)`.

    Raises:
        ValueError: if there is not one class number per row.

    Example:

    >>> check_predictions(np.array([True, False]))
    array([1, 0])
    """
    received = np.asarray(predictions)
    numbers = class_numbers(received) if received.dtype.kind in "biuf" else None
    if numbers is None:
        raise ValueError(
            "`predictions` must be classes. Expected: one class number per "
            f"row. Received: shape {received.shape}, {received.dtype}. Of "
            "probabilities pass `probabilities.argmax(axis=1)`."
        )
    return numbers


def predicted_classes(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the classes that logits predict.

    Args:
        logits: float array of shape `(rows, classes)`. Of a single logit the
            sign decides.
        labels: int array of shape `(rows,)`, the true classes.

    Returns:
        Int64 array of shape `(rows,)`.

    Raises:
        ValueError: if the logits are not a matrix, or if a label is not among
            the model's classes.

    Example:

    >>> predicted_classes(np.array([[-0.2], [3.0]]), np.array([0, 1]))
    array([0, 1])
    """
    if logits.ndim != 2:
        raise ValueError(
            "The logits must be a matrix. Expected: shape (rows, classes), or (rows, "
            f"1). Received: shape {logits.shape}. Add an axis to a single logit."
        )
    classes = max(2, logits.shape[1])
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            "The labels are not the classes of the model. Expected: labels in "
            f"0..{classes - 1}. Received: {labels.min()}..{labels.max()}. "
            "Number them as in the training."
        )
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    return logits.argmax(1)
