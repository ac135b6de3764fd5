"""The gate of all batches: rows that a method cannot learn from are refused.

A NaN does not show later, for a ReLU makes 0 of it on a CPU. So every batch is
checked before its step, whatever way it comes in. In a graph the check is a few
reductions. A batch that they suspect goes to the host, to the same function
that checks arrays before training.
"""

import dataclasses
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias.data.attributes import AttributeSpec, check_finite
from keras_unbias.data.targets import (
    check_classes,
    check_inputs,
    check_label_range,
    check_row_weights,
    check_vectors,
    labels_and_weights,
)

# With fewer rows, a batch may hold one value of the attribute by chance.
MIN_ROWS = 16
INPUTS, LABEL, ATTRIBUTE, WEIGHT = "inputs", "label", "attribute", "sample_weight"


@dataclasses.dataclass
class Gate:
    """What the rows of a method must hold.

    Args:
        num_classes: int, for labels that are class numbers. Defaults to
            `None`, for other labels.
        ignored_label: int, the label that the loss leaves out. Defaults to
            `None`.
        label_range: pair of floats, for labels between two numbers. Defaults
            to `None`.
        categories: function from the width of the attribute vectors to their
            `AttributeSpec`, for an attribute of categories. Defaults to
            `None`, for any finite numbers.
        needs_variety: bool, whether to warn of training batches in which all
            rows have the same attribute. Defaults to `False`.
    """

    num_classes: int | None = None
    ignored_label: int | None = None
    label_range: tuple[float, float] | None = None
    categories: Callable[[int], AttributeSpec] | None = None
    needs_variety: bool = False

    def __post_init__(self):
        # What the host found in a batch of a graph.
        self.refusal = self.warning = None

    def check(self, x: Any, y: dict, sample_weight: Any = None) -> None:
        """Checks arrays.

        Args:
            x: structure of arrays, the inputs.
            y: dict `{"label": y, "attribute": c}`. The attribute may be
                missing.
            sample_weight: float array of shape `(n,)`, or `None`.

        Raises:
            ValueError: if inputs, attributes or weights are not finite
                numbers, if weights are negative, or if labels or categories
                are not those of the method.
        """
        self._check(_columns(x, y, sample_weight))

    def _check(self, columns):
        for name, values in columns.items():
            values = np.asarray(values)
            if name == LABEL:
                self._check_labels(values)
            elif name == ATTRIBUTE:
                check_finite(values)
                if self.categories is not None:
                    check_vectors(values)
                    spec = self.categories(values.shape[-1])
                    spec.check_categories(values)
            elif name == WEIGHT:
                check_row_weights(values)
            else:
                check_inputs(name, values)

    def _check_labels(self, labels):
        if self.num_classes is None:
            check_label_range(labels, self.label_range)
            return
        if self.ignored_label is not None:
            labels = labels[labels != self.ignored_label]
        if labels.size:
            check_classes(labels, self.num_classes)

    def suspects(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns a scalar bool tensor, `False` if the rows are surely valid."""
        suspicions = [
            # A sum is not finite if one of its numbers is not.
            ~tf.math.is_finite(tf.reduce_sum(values))
            for values in columns.values()
            if values.dtype.is_floating
        ]
        labels, attributes = columns[LABEL], columns.get(ATTRIBUTE)
        if self.num_classes is not None:
            suspicions.append(_leaves(labels, 0, self.num_classes - 1))
            if labels.dtype.is_floating:
                suspicions.append(tf.reduce_any(labels != tf.round(labels)))
        elif self.label_range is not None:
            suspicions.append(_leaves(labels, *self.label_range))
        if WEIGHT in columns:
            suspicions.append(tf.reduce_any(columns[WEIGHT] < 0))
        if attributes is not None and self.categories is not None:
            suspicions.append(_leaves(attributes, 0, 1))
            spec = self.categories(attributes.shape[-1])
            for part in spec.split(tf.cast(attributes, tf.float32)):
                if part.shape[-1] > 1:
                    sums = tf.reduce_sum(part, 1)
                    suspicions.append(tf.reduce_any(tf.abs(sums**2 - sums) > 1e-6))
        return tf.reduce_any(tf.stack(suspicions)) if suspicions else tf.constant(False)

    def inspect(self, names: list[str], values: list, training: bool) -> bool:
        """Checks a batch on the host, and keeps what it finds."""
        columns = dict(zip(names, values, strict=True))
        try:
            self._check(columns)
        except ValueError as refusal:
            self.refusal = refusal
            raise
        attributes = columns.get(ATTRIBUTE)
        if training and self.needs_variety and _uniform(attributes):
            self.warning = (
                f"All {len(attributes)} rows of a training batch have the "
                "same attribute. Such a batch shows nothing of what the features "
                "reveal. Shuffle the rows before they are cut into batches."
            )
        return True


def unpack(model: keras.Model, data: Any, *, training: bool) -> tuple:
    """Unpacks a batch at the start of a step, and refuses it if it must.

    Args:
        model: a `RepresentationClassifier`.
        data: batch of `fit` or `evaluate`.
        training: bool, whether it is a step of the training.

    Returns:
        Tuple `(x, y, sample_weight)`. The weights may be `None`.

    Raises:
        ValueError: if the batch is refused. In a graph, TensorFlow raises its
            own error, and `guard` the `ValueError`.
    """
    rows = keras.utils.unpack_x_y_sample_weight(data)
    # XLA compiles no call of the host. `guard` makes it instead.
    if model.jit_compile and not tf.executing_eagerly():
        return rows
    passed = _admit(model.gate, rows, training)
    if tf.executing_eagerly():
        return rows
    with tf.control_dependencies([passed]):
        return keras.tree.map_structure(
            lambda t: t if t is None else tf.identity(t), rows
        )


def guard(model: keras.Model, function: Callable, *, training: bool) -> Callable:
    """Names the flaw of a batch that a step refuses.

    Args:
        model: a `RepresentationClassifier`.
        function: Keras's function from an iterator of batches to logs.
        training: bool, whether its steps train the model.

    Returns:
        Function like `function`.
    """
    gate = model.gate
    admit = tf.function(
        lambda data: model.distribute_strategy.run(
            lambda rows: _admit(gate, rows, training),
            (keras.utils.unpack_x_y_sample_weight(data),),
        ),
        reduce_retracing=True,
    )

    def admitted(iterator):
        for data in itertools.islice(iterator, model.steps_per_execution):
            admit(data)
            yield data

    def guarded(iterator):
        try:
            if model.jit_compile:
                batches = admitted(iterator)
                iterator = itertools.chain([next(batches)], batches)
            return function(iterator)
        except tf.errors.InvalidArgumentError:
            refusal, gate.refusal = gate.refusal, None
            if refusal is None:
                raise
            raise refusal from None
        finally:
            if gate.warning is not None:
                warnings.warn(gate.warning, stacklevel=4)
                gate.warning = None

    return guarded


def _admit(gate, rows, training):
    """Sends a suspicious batch to the host; returns `True` when it is done."""
    columns = _columns(*rows)
    names, values = list(columns), list(columns.values())
    if tf.executing_eagerly():
        return gate.inspect(names, values, training)
    suspicion = gate.suspects(columns)
    if training and gate.needs_variety:
        suspicion |= _uniform(columns.get(ATTRIBUTE))
    return tf.cond(
        suspicion,
        lambda: tf.py_function(
            lambda *arrays: gate.inspect(names, arrays, training), values, tf.bool
        ),
        lambda: tf.constant(True),
    )


def _columns(x, y, sample_weight):
    """Returns all numbers of some rows, as a flat dict with telling names."""
    labels, sample_weight = labels_and_weights(y, sample_weight)
    columns = {}
    for path, values in keras.tree.flatten_with_path(x):
        if isinstance(values, tf.RaggedTensor):
            values = values.flat_values
        elif isinstance(values, tf.SparseTensor):
            values = values.values
        columns[INPUTS + "".join(f"[{part!r}]" for part in path)] = values
    columns[LABEL] = labels
    if y.get(ATTRIBUTE) is not None:
        columns[ATTRIBUTE] = y[ATTRIBUTE]
    if sample_weight is not None:
        columns[WEIGHT] = sample_weight
    return columns


def _leaves(values, low, high):
    return tf.reduce_any((values < low) | (values > high))


def _uniform(attributes):
    """Returns whether all rows of a batch have the same attribute."""
    if attributes is None:
        return False
    same = tf.reduce_all(attributes == attributes[:1])
    return same & (tf.shape(attributes)[0] >= MIN_ROWS)
