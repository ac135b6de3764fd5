"""The gate of all batches: rows that a method cannot learn from are refused.

A NaN does not show later, for a ReLU makes 0 of it on a CPU. So every batch is
checked before its step, whatever way it comes in. In a graph the check is a few
reductions. A batch that they suspect goes to the host, to the same function
that checks arrays before training.
"""

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_unbias import replicas
from keras_unbias.data.attributes import AttributeSpec, check_finite
from keras_unbias.data.targets import (
    attribute_of,
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

    Labels of a loss of your own must be finite numbers, and no more is known
    of them.

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
        needs_variety: bool, whether the method needs the attribute, and
            warns of training batches in which all rows have the same.
            Defaults to `False`.
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
            if values.dtype.kind == "V":
                # NumPy knows no bfloat16.
                values = values.astype(np.float32)
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

    def suspects(self, columns: dict[str, tf.Tensor], training: bool) -> tf.Tensor:
        """Returns a scalar bool tensor, `False` if the host need not look."""
        columns = {
            name: tf.cast(values, tf.float32)
            for name, values in columns.items()
            if values.dtype.is_floating or name in (LABEL, ATTRIBUTE, WEIGHT)
        }
        # A sum is not finite if one of its numbers is not.
        sums = [tf.reduce_sum(values) for values in columns.values()]
        suspicions = [~tf.math.is_finite(tf.add_n(sums))]
        labels, attributes = columns[LABEL], columns.get(ATTRIBUTE)
        if self.num_classes is not None:
            suspicions.append(_leaves(labels, 0, self.num_classes - 1))
            suspicions.append(tf.reduce_any(labels != tf.round(labels)))
        elif self.label_range is not None:
            suspicions.append(_leaves(labels, *self.label_range))
        if WEIGHT in columns:
            suspicions.append(tf.reduce_any(columns[WEIGHT] < 0))
        if attributes is not None and self.categories is not None:
            suspicions.append(_leaves(attributes, 0, 1))
            spec = self.categories(attributes.shape[-1])
            for part in spec.split(attributes):
                if part.shape[-1] > 1:
                    sums = tf.reduce_sum(part, 1)
                    suspicions.append(tf.reduce_any(tf.abs(sums**2 - sums) > 1e-6))
        if training and self.needs_variety:
            suspicions.append(_uniform(attributes))
        return tf.reduce_any(tf.stack(suspicions))

    def inspect(self, names: list[str], values: list, training: bool) -> bool:
        """Checks a batch on the host, and keeps what it finds."""
        columns = dict(zip(names, values, strict=True))
        try:
            self._check(columns)
        except ValueError as refusal:
            self.refusal = refusal
            raise
        if training and self.needs_variety and _uniform(columns[ATTRIBUTE]):
            self.warning = (
                f"All {len(columns[ATTRIBUTE])} rows of a training batch have the same "
                "attribute. Such a batch shows nothing of what the features reveal. "
                "Shuffle the rows before they are cut into batches."
            )
        return True


class GatedModel(keras.Model):
    """A Keras model whose batches pass a gate before each step.

    It is one place for arrays, data sets, generators and single batches, and
    for steps that XLA compiles. Prediction has no gate.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.gate = Gate()
        self._gated = None

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function of a training step, behind the gate."""
        if self.train_function is None or force:
            self._gated = "training"
            super().make_train_function(force)
            self.train_function = self._behind_gate(self.train_function)

    def make_test_function(self, force: bool = False) -> None:
        """Makes the function of an evaluation step, behind the gate."""
        if self.test_function is None or force:
            self._gated = "evaluation"
            super().make_test_function(force)
            self.test_function = self._behind_gate(self.test_function)

    def _make_function(self, step_function):
        step = step_function
        if replicas.several_workers(self.distribute_strategy):
            # Keras takes the mean of a metric over the first axis of what each
            # worker returns, and a scalar has none.
            def step(data):
                return keras.tree.map_structure(
                    lambda value: value[None], step_function(data)
                )

        return super()._make_function(step)

    def _behind_gate(self, function):
        if self._gated is not None:
            raise RuntimeError(
                "Batches are not checked. Expected: a Keras that calls "
                "`_autoconvert_optionals`, as 3.15 does. Received: Keras "
                f"{keras.__version__}. Use a version of Keras that was tested."
            )
        return _named_refusals(self.gate, function)

    def _autoconvert_optionals(self, step_func):
        # Keras has no public place between the iterator and what XLA compiles.
        # XLA leaves assertions out and cannot call the host.
        step = super()._autoconvert_optionals(step_func)
        if self._gated is None:
            return step
        gate, training = self.gate, self._gated == "training"
        self._gated = None

        def gated(data):
            rows = keras.utils.unpack_x_y_sample_weight(data)
            admitted = self.distribute_strategy.run(
                _admit, (gate, rows, training, self.jit_compile)
            )
            with tf.control_dependencies(tf.nest.flatten(admitted)):
                return step(data)

        return gated


def _named_refusals(gate, function):
    """Raises the error of the host in place of TensorFlow's."""

    def named(iterator):
        try:
            return function(iterator)
        except tf.errors.InvalidArgumentError:
            if gate.refusal is None:
                raise
            raise gate.refusal from None
        finally:
            warning, gate.refusal, gate.warning = gate.warning, None, None
            if warning is not None:
                warnings.warn(warning, stacklevel=4)

    return named


def _admit(gate, rows, training, jit_compile):
    """Sends a suspicious batch to the host; returns when it is admitted."""
    x, y, sample_weight = rows
    if gate.needs_variety:
        check_vectors(attribute_of(y))
    columns = _columns(x, y, sample_weight)
    if training and gate.needs_variety:
        # The rows of one replica may be alike by their place in the batch.
        columns[ATTRIBUTE] = replicas.gather(columns[ATTRIBUTE])
    names, values = list(columns), list(columns.values())
    if tf.executing_eagerly():
        gate.inspect(names, values, training)
        return tf.constant(True)
    numbers = {
        name: tf.convert_to_tensor(column)
        for name, column in columns.items()
        if not _is_text(column)
    }
    suspects = functools.partial(gate.suspects, training=training)
    if jit_compile:
        suspects = tf.function(suspects, jit_compile=True)
    # Only inputs may be texts.
    strange = {LABEL, ATTRIBUTE, WEIGHT} & columns.keys() - numbers.keys()
    return tf.cond(
        tf.constant(True) if strange else suspects(numbers),
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
    same = tf.reduce_all(attributes == attributes[:1])
    return same & (tf.shape(attributes)[0] >= MIN_ROWS)


def _is_text(column):
    return tf.is_tensor(column) and column.dtype == tf.string
