"""The value that every loader returns: splits in memory and their batches."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer, check_same_length, check_vector
from keras_unbias.data import streams, targets
from keras_unbias.data.attributes import AttributeSpec, check_finite
from keras_unbias.information import discrete


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Rows of one split of a data set, held in memory.

    Args:
        inputs: array of shape `(rows, ...)` in the dtype that is stored, such
            as uint8 images or paths of files.
        labels: int array of shape `(rows,)`, one class number per row. Kept
            as int32.
        attributes: float array of shape `(rows, a)`, one attribute vector per
            row. Kept as float32.

    Raises:
        ValueError: if lengths, ranks or dtypes do not fit, or if an attribute
            is NaN or infinite.

    Example:

    >>> colors = np.array([[1, 0], [0, 1], [1, 0]])
    >>> split = Split(np.zeros((3, 28, 28, 3), "uint8"), [0, 1, 1], colors)
    >>> len(split), split.attributes.dtype
    (3, dtype('float32'))
    """

    inputs: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray

    def __post_init__(self):
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        fits = labels.dtype.kind in "iu" and np.array_equal(
            labels.astype(np.int32), labels
        )
        if labels.ndim != 1 or not fits:
            raise ValueError(
                "Labels must be one class number per row. Expected: an array of shape "
                f"(rows,) whose integers fit int32. Received: shape={labels.shape}, "
                f"dtype={labels.dtype}. Flatten the labels and cast them."
            )
        attributes = np.asarray(self.attributes, dtype=np.float32)
        rows = {inputs.shape[:1], attributes.shape[:1]}
        if rows != {labels.shape} or attributes.ndim != 2:
            raise ValueError(
                "Inputs, labels and attributes must describe the same rows. Expected: "
                f"inputs of shape ({len(labels)}, ...), attributes of shape "
                f"({len(labels)}, a). Received: {inputs.shape} and {attributes.shape}. "
                "Put the rows first. A single value per row must be a column."
            )
        check_finite(attributes)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels.astype(np.int32))
        object.__setattr__(self, "attributes", attributes)

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        return (
            f"Split({len(self):,} rows, inputs of shape {self.inputs.shape[1:]}, "
            f"{self.attributes.shape[1]} attribute columns)"
        )

    @cached_property
    def tensors(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Inputs, labels and attributes as tensors in host memory.

        All pipelines of the split share them. A copy per pipeline, or one in
        the memory of a GPU, would cost as much again as the data set.
        """
        with tf.device("CPU:0"):
            arrays = self.inputs, self.labels, self.attributes
            return tuple(map(tf.constant, arrays))


@dataclass(frozen=True, eq=False, repr=False)
class BiasedDataset:
    """A data set whose training labels depend on an attribute.

    Args:
        name: str, a key of `DATASETS` or a name of your own.
        train: `Split` for training.
        test: `Split` for testing.
        num_classes: int, number of classes. Labels are
            `0..num_classes - 1`.
        attribute_spec: `AttributeSpec`, the meaning of the attribute columns.
            Defaults to `None`, which infers it with `AttributeSpec.infer`
            from the rows of all splits: columns that form a one-hot code are
            one category, every other column is a number. Pass it where a
            category occurs in no row.
        decode: function from a batch of the splits' inputs, a tensor, to the
            batch that a model takes, such as from paths to images. It runs
            inside the tf.data pipeline. Defaults to `None`, which passes the
            inputs on.
        augment: function from a batch of inputs and an int64 seed of shape
            `(2,)` to inputs of the same shape and dtype. Only `stream` calls
            it. Defaults to `None`, no augmentation.
        further: dict from names to further test splits, such as one with
            another distribution of the attribute. Defaults to none.
        facts: dict that describes the data in a record. The loaders of this
            package set `source`, `checksum`, `train_size`, `test_size`,
            `floor_nats` (the mutual information of label and attribute),
            `attribute_entropy_nats` and `note`, a string that is empty or
            qualifies the data.

    Raises:
        ValueError: if labels lie outside `0..num_classes - 1`, or if
            attributes do not have the width of `attribute_spec`.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 100)
    >>> split = Split(rng.normal(size=(100, 5)), labels, np.eye(2)[labels])
    >>> dataset = BiasedDataset("mine", split, split, num_classes=2)
    >>> dataset.attribute_spec.widths, dataset.input_shape
    ((2,), (5,))
    >>> inputs, targets = next(iter(dataset.stream(32, seed=0)))
    >>> inputs.shape, targets["label"].shape, targets["attribute"].shape
    (TensorShape([32, 5]), TensorShape([32]), TensorShape([32, 2]))
    """

    name: str
    train: Split
    test: Split
    num_classes: int
    attribute_spec: AttributeSpec | None = None
    decode: Callable | None = None
    augment: Callable | None = None
    further: Mapping[str, Split] = field(default_factory=dict)
    facts: Mapping = field(default_factory=dict)

    def __post_init__(self):
        names = ("train", "test", *self.further)
        spec = self.attribute_spec
        width = self.train.attributes.shape[1] if spec is None else spec.size
        for split_name in names:
            split = self._split(split_name)
            self._check_labels(split_name, split.labels)
            if split.attributes.shape[1] != width:
                raise ValueError(
                    f"Attributes of the {split_name} split of '{self.name}' "
                    "have another width than `attribute_spec` or the training "
                    f"split. Expected: shape (rows, {width}). Received: shape "
                    f"{split.attributes.shape}. Encode all splits alike, and "
                    "correct the widths of the spec."
                )
        if spec is None:
            rows = [self._split(name).attributes for name in names]
            spec = AttributeSpec.infer(np.concatenate(rows))
            object.__setattr__(self, "attribute_spec", spec)

    def __repr__(self):
        names = ("train", "test", *self.further)
        rows = ", ".join(f"{len(self._split(name)):,} {name}" for name in names)
        return (
            f"BiasedDataset({self.name!r}: {rows} rows, inputs of shape "
            f"{self.input_shape}, {self.num_classes} classes, {self.attribute_spec})"
        )

    @property
    def attribute_size(self) -> int:
        """The width of an attribute vector."""
        return self.attribute_spec.size

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input of a model."""
        return tuple(self._input_spec.shape[1:])

    @property
    def evaluation_batch(self) -> int:
        """The number of rows of a batch for evaluation.

        It is 500, or what fits into 16 MB, since the activations of an
        encoder take a multiple of the memory of its inputs.
        """
        spec = self._input_spec
        size = math.prod(spec.shape[1:]) * spec.dtype.size
        return max(1, min(500, 2**24 // size))

    def attributes(self, split_name: str) -> np.ndarray:
        """Returns the attribute vectors of a split.

        Args:
            split_name: `"train"`, `"test"` or a name in `further`.

        Returns:
            Float32 array of shape `(rows, attribute_size)`.

        Raises:
            ValueError: if there is no such split.
        """
        return self._split(split_name).attributes

    def batches(
        self, split_name: str, batch_size: int, rows: np.ndarray | None = None
    ) -> tf.data.Dataset:
        """Makes one ordered pass over a split, for evaluation.

        Args:
            split_name: `"train"`, `"test"` or a name in `further`.
            batch_size: int, rows per batch. The last batch may have fewer.
            rows: int array, the numbers of the rows to take, in this order.
                Defaults to `None`, all rows.

        Returns:
            A `tf.data.Dataset` of `(inputs, {"label": ..., "attribute":
            ...})` with int32 labels of shape `(n,)` and float32 attributes
            of shape `(n, attribute_size)`.

        Raises:
            ValueError: if there is no such split, or if `batch_size` is not
                a positive integer.
        """
        split = self._split(split_name)
        check_integer("batch_size", batch_size, minimum=1)
        rows = np.arange(len(split)) if rows is None else rows
        numbers = tf.data.Dataset.from_tensor_slices(np.asarray(rows, np.int64))
        return streams.without_autotune(
            numbers.batch(batch_size).map(self._gather(split)).prefetch(2)
        )

    def stream(
        self,
        batch_size: int,
        *,
        seed: int,
        first_epoch: int = 0,
        estimator_batches: int = 0,
        sample_weight: np.ndarray | None = None,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Makes the endless stream of training elements.

        An epoch has `rows // batch_size` steps. Each step is one element that
        holds `1 + estimator_batches` mini-batches of `batch_size` rows, one
        after the other. The first mini-batch walks through the epoch's random
        permutation of the training split, and the remainder is dropped. Each
        of the others walks through a permutation of its own. So the rows
        inside a mini-batch are distinct, and the rows of the first mini-batch
        do not depend on `estimator_batches`. Their augmentation does.

        Order and augmentation are a pure function of `(seed, epoch)`: a
        resumed run that starts with `first_epoch` sees what an unbroken run
        would have seen.

        With an `input_context`, an element is what one replica computes on: its
        share of the rows of each mini-batch. The elements of the worker's
        replicas follow each other. No other rows are decoded, and all replicas
        together have the rows, and the augmentation, of one device.

        Args:
            batch_size: int, rows per mini-batch, of all replicas together.
            seed: non-negative int that determines order and augmentation.
            first_epoch: int, the epoch that the stream begins with. Defaults
                to 0.
            estimator_batches: int, further mini-batches per element. Defaults
                to 0.
            sample_weight: float array, the weight of each training row.
                Defaults to `None`, no weights.
            input_context: `tf.distribute.InputContext`, what
                `distribute_datasets_from_function` passes on. Defaults to
                `None`, one device.

        Returns:
            An endless `tf.data.Dataset` of elements as in `batches`. With
            weights, an element also has those of its rows, float32.

        Raises:
            ValueError: if a number is out of range, if `batch_size` is larger
                than the training split, if it is not a multiple of the number
                of replicas, or if the split has another number of rows than
                there are weights.
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
                f"batch_size={batch_size}. Lower the batch size or use more rows."
            )
        if sample_weight is not None:
            sample_weight = check_vector(sample_weight)
            check_same_length(train=self.train, sample_weight=sample_weight)
            targets.check_row_weights(sample_weight)
            sample_weight = tf.constant(sample_weight, tf.float32)
        gather = self._gather(self.train, sample_weight)

        def orders(epoch):
            numbers = streams.epoch_order(
                seed, epoch, rows, batch_size, 1 + estimator_batches
            )
            return tf.data.Dataset.from_tensor_slices(numbers)

        def element(order, seed):
            batch, *others = gather(order)
            if self.augment is not None:
                batch = self.augment(batch, seed)
            return batch, *others

        def element_of_share(order, seed, share):
            batch, *others = gather(tf.gather(order, share))
            if self.augment is not None:
                # The distortion of a row depends on its place among all rows.
                shape = tf.concat([tf.shape(order), tf.shape(batch)[1:]], 0)
                batch = tf.scatter_nd(share[:, None], batch, shape)
                batch = tf.gather(self.augment(batch, seed), share)
            return batch, *others

        elements = tf.data.Dataset.counter(first_epoch).flat_map(orders)
        if input_context is not None:
            shares = streams.replica_shares(
                batch_size, 1 + estimator_batches, input_context
            )
            elements = elements.flat_map(
                lambda order, seed: tf.data.Dataset.from_tensor_slices(shares).map(
                    lambda share: (order, seed, share)
                )
            )
            element = element_of_share
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return streams.without_autotune(
            elements.apply(endless).map(element).prefetch(2)
        )

    @property
    def _input_spec(self):
        return self.batches("train", 1).element_spec[0]

    def _split(self, split_name):
        splits = {**self.further, "train": self.train, "test": self.test}
        if split_name not in splits:
            raise ValueError(
                f"'{self.name}' has no such split. Expected: one of "
                f"{sorted(splits)}. Received: split_name={split_name!r}."
            )
        return splits[split_name]

    def _gather(self, split, sample_weight=None):
        """Returns the function from row numbers to one element."""
        inputs, labels, attributes = split.tensors
        weights = () if sample_weight is None else (sample_weight,)

        def gather(rows):
            batch = tf.gather(inputs, rows)
            if self.decode is not None:
                batch = self.decode(batch)
            targets = {
                "label": tf.gather(labels, rows),
                "attribute": tf.gather(attributes, rows),
            }
            return batch, targets, *(tf.gather(w, rows) for w in weights)

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


def describe(train: Split, test: Split, cells: np.ndarray, **facts) -> dict:
    """Collects the facts about a data set that a record holds.

    Args:
        train: training `Split`.
        test: test `Split`.
        cells: int array of shape `(rows,)`, the attribute of every training
            row as one number.
        **facts: further facts, such as `source`.

    Returns:
        Dict with `train_size`, `test_size`, `floor_nats` (the mutual
        information of label and attribute), `attribute_entropy_nats` and the
        further facts.

    Example:

    >>> split = Split(np.zeros((4, 1)), [0, 0, 1, 1], np.zeros((4, 1)))
    >>> describe(split, split, np.zeros(4, int), note="")["train_size"]
    4
    """
    return {
        "train_size": len(train),
        "test_size": len(test),
        "floor_nats": discrete.discrete_mutual_information(train.labels, cells),
        "attribute_entropy_nats": discrete.entropy(cells),
        **facts,
    }
