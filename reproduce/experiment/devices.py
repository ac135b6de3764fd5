"""The devices of one run."""

import functools

import tensorflow as tf


def strategy(devices: int | None = None) -> tf.distribute.Strategy:
    """Returns the strategy that trains one run on some devices.

    Args:
        devices: int, the number of GPUs, or without a GPU of virtual devices
            of the CPU, which show no more than that the run works. Defaults to
            `None`: all GPUs of the job, or one CPU.

    Returns:
        A `tf.distribute.Strategy`, the default one for one device.

    Raises:
        ValueError: if there are not so many devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    devices = devices or max(1, len(gpus))
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
