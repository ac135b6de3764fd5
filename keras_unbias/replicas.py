"""All that the methods know of `tf.distribute`: the replicas of one step.

Every replica computes on its own rows of the global batch, and the objective is
the sum of what the replicas minimize, as in Keras. A statistic that is not a mean
of rows needs the rows of all replicas: each gathers them, computes the same
value and minimizes its share of it. Without a strategy, or outside of a step,
these functions return what they get.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

# What TensorFlow sends between devices, and how it can send other numbers.
SENT = (tf.float16, tf.float32, tf.float64, tf.int32, tf.int64)
SENT_AS = {
    tf.bfloat16: tf.float32,
    tf.uint8: tf.float16,
    tf.int8: tf.float16,
    tf.bool: tf.float16,
    tf.uint16: tf.int32,
    tf.int16: tf.int32,
}


def count() -> int:
    """Returns the number of replicas that train together.

    Example:

    >>> count()
    1
    """
    return tf.distribute.get_strategy().num_replicas_in_sync


def in_step() -> bool:
    """Returns whether the code runs on one of several replicas.

    Example:

    >>> in_step()
    False
    """
    return count() > 1 and tf.distribute.get_replica_context() is not None


def gather(rows: Any, axis: int = 0) -> Any:
    """Joins the rows of all replicas, which may be uneven or none.

    Every replica must compute the same value of the joined rows and minimize
    its `share`. The gradient needs no communication then.

    Args:
        rows: structure of tensors whose `axis` is the row. It may hold `None`.
        axis: int, the axis of the rows. Defaults to 0.

    Returns:
        The same structure, with the rows in the order of the replicas.

    Raises:
        ValueError: if a tensor is ragged or sparse, or holds no numbers.

    Example:

    >>> gather({"label": tf.constant([0, 1])})["label"].numpy().tolist()
    [0, 1]
    """
    if not in_step():
        return rows
    return keras.tree.map_structure(
        lambda part: None if part is None else _gathered(part, axis), rows
    )


def _gathered(part, axis):
    dense = not isinstance(part, (tf.RaggedTensor, tf.SparseTensor))
    sent = SENT_AS.get(part.dtype, part.dtype)
    if not dense or sent not in SENT:
        raise ValueError(
            "Replicas exchange dense tensors of numbers. Expected: such a tensor of "
            f"each input. Received: a {type(part).__name__} of {part.dtype.name}. "
            "Encode or pad the rows first, or use estimator_batches=0."
        )
    context = tf.distribute.get_replica_context()

    @tf.custom_gradient
    def joined(own):
        def gradient(upstream):
            # Each of the replicas has this gradient, and they are summed.
            sizes = context.all_gather(tf.shape(own)[axis : axis + 1], 0)
            first = tf.reduce_sum(sizes[: context.replica_id_in_sync_group])
            mine = first + tf.range(tf.shape(own)[axis])
            return count() * tf.gather(upstream, mine, axis=axis)

        return context.all_gather(own, axis), gradient

    shape = part.shape.as_list()
    shape[axis] = None
    # The identity lies on the replica's device, which the message needs to know.
    joint = joined(tf.identity(tf.cast(part, sent)))
    return tf.ensure_shape(tf.cast(joint, part.dtype), shape)


def share(value: tf.Tensor) -> tf.Tensor:
    """Returns this replica's share of a value that all replicas compute.

    Example:

    >>> share(tf.constant(3.0)).numpy().item()
    3.0
    """
    return value / count() if in_step() else value


def own_columns(table: tf.Tensor) -> tf.Tensor:
    """Returns this replica's part of the columns, as even as can be.

    Args:
        table: tensor of shape `(rows, columns)`.

    Returns:
        Tensor of shape `(rows, n)`. All replicas together have each column
        once.

    Example:

    >>> own_columns(tf.constant([[1, 2]])).numpy().tolist()
    [[1, 2]]
    """
    if not in_step():
        return table
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    columns = tf.shape(table)[1]
    return table[:, replica * columns // count() : (replica + 1) * columns // count()]


def total(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums gradients, each over all replicas.

    Example:

    >>> [tensor.numpy().item() for tensor in total([tf.constant(2.0)])]
    [2.0]
    """
    if not in_step():
        return tensors
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors))


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether the replicas of a strategy are on several machines.

    Example:

    >>> several_workers(tf.distribute.get_strategy())
    False
    """
    replicas = strategy.num_replicas_in_sync
    return replicas > 1 and len(strategy.extended.worker_devices) < replicas


def is_from_function(data: Any) -> bool:
    """Returns whether `distribute_datasets_from_function` made a data set.

    Its function knows of the replicas. `experimental_distribute_dataset` cuts
    whatever batches it gets, which are of the same public class.

    Example:

    >>> is_from_function(tf.data.Dataset.range(2))
    False
    """
    distributed = isinstance(data, tf.distribute.DistributedDataset)
    return distributed and "FromFunction" in type(data).__name__


def check_options(model: keras.Model) -> None:
    """Checks options of `compile` that Keras has on one replica only.

    Args:
        model: a compiled Keras model.

    Raises:
        ValueError: if there are several replicas and such an option.
    """
    several = model.distribute_strategy.num_replicas_in_sync
    if several > 1 and model.steps_per_execution > 1:
        raise ValueError(
            "Keras takes one step at a time on several replicas. Expected: "
            f"steps_per_execution=1 for {several} replicas. Received: "
            f"steps_per_execution={model.steps_per_execution}. Leave it out."
        )
    if several > 1 and model.jit_compile:
        raise ValueError(
            "XLA does not compile what replicas exchange. Expected: "
            f"jit_compile=False for {several} replicas. Received: jit_compile=True. "
            "Leave it out."
        )


def check_single_batch(strategy: tf.distribute.Strategy, method: str) -> None:
    """Checks that a single batch is for one replica.

    Args:
        strategy: the strategy of the model.
        method: str, the name of the model's method.

    Raises:
        ValueError: if there are several replicas.
    """
    several = strategy.num_replicas_in_sync
    if several > 1:
        raise ValueError(
            f"Keras hands the whole batch of `{method}` to every replica. Expected: "
            f"one replica. Received: {several}. Use `fit` or `evaluate` with the "
            "batch as arrays, which cut it."
        )


def check_no_scope(caller: str) -> None:
    """Checks that a fresh critic trains on one device.

    Args:
        caller: str, what trains the critic.

    Raises:
        ValueError: if the code runs in the scope of several replicas.
    """
    if count() > 1:
        raise ValueError(
            f"{caller} fits fresh critics on one device. Expected: a call outside of "
            f"`strategy.scope()`. Received: a call in the scope of {count()} replicas. "
            "Only what makes the model belongs into the scope."
        )


def check_same_strategy(
    strategy: tf.distribute.Strategy, parts: dict[str, Sequence[keras.Variable]]
) -> None:
    """Checks that the parts of a model have the model's strategy.

    Args:
        strategy: the strategy of the model.
        parts: dict from the names of parts to their variables.

    Raises:
        ValueError: if a part was made in another scope, or if the code runs
            in the scope of another strategy.

    Example:

    >>> variable = keras.Variable(1.0)
    >>> check_same_strategy(tf.distribute.get_strategy(), {"rate": [variable]})
    """
    strangers = [
        name
        for name, variables in parts.items()
        if not all(_is_of(strategy, variable.value) for variable in variables)
    ]
    if tf.distribute.has_strategy() and tf.distribute.get_strategy() is not strategy:
        strangers.append("this call")
    if strangers:
        raise ValueError(
            "A model trains with the strategy in whose scope it was made. Expected: "
            "encoder, model, estimator and optimizers of one scope. Received: "
            f"another scope of {', '.join(strangers)}. Make them all in one "
            "`with strategy.scope():`, and optimizers anew for each `compile`."
        )


def _is_of(strategy, variable):
    if not isinstance(variable, tf.Variable):
        return True
    return strategy.extended.variable_created_in_scope(variable)


def is_first_here() -> bool:
    """Returns whether this is the first replica of its machine.

    Example:

    >>> is_first_here()
    True
    """
    if not in_step():
        return True
    here = len(tf.distribute.get_strategy().extended.worker_devices)
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return tf.get_static_value(replica) % here == 0


def apply_alike(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer apply gradients that every replica has in full.

    Keras sums what it gets over the replicas, and hands the sum to all copies
    of a variable at once. TensorFlow refuses both in a loop. With the same
    gradients, each replica can update its own copy, as without a strategy.

    Args:
        optimizer: a Keras optimizer, changed in place where there are several
            replicas.
    """
    if count() == 1:
        return
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    # What Keras adds for `tf.distribute` stands in one class, before the class
    # of all backends.
    distributed = keras.optimizers.Optimizer.__bases__[0]
    for name in (
        "_backend_update_step",
        "_apply_weight_decay",
        "_backend_increment_gradient_accumulators",
    ):
        setattr(optimizer, name, getattr(super(distributed, optimizer), name))


def with_own_state(
    optimizer: keras.optimizers.Optimizer,
) -> keras.optimizers.Optimizer:
    """Returns an optimizer whose state each replica updates by itself, in a loop.

    Args:
        optimizer: a Keras optimizer without state.

    Returns:
        The optimizer, or where there are several replicas, one of the same
        settings, see `apply_alike`.

    Example:

    >>> optimizer = keras.optimizers.Adam(0.01)
    >>> with_own_state(optimizer) is optimizer
    True
    """
    if count() == 1:
        return optimizer

    def own_copy(next_creator, **kwargs):
        # Keras takes the count of steps from the first replica, a message.
        return next_creator(**{**kwargs, "aggregation": tf.VariableAggregation.NONE})

    with tf.variable_creator_scope(own_copy):
        optimizer = type(optimizer).from_config(optimizer.get_config())
    apply_alike(optimizer)
    return optimizer
