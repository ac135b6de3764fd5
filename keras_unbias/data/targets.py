"""What a batch holds, `(x, {"label": y, "attribute": c})`, checked."""

import warnings

import numpy as np
import tensorflow as tf

# Mean and deviation of a column of numbers; standardised ones have 1.
LARGE = 20


def attribute_of(targets):
    """The attribute vectors of a batch, `(n, a)`."""
    if not isinstance(targets, dict) or "attribute" not in targets:
        raise ValueError(
            "A batch does not name the attribute. Expected: (x, {'label': y, "
            f"'attribute': c}}). Received: targets {named(targets)}. To "
            "predict without it use `predict`."
        )
    return targets["attribute"]


def labels_and_weights(targets, sample_weight):
    """The labels of a batch, and their weights.

    Keras hands weights given as an array over in the structure of the
    targets.
    """
    if not isinstance(targets, dict) or "label" not in targets:
        raise ValueError(
            "A batch does not name its labels. Expected: (x, {'label': y, "
            f"'attribute': c}}). Received: targets {named(targets)}. Put both "
            "in a dict."
        )
    if isinstance(sample_weight, dict):
        sample_weight = sample_weight["label"]
    return targets["label"], sample_weight


def named(targets):
    """What targets are, for an error."""
    return (
        sorted(targets) if isinstance(targets, dict) else type(targets).__name__
    )


def as_class_numbers(labels):
    """`(n,)` class numbers of labels `(n,)` or `(n, 1)`."""
    if labels.shape.rank and labels.shape.rank > 1 and labels.shape[-1] != 1:
        raise ValueError(
            "`class_weight` weighs class numbers. Expected: one label a row. "
            f"Received: labels of shape {labels.shape}. Pass argmax of one-hot "
            "labels, or `sample_weight`."
        )
    return tf.cast(tf.reshape(labels, [-1]), tf.int32)


def check_known(attributes):
    """Refuses attributes `(rows, a)`, an array, that are NaN or infinite."""
    if not np.isfinite(attributes).all():
        raise ValueError(
            "The attribute is not known of all rows. Expected: finite "
            "numbers. Received: NaN or infinity among them. Leave such rows "
            "out, or give them a category of their own."
        )


def warn_of_large(attributes):
    """Warns of attributes `(rows, a)`, an array, that no critic can read."""
    large = np.abs(attributes.mean(0)) + attributes.std(0) > LARGE
    if large.any():
        warnings.warn(
            f"Numbers in the columns {np.flatnonzero(large).tolist()} of the "
            "attribute are so large that the estimator will learn little of "
            "them. Standardise them, or let AttributeEncoder cut them into "
            "quantiles.",
            # Of the user's call of `fit`.
            stacklevel=5,
        )


def check_vectors(attributes):
    """Refuses attributes that are not one vector a row.

    Args:
        attributes: array, tensor or tensor's specification.
    """
    shape = getattr(attributes, "shape", None)
    if shape is None or len(shape) != 2:
        received = (
            type(attributes).__name__ if shape is None else f"shape {shape}"
        )
        raise ValueError(
            "The attribute is a vector per row. Expected: shape (n, a), "
            f"one-hot for categories. Received: {received}. "
            "Encode it, or add an axis to a single number."
        )


def check_categories(attributes, parts):
    """Refuses attributes that are no categories.

    Args:
        attributes: `(rows, a)` array.
        parts: tuple of ints, the widths of the parts: one-hot codes, shares
            of the categories, or zeros for an unknown one; those of width 1
            are numbers in 0..1.
    """
    attributes = np.asarray(attributes, float)
    check_known(attributes)
    sums = [
        part.sum(1)
        for part in np.split(attributes, np.cumsum(parts)[:-1], axis=1)
        if part.shape[1] > 1
    ]
    if (
        (attributes < 0).any()
        or (attributes > 1).any()
        or not all(
            np.isclose(s, np.round(s) > 0, atol=1e-3).all() for s in sums
        )
    ):
        raise ValueError(
            "The attribute is not what its classifier takes it for. Expected: "
            f"one-hot codes of the widths {tuple(parts)}, or 0..1 where a "
            "width is 1. Received: other numbers. Encode it with "
            "AttributeEncoder, whose `bins` make categories of numbers."
        )
