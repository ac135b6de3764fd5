"""The devices of one run."""

import functools
import math

import tensorflow as tf


def strategy(
    devices: int | None = None, *, batch_size: int | None = None
) -> tf.distribute.Strategy:
    """Returns the strategy that trains one run on some devices.

    Args:
        devices: int, the number of GPUs, or without a GPU of virtual devices
            of the CPU, which show no more than that the run works. Defaults to
            `None`: as many GPUs of the job as share a batch evenly, or one
            CPU.
        batch_size: int, the rows of a batch. Defaults to `None`, unknown.

    Returns:
        A `tf.distribute.Strategy`, the default one for one device.

    Raises:
        ValueError: if there are not so many devices, or if they cannot share a
            batch evenly.
    """
    gpus = tf.config.list_physical_devices("GPU")
    batch_size = batch_size or math.lcm(*range(1, len(gpus) + 1), devices or 1)
    if devices is None:
        counts = range(1, max(1, len(gpus)) + 1)
        devices = max(count for count in counts if batch_size % count == 0)
    if batch_size % devices:
        raise ValueError(
            "Devices share the rows of a batch evenly. Expected: --devices that "
            f"divides batch_size={batch_size}. Received: --devices {devices}. Ask for "
            "another number of devices."
        )
    if devices == 1:
        return tf.distribute.get_strategy()
    if not gpus:
        return _virtual(devices)
    if devices > len(gpus):
        raise ValueError(
            f"The job has fewer devices. Expected: --devices of at most {len(gpus)} "
            f"GPUs. Received: --devices {devices}. Ask for more GPUs, or for fewer "
            "devices."
        )
    return _mirrored(tuple(f"GPU:{number}" for number in range(devices)))


def _virtual(devices):
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * devices
    if tf.config.get_logical_device_configuration(cpu) != parts:
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError as error:
            raise ValueError(
                "The CPU cannot be divided anymore. Expected: --devices 1 in a process "
                f"that has used TensorFlow. Received: --devices {devices}. Use another "
                "process for it."
            ) from error
    return _mirrored(tuple(f"CPU:{number}" for number in range(devices)))


# The messages of two strategies in one process would mix.
@functools.cache
def _mirrored(names):
    return tf.distribute.MirroredStrategy(names)
