"""Keras's backend, XLA compilation and precision on this machine."""

import pathlib

import keras
import tensorflow as tf

# Exists on Linux only.
CPUINFO = pathlib.Path("/proc/cpuinfo")


def check_backend() -> None:
    """Checks that Keras runs on TensorFlow.

    The `train_step` of other backends has another signature.

    Raises:
        ImportError: if Keras runs on another backend.

    Example:

    >>> check_backend()
    """
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "keras_unbias trains with TensorFlow. Expected: Keras on the "
            f"backend 'tensorflow'. Received: {keras.backend.backend()!r}. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported."
        )


def should_jit_compile() -> bool:
    """Returns whether compilation with XLA makes training faster here.

    It does on a GPU. On a CPU it slows convolutions down.

    Example:

    >>> should_jit_compile() == bool(tf.config.list_physical_devices("GPU"))
    True
    """
    return bool(tf.config.list_physical_devices("GPU"))


def precision(policy: str) -> str:
    """Returns the dtype policy that suits this machine.

    TensorFlow's bfloat16 code is slow on processors that have no instructions
    for it.

    Args:
        policy: str, the preferred dtype policy.

    Returns:
        Str, `"float32"` in place of `"mixed_bfloat16"` where bfloat16 is
        slow, otherwise `policy`.

    Example:

    >>> precision("float32")
    'float32'
    """
    flags = cpu_info().get("flags", "").split()
    slow = not (should_jit_compile() or "avx512_bf16" in flags)
    return "float32" if policy == "mixed_bfloat16" and slow else policy


def cpu_info() -> dict[str, str]:
    """Reads what Linux knows of the processor.

    Returns:
        Dict of the fields of `/proc/cpuinfo`, such as `"model name"` and
        `"flags"`. It is empty on other systems.

    Example:

    >>> isinstance(cpu_info(), dict)
    True
    """
    if not CPUINFO.exists():
        return {}
    fields = [line.split(":", 1) for line in CPUINFO.read_text().splitlines()]
    return {f[0].strip(): f[1].strip() for f in fields if len(f) == 2}
