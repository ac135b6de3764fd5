"""What a batch holds: `(x, {"label": y, "attribute": c})`."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# The mean plus the standard deviation of a column that critics can read.
# A standardized column has 1.
LARGE = 20


def attribute_of(targets: Any) -> Any:
    """Returns the attribute vectors of a batch.

    Args:
        targets: dict with the key `"attribute"`.

    Returns:
        Its value, of shape `(n, a)`.

    Raises:
        ValueError: if there is no such key.
    """
    return _named_target("attribute", targets)


def labels_and_weights(targets: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Returns the labels of a batch and their weights.

    Args:
        targets: dict with the key `"label"`.
        sample_weight: float tensor of shape `(n,)`, a dict like the targets
            (which Keras makes of an array), or `None`.

    Returns:
        The labels and the weights of the labels.

    Raises:
        ValueError: if there are no labels.
    """
    labels = _named_target("label", targets)
    if isinstance(sample_weight, dict):
        sample_weight = sample_weight["label"]
    return labels, sample_weight


def _named_target(name, targets):
    if not isinstance(targets, dict) or name not in targets:
        raise ValueError(
            f"The targets do not name the {name}. Expected: (x, {{'label': y, "
            f"'attribute': c}}). Received: targets {named(targets)}. Put both in a "
            "dict. `predict` needs neither."
        )
    return targets[name]


def named(targets: Any) -> list[str] | str:
    """Describes targets for an error message, by their keys or their type."""
    return sorted(targets) if isinstance(targets, dict) else type(targets).__name__


def as_class_numbers(labels: tf.Tensor) -> tf.Tensor:
    """Returns labels as a vector of class numbers.

    Args:
        labels: tensor of shape `(n,)` or `(n, 1)`.

    Returns:
        Int32 tensor of shape `(n,)`.

    Raises:
        ValueError: if there are several labels per row.
    """
    if labels.shape.rank and labels.shape.rank > 1 and labels.shape[-1] != 1:
        raise ValueError(
            "`class_weight` weights class numbers. Expected: one label per "
            f"row. Received: labels of shape {labels.shape}. Pass the argmax "
            "of one-hot labels, or use `sample_weight`."
        )
    return tf.cast(tf.reshape(labels, [-1]), tf.int32)


def check_classes(labels: Any, num_classes: int) -> np.ndarray:
    """Returns labels in an array as class numbers, if they are.

    Args:
        labels: array of shape `(rows,)` or `(rows, 1)`.
        num_classes: int, the number of classes.

    Returns:
        Int64 array of shape `(rows,)` with values in `0..num_classes-1`.

    Raises:
        ValueError: if a label is not in this range, or if there are several
            per row.
    """
    labels = np.asarray(labels)
    if labels.size > len(labels):
        raise ValueError(
            "The labels must be class numbers. Expected: one label per row. Received: "
            f"labels of shape {labels.shape}. Pass the argmax of one-hot labels. Other "
            "labels need another loss, conditional=False and no LabelPrior."
        )
    distinct = dict.fromkeys(labels.ravel().tolist())
    others = [label for label in distinct if label not in range(num_classes)]
    if others:
        raise ValueError(
            "The labels must be class numbers. Expected: labels in "
            f"0..{num_classes - 1}. Received: {others[:3]} among them, {labels.dtype}. "
            "Number the classes from 0, or raise num_classes. Other labels need "
            "another loss, conditional=False and no LabelPrior."
        )
    return labels.ravel().astype(np.int64)


def check_label_range(labels: Any, between: tuple[float, float] | None) -> None:
    """Checks labels that are not class numbers.

    Args:
        labels: array whose first axis is the row.
        between: pair of floats, the smallest and the largest label. `None`
            stands for any finite numbers.

    Raises:
        ValueError: if labels lie outside, or if they are not finite numbers.
    """
    labels = np.asarray(labels)
    low, high = between or (-np.inf, np.inf)
    valid = labels.dtype.kind in "biuf" and np.isfinite(labels).all()
    if not valid or (labels.size and not low <= labels.min() <= labels.max() <= high):
        expected = "finite numbers" + (f" in {low}..{high}" if between else "")
        raise ValueError(
            f"The labels do not suit the loss. Expected: {expected}. Received: "
            f"{labels.dtype}, {labels.ravel()[:3].tolist()} and others. Leave rows "
            "without a label out, or use another loss."
        )


def check_inputs(name: str, values: Any) -> None:
    """Checks that inputs that are floats are finite.

    Args:
        name: str, the name of the inputs.
        values: array whose first axis is the row.

    Raises:
        ValueError: if there are NaN, infinity, or numbers that become infinity
            in float32.
    """
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return
    # NaN fails every comparison.
    finite = np.abs(values) <= np.finfo(np.float32).max
    if not finite.all():
        rows = np.flatnonzero(~finite.reshape(len(finite), -1).all(1))
        raise ValueError(
            f"`{name}` must be finite numbers. Expected: no NaN or infinity, no "
            f"number beyond float32. Received: such in {len(rows)} rows, the first of "
            f"which is row {rows[0]}. Leave such rows out, or fill the gaps first."
        )


def check_row_weights(weights: Any) -> None:
    """Checks what rows count in a loss.

    Args:
        weights: array whose first axis is the row.

    Raises:
        ValueError: if a weight is negative or not finite.
    """
    weights = np.asarray(weights)
    # NaN fails every comparison.
    numbers = weights.dtype.kind in "biuf"
    valid = (weights >= 0) & (weights < np.inf) if numbers else np.zeros(1, bool)
    if not valid.all():
        received = weights[~valid][:3].tolist() if numbers else weights.dtype
        raise ValueError(
            "`sample_weight` must say how much each row counts. Expected: finite "
            f"numbers >= 0. Received: {received} among them. Use 0 for rows that do "
            "not count."
        )


def mean_one(weights: Any) -> np.ndarray:
    """Scales the weights of rows to a mean of 1, for only ratios matter.

    Args:
        weights: array of shape `(rows,)`.

    Returns:
        Float64 array of shape `(rows,)`.

    Raises:
        ValueError: if weights are negative, not finite, or all 0.
    """
    check_row_weights(weights)
    weights = np.asarray(weights, float)
    if not weights.any():
        raise ValueError(
            "No row counts. Expected: a weight above 0. Received: zeros only. Leave "
            "`sample_weight` out for equal weights."
        )
    # The mean of the largest numbers would overflow.
    weights = weights / weights.max()
    return weights / weights.mean()


def check_vectors(attributes: Any) -> None:
    """Checks that there is one attribute vector per row.

    Args:
        attributes: array, tensor, or the specification of a tensor.

    Raises:
        ValueError: if the shape is not `(n, a)`.
    """
    shape = getattr(attributes, "shape", None)
    if shape is None or len(shape) != 2:
        received = type(attributes).__name__ if shape is None else f"shape {shape}"
        raise ValueError(
            "The attribute must be a vector per row. Expected: an array of "
            f"shape (n, a), one-hot for categories. Received: {received}. "
            "Encode it, or add an axis to a single number."
        )


def warn_of_large(attributes: np.ndarray, *, stacklevel: int) -> None:
    """Warns of columns whose numbers are too large for a critic.

    Args:
        attributes: float array of shape `(rows, a)`.
        stacklevel: int, the frames between the caller and the user's call.
    """
    large = np.abs(attributes.mean(0)) + attributes.std(0) > LARGE
    if large.any():
        warnings.warn(
            f"The columns {np.flatnonzero(large).tolist()} of the attribute hold such "
            "large numbers that the estimator will learn little of them. Standardize "
            "them, or let AttributeEncoder cut them into quantiles.",
            stacklevel=stacklevel + 1,
        )


def inputs_and_targets(x: Any, y: Any) -> tuple[Any, Any] | None:
    """Returns inputs and targets, or their specification, before training.

    Args:
        x: the inputs as arrays, a `tf.data.Dataset`, one that is distributed,
            or a `keras.utils.PyDataset`, as `keras.Model.fit` takes them.
        y: the targets, or `None` if `x` holds them.

    Returns:
        Pair of structures of arrays or `tf.TensorSpec`, or `None` where only
        a pass through the data would tell, as with a generator. The targets
        are `None` where the data have none.

    Raises:
        ValueError: if a data set does not tell the rank of its tensors.
    """
    if isinstance(x, tf.distribute.DistributedDataset):
        batch = keras.tree.map_structure(
            # What each replica gets is specified alike.
            lambda spec: tf.nest.flatten(spec, expand_composites=True)[0],
            x.element_spec,
        )
        _check_ranks(batch)
    elif hasattr(x, "element_spec"):
        batch = x.element_spec
        _check_ranks(batch)
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    else:
        return None if y is None else (x, y)
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return batch[0], batch[1]
    return batch, None


def _check_ranks(batch):
    for path, spec in keras.tree.flatten_with_path(batch):
        shape = getattr(spec, "shape", None)
        if isinstance(shape, tf.TensorShape) and shape.rank is None:
            place = "".join(f"[{part!r}]" for part in path)
            raise ValueError(
                "The shapes of a batch must be known before training. Expected: a "
                f"shape such as (None, 3). Received: batch{place} of unknown rank. "
                "Map the data set with `tf.ensure_shape(tensor, shape)`."
            )
