"""What a model makes of rows, and what the rows are: arrays, checked."""

import keras
import numpy as np
import tensorflow as tf
from sklearn import base

from keras_unbias.data import BiasedDataset
from keras_unbias.data import targets as batches


def collect_outputs(model_or_features, dataset):
    """What a model makes of rows, or what was made of them.

    Args:
        model_or_features: as in `auditing.audit`.
        dataset: as in `auditing.audit`.

    Returns:
        Features, `(rows, d)` array; logits or `None`; targets, a dict of
        arrays; and the widths of the attribute's parts, or `None`.

    Raises:
        ValueError: the targets have no attribute, or there are no batches,
            or they have no end.
    """
    parts = None
    if isinstance(dataset, BiasedDataset):
        parts = dataset.attribute_parts
        dataset = dataset.batches("test", dataset.evaluation_batch)
    if isinstance(model_or_features, base.BaseEstimator):
        raise ValueError(
            "An estimator of scikit-learn is audited by its features. "
            "Expected: a function, a Keras model, or an array. Received: "
            f"{type(model_or_features).__name__}. Pass "
            "`estimator.transform(X)`."
        )
    if isinstance(dataset, (tuple, list)):
        inputs, targets = dataset[:2]
        if isinstance(inputs, list) and _are_several(inputs, targets):
            # TensorFlow would stack them.
            inputs = tuple(inputs)
        if callable(model_or_features):
            dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
            dataset = dataset.batch(500)
        else:
            dataset = [(inputs, targets)]
    if (
        isinstance(dataset, tf.data.Dataset)
        and dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    ):
        raise ValueError(
            "All rows are looked at once. Expected: a data set with an end. "
            "Received: one that repeats without end. Leave `repeat` out, or "
            "use `take`."
        )
    outputs, targets = [], []
    for batch in dataset:
        targets.append(_named_targets(batch))
        if callable(model_or_features):
            outputs.append(_checked(model_or_features(batch[0])))
    if not targets:
        raise ValueError(
            "There are no rows to look at. Expected: a data set with rows. "
            "Received: no batch. With `drop_remainder=True` rows fewer than a "
            "batch are dropped."
        )
    targets = _concatenated(targets)
    targets["attribute"] = _vectors(targets["attribute"])
    if callable(model_or_features):
        outputs = _concatenated(outputs)
        return outputs["features"], outputs.get("logits"), targets, parts
    return np.asarray(model_or_features), None, targets, parts


def _are_several(inputs, targets):
    """Whether a list holds the inputs of a model of several, and not rows."""
    rows = len(keras.tree.flatten(targets)[0])
    return len(inputs) != rows and all(
        len(getattr(part, "shape", ())) > 0 and len(part) == rows
        for part in inputs
    )


def _named_targets(batch):
    """The targets of a batch as a dict of arrays, one of them `attribute`."""
    pair = isinstance(batch, (tuple, list)) and len(batch) > 1
    targets = batch[1] if pair else None
    if not isinstance(targets, dict) or "attribute" not in targets:
        raise ValueError(
            "There is no attribute to look for. Expected: (x, {'label': y, "
            f"'attribute': c}}). Received: targets {batches.named(targets)}. "
            "Put it in the dict."
        )
    return keras.tree.map_structure(np.asarray, targets)


def _checked(output):
    """Refuses what is not a dict with features."""
    if not isinstance(output, dict) or "features" not in output:
        raise ValueError(
            "The model does not name its features. Expected: a dict with "
            "'features' and, if there are any, 'logits'. Received: "
            f"{batches.named(output)}. Wrap an encoder: `lambda x: "
            "{'features': encoder(x)}`."
        )
    return output


def _vectors(attribute):
    """Attribute vectors, `(rows, a)`; a single number a row is a column."""
    numbers = attribute.dtype.kind in "biuf"
    if not numbers or not np.isfinite(attribute).all():
        raise ValueError(
            "An attribute is a vector of finite numbers a row. Expected: shape "
            f"(rows, a). Received: dtype {attribute.dtype}"
            + ", NaN or infinity among them"
            * numbers
            + ". Encode columns with AttributeEncoder; leave out rows whose "
            "attribute is not known."
        )
    return attribute[:, None] if attribute.ndim == 1 else attribute


def _concatenated(dicts):
    return {
        name: np.concatenate([np.asarray(d[name]) for d in dicts])
        for name in dicts[0]
    }


def class_numbers(labels):
    """The labels if they are class numbers, else `None`.

    Booleans are numbers, zeros and ones of any type too, and so are columns
    of them, `(rows, 1)`.

    Raises:
        ValueError: they are no numbers at all.
    """
    if labels is None:
        return None
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    kind = labels.dtype.kind
    if kind not in "biuf":
        raise ValueError(
            "Labels are not numbers. Expected: class numbers from 0. "
            f"Received: {labels.dtype}. Number the classes, e.g. with "
            "numpy.searchsorted(classes, labels)."
        )
    if labels.ndim != 1:
        return None
    if kind == "f" and not np.isin(labels, (0, 1)).all():
        return None
    return labels.astype(np.int64)


def given_classes(predictions):
    """Predictions as `(rows,)` class numbers.

    Raises:
        ValueError: they are not one class number a row.
    """
    numbers = class_numbers(predictions)
    if numbers is None:
        received = np.asarray(predictions)
        raise ValueError(
            "`predictions` are no classes. Expected: one class number a row. "
            f"Received: shape {received.shape}, {received.dtype}. Of "
            "probabilities pass `probabilities.argmax(axis=1)`."
        )
    return numbers


def named_classes(logits, labels):
    """The classes, `(rows,)`, that logits `(rows, classes)` name.

    Raises:
        ValueError: the logits are no matrix, or the labels are of other
            classes.
    """
    if logits.ndim != 2:
        raise ValueError(
            "Logits are a row of numbers for each row. Expected: shape (rows, "
            f"classes), or (rows, 1). Received: shape {logits.shape}. Add an "
            "axis to a single logit."
        )
    classes = max(2, logits.shape[1])
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"The model names other classes. Expected: labels in 0.."
            f"{classes - 1}. Received: {labels.min()}..{labels.max()}. "
            "Renumber them as they were for the training."
        )
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(np.int64)
    return logits.argmax(1)
