"""The one value that every data set is: arrays, attribute, tf.data streams."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one split, in memory.

    Args:
        inputs: Array of shape `(rows, ...)` in its stored dtype, e.g. uint8
            images.
        labels: Integer array of shape `(rows,)`, kept as int32.
        attributes: Array of shape `(rows, attribute_size)`, kept as float32.
            `None` when the data set's `encode_attribute` computes the
            attribute from the inputs. Defaults to `None`.

    Raises:
        ValueError: If lengths, ranks or dtypes do not fit.
    """

    inputs: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray | None = None

    def __post_init__(self):
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        fits = labels.dtype.kind in "iu" and np.array_equal(
            labels.astype(np.int32), labels
        )
        if labels.ndim != 1 or not fits:
            raise ValueError(
                "Labels are one class number per row. Expected: an array of "
                "shape (rows,) that fits int32. Received: shape="
                f"{labels.shape}, dtype={labels.dtype}. Flatten the labels and "
                "cast them."
            )
        if inputs.ndim == 0 or len(inputs) != len(labels):
            raise ValueError(
                "Inputs and labels must describe the same rows. Expected: "
                f"{len(labels)} rows of inputs, one per label. Received: "
                f"inputs of shape {inputs.shape}. Put the rows first."
            )
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels.astype(np.int32))
        if self.attributes is None:
            return
        attributes = np.asarray(self.attributes, dtype=np.float32)
        if not np.isfinite(attributes).all():
            rows = np.flatnonzero(
                ~np.isfinite(attributes).reshape(len(attributes), -1).all(1)
            )
            raise ValueError(
                "An attribute is not a number. Expected: finite values. "
                f"Received: NaN or infinity in {len(rows)} rows, the first "
                f"is row {rows[0]}. Leave these rows out."
            )
        if attributes.ndim != 2 or len(attributes) != len(labels):
            raise ValueError(
                "Attributes and labels must describe the same rows. "
                f"Expected: shape ({len(labels)}, attribute_size). Received: "
                f"shape={attributes.shape}. Put the rows first; a single "
                "value per row is a column."
            )
        object.__setattr__(self, "attributes", attributes)

    def __len__(self):
        return len(self.labels)

    @cached_property
    def tensors(self):
        """The arrays as host tensors, shared by all pipelines of the split.

        A copy per pipeline, or one in the memory of a GPU, would cost as
        much again as the data set.
        """
        with tf.device("CPU:0"):
            return (
                tf.constant(self.inputs),
                tf.constant(self.labels),
                None
                if self.attributes is None
                else tf.constant(self.attributes),
            )


@dataclass(frozen=True, eq=False)
class BiasedDataset:
    """A data set whose training labels are entangled with an attribute.

    Args:
        name: The key of the data set in `DATASETS`, or a name of your own.
        train: The training `Split`.
        test: The test `Split`.
        num_classes: Number of classes; labels are 0..num_classes-1.
        attribute_size: Width of the attribute vector.
        encode_attribute: A function from a batch of input tensors to a
            float32 tensor of shape `(batch, attribute_size)`, written with
            TensorFlow operations: it runs inside the tf.data pipeline.
            `None` when the splits hold their attributes. Defaults to `None`.
        attribute_parts: Widths of the one-hot parts of the attribute vector;
            a part of width 1 is a number, 0 or 1. Defaults to one part.
        decode: A function from a batch of the splits' inputs, a tensor, to the
            batch that a model takes, e.g. from paths of files to images. It
            runs inside the tf.data pipeline, before all others. Defaults to
            `None`, inputs as they are.
        augment: A function from a batch of inputs and a `(2,)` int64 seed to
            inputs of the same shape and dtype, for `stream` alone. The
            attribute is that of the inputs as they were. Defaults to `None`.
        further: Dict from names to further test splits, e.g. one with
            another distribution of the attribute. Defaults to none.
        facts: What a record says of the data: `source`, `checksum`,
            `train_size`, `test_size`, `floor_nats` (I(label; attribute)),
            `attribute_entropy_nats`, `attribute_only_accuracy` and `note`, a
            string that is empty or qualifies the data, e.g. "5,000 digits".

    Raises:
        ValueError: If labels lie outside 0..num_classes-1, if attributes are
            missing, given twice or of another width than `attribute_size`.
    """

    name: str
    train: Split
    test: Split
    num_classes: int
    attribute_size: int
    encode_attribute: Callable | None = None
    attribute_parts: tuple = ()
    decode: Callable | None = None
    augment: Callable | None = None
    further: Mapping = field(default_factory=dict)
    facts: Mapping = field(default_factory=dict)

    def __post_init__(self):
        parts = tuple(self.attribute_parts) or (self.attribute_size,)
        if sum(parts) != self.attribute_size:
            raise ValueError(
                f"The parts of the attribute of '{self.name}' do not make it "
                f"up. Expected: widths that add up to {self.attribute_size}. "
                f"Received: attribute_parts={parts}."
            )
        object.__setattr__(self, "attribute_parts", parts)
        for split_name in ("train", "test", *self.further):
            split = self._split(split_name)
            self._check_labels(split_name, split.labels)
            self._check_attributes(split_name, split)

    @property
    def input_shape(self):
        """The shape of one input of a model, a tuple."""
        return tuple(self.batches("train", 1).element_spec[0].shape[1:])

    @property
    def evaluation_batch(self):
        """Rows of a batch for evaluation: 500, but 16 MB of them at most.

        An encoder's activations are a multiple of its inputs.
        """
        spec = self.batches("train", 1).element_spec[0]
        size = math.prod(spec.shape[1:]) * spec.dtype.size
        return max(1, min(500, 2**24 // size))

    def attributes(self, split_name):
        """Returns the attributes of a split.

        Args:
            split_name: `"train"`, `"test"` or a name in `further`.

        Returns:
            Float32 array of shape `(rows, attribute_size)`.

        Raises:
            ValueError: If there is no such split.
        """
        split = self._split(split_name)
        if split.attributes is not None:
            return split.attributes
        parts = [np.empty((0, self.attribute_size), np.float32)]
        for _, targets in self.batches(split_name, 4096):
            parts.append(targets["attribute"].numpy())
        return np.concatenate(parts)

    def batches(self, split_name, batch_size, rows=None):
        """One ordered pass over a split, for evaluation.

        Args:
            split_name: `"train"`, `"test"` or a name in `further`.
            batch_size: Rows per batch; the last batch may have fewer.
            rows: Integer array, the numbers of the rows that are wanted, in
                this order. Defaults to `None`, all.

        Returns:
            A `tf.data.Dataset` of `(inputs, {"label": ..., "attribute":
            ...})` with int32 labels of shape `(n,)` and float32 attributes
            of shape `(n, attribute_size)`.

        Raises:
            ValueError: If there is no such split or `batch_size` is not a
                positive integer.
        """
        split = self._split(split_name)
        check_integer("batch_size", batch_size, minimum=1)
        rows = np.arange(len(split)) if rows is None else rows
        numbers = tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64))
        return _fixed(
            numbers.batch(batch_size).map(self._gather(split)).prefetch(2)
        )

    def stream(self, batch_size, *, seed, first_epoch=0, estimator_batches=0):
        """The endless stream of training elements.

        An epoch has `rows // batch_size` steps. Each step is one element of
        `(1 + estimator_batches) * batch_size` rows, `1 + estimator_batches`
        mini-batches on end: the first walks once through the epoch's random
        permutation of the training split (the remainder is dropped), each of
        the others through a further, independent permutation. So the rows
        inside a mini-batch are distinct, and the first mini-batch has the
        same rows whatever `estimator_batches` is (augmented otherwise).

        Order and augmentation are a pure function of `(seed, epoch)`: a
        resumed run that starts with `first_epoch` sees what an unbroken one
        would have seen.

        Args:
            batch_size: Rows per mini-batch.
            seed: Non-negative integer that fixes the order.
            first_epoch: The epoch that the stream begins with. Defaults to 0.
            estimator_batches: Further mini-batches per element. Defaults to
                0.

        Returns:
            An endless `tf.data.Dataset` of elements as in `batches`.

        Raises:
            ValueError: If a number is out of range, `batch_size` larger than
                the training split among them.
        """
        check_integer("batch_size", batch_size, minimum=1)
        check_integer("seed", seed, minimum=0)
        check_integer("first_epoch", first_epoch, minimum=0)
        check_integer("estimator_batches", estimator_batches, minimum=0)
        rows = len(self.train)
        if batch_size > rows:
            raise ValueError(
                "A batch cannot be larger than the training split. Expected: "
                f"batch_size <= {rows} rows of '{self.name}'. Received: "
                f"batch_size={batch_size}. Lower the batch size or use more "
                "rows."
            )
        gather = self._gather(self.train)

        def orders(epoch):
            return tf.data.Dataset.from_tensor_slices(
                _epoch(seed, epoch, rows, batch_size, 1 + estimator_batches)
            )

        def element(order, seed):
            batch, targets = gather(order)
            if self.augment is not None:
                batch = self.augment(batch, seed)
            return batch, targets

        epochs = tf.data.Dataset.counter(first_epoch)
        endless = tf.data.experimental.assert_cardinality(
            tf.data.INFINITE_CARDINALITY
        )
        return _fixed(
            epochs.flat_map(orders).apply(endless).map(element).prefetch(2)
        )

    def _split(self, split_name):
        splits = {**self.further, "train": self.train, "test": self.test}
        if split_name not in splits:
            raise ValueError(
                f"'{self.name}' has no such split. Expected: one of "
                f"{sorted(splits)}. Received: split_name={split_name!r}."
            )
        return splits[split_name]

    def _gather(self, split):
        """Returns the function from row numbers to one element."""
        inputs, labels, attributes = split.tensors

        def gather(rows):
            batch = tf.gather(inputs, rows)
            if self.decode is not None:
                batch = self.decode(batch)
            if self.encode_attribute is None:
                attribute = tf.gather(attributes, rows)
            else:
                attribute = self.encode_attribute(batch)
            label = tf.gather(labels, rows)
            return batch, {"label": label, "attribute": attribute}

        return gather

    def _check_labels(self, split_name, labels):
        outside = (labels < 0) | (labels >= self.num_classes)
        if outside.any():
            raise ValueError(
                f"Labels of the {split_name} split of '{self.name}' are out "
                f"of range. Expected: 0..{self.num_classes - 1}. Received: "
                f"{labels[outside][0]} in {outside.sum()} of {len(labels)} "
                "rows. Renumber the classes or raise num_classes."
            )

    def _check_attributes(self, split_name, split):
        where = f"the {split_name} split of '{self.name}'"
        if (split.attributes is None) == (self.encode_attribute is None):
            received = "neither" if split.attributes is None else "both"
            raise ValueError(
                f"The attribute of {where} must come from one place. "
                "Expected: either the split's attributes or "
                f"encode_attribute. Received: {received}. Drop one or supply "
                "the other."
            )
        if split.attributes is not None:
            example = split.attributes
        else:
            example = tf.constant(split.inputs[:1])
            if self.decode is not None:
                example = self.decode(example)
            example = self.encode_attribute(example)
        width, dtype = tuple(example.shape)[1:], tf.as_dtype(example.dtype)
        if width != (self.attribute_size,) or dtype != tf.float32:
            raise ValueError(
                f"The attribute of {where} does not fit attribute_size. "
                f"Expected: float32 rows of width {self.attribute_size}. "
                f"Received: {dtype.name} of shape {tuple(example.shape)}. "
                "Set attribute_size to the width, or correct the encoding."
            )


def _fixed(dataset):
    """The pipeline without tf.data's tuning.

    There is nothing to tune in it, and of many small epochs it makes so large
    a model that the end of a run waits for it: some 9 seconds.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _epoch(seed, epoch, rows, batch_size, mini_batches):
    """The order of an epoch, a pure function of the arguments.

    Returns:
        Row numbers of each step, `(steps, mini_batches * batch_size)`, and a
        seed of each, `(steps, 2)`.
    """
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    steps = rows // batch_size

    def permutation(number):
        return tf.random.experimental.stateless_shuffle(
            tf.range(rows), seed=tf.random.fold_in(key, number), alg="philox"
        )

    orders = tf.map_fn(
        permutation,
        tf.range(mini_batches, dtype=tf.int64),
        fn_output_signature=tf.TensorSpec((rows,), tf.int32),
    )
    orders = tf.reshape(
        orders[:, : steps * batch_size], (mini_batches, steps, batch_size)
    )
    orders = tf.reshape(
        tf.transpose(orders, (1, 0, 2)), (steps, mini_batches * batch_size)
    )
    # Each step has a seed beyond those of the permutations.
    seeds = tf.map_fn(
        lambda step: tf.random.fold_in(key, mini_batches + step),
        tf.range(steps, dtype=tf.int64),
    )
    return orders, seeds
