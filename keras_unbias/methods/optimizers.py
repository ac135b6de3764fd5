"""A second optimizer beside the task's, and the clipping of its gradients."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def companion_optimizer(
    optimizer: keras.optimizers.Optimizer, factor: float | keras.Variable, prefix: str
) -> keras.optimizers.Optimizer:
    """Creates an optimizer whose learning rate follows another optimizer's.

    The rate follows schedules, callbacks and assignments. A rate that stays
    up while the task's gradient vanishes would destroy the network. Weight
    decay and weight averaging stay with the first optimizer.

    Args:
        optimizer: the optimizer of the task.
        factor: float or variable, the learning rate as a multiple of the
            task's.
        prefix: str, the start of the new optimizer's name.

    Returns:
        Optimizer of the same type and settings.

    Raises:
        ValueError: if the optimizer has no learning rate, such as
            `LossScaleOptimizer`.
    """
    config = optimizer.get_config()
    if "learning_rate" not in config:
        raise ValueError(
            "The task's optimizer cannot be copied. Expected: an optimizer with a "
            f"learning rate, such as Adam. Received: {type(optimizer).__name__}. Train "
            "in float32 or bfloat16. MutualInformationBackpropagation also works with "
            "one optimizer: own_optimizer=False."
        )
    config["learning_rate"] = lambda: factor * optimizer.learning_rate
    if config["weight_decay"]:
        config["weight_decay"] = 0.0
    config.update(name=f"{prefix}_{optimizer.name}", use_ema=False)
    return type(optimizer).from_config(config)


class LocalAdam(keras.optimizers.Adam):
    """Adam that lets go of the graph of a finished training on one device.

    Keras sums the gradients over the replicas, one replica too. TensorFlow
    registers a gradient for this sum and never forgets it, nor the graph of
    the training step that it belongs to, which takes some 12 MB.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars):
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            return super()._all_reduce_sum_gradients(grads_and_vars)
        return grads_and_vars


def clip_to_reference(
    gradients: Sequence[tf.Tensor], reference: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Scales gradients down to the norms of reference gradients.

    This is the released code's form of the paper's gradient clipping, one
    variable at a time: `g * min(|reference|, |g|) / |g|`.

    Args:
        gradients: sequence of tensors, a gradient for each variable.
        reference: sequence of tensors, the reference for each variable.

    Returns:
        List of tensors. Gradients that are shorter than their reference stay
        as they are.
    """
    return [
        gradient
        * tf.math.divide_no_nan(
            tf.minimum(tf.norm(other), tf.norm(gradient)), tf.norm(gradient)
        )
        for gradient, other in zip(gradients, reference, strict=True)
    ]
