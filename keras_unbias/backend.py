"""Where and with what a run is carried out, for its record."""

import os
import pathlib
import platform
import subprocess

import keras
import numpy as np
import sklearn
import tensorflow as tf

# Linux alone has it.
CPUINFO = pathlib.Path("/proc/cpuinfo")


def check_backend():
    """Refuses other backends of Keras, whose `train_step` takes more.

    Raises:
        ImportError: Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "keras_unbias trains with TensorFlow. Expected: Keras on the "
            f"backend 'tensorflow'. Received: {keras.backend.backend()!r}. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported."
        )


def should_jit_compile():
    """Whether XLA pays here: on a GPU. On a CPU it slows convolutions."""
    return bool(tf.config.list_physical_devices("GPU"))


def precision(policy):
    """The dtype policy that a run is carried out in on this machine.

    Args:
        policy: str, the dtype policy of its settings.

    Returns:
        Str: `"float32"` for `"mixed_bfloat16"` on a processor without
        instructions for it, for which TensorFlow has only slow code;
        otherwise `policy`.
    """
    slow = not (
        tf.config.list_physical_devices("GPU") or "avx512_bf16" in _flags()
    )
    return "float32" if policy == "mixed_bfloat16" and slow else policy


def describe(policy, threads):
    """Describes this process.

    Args:
        policy: str, the dtype policy of the run's settings.
        threads: int, the threads that TensorFlow was given, or `None`.

    Returns:
        Dict with `versions`, `device`, `precision`, `threads` and `commit`
        (empty where the package is no git checkout).
    """
    gpus = tf.config.list_physical_devices("GPU")
    return {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "device": f"{len(gpus)} GPU" if gpus else f"CPU {_processor()}",
        "precision": precision(policy),
        "threads": threads or os.cpu_count(),
        "commit": _commit(),
    }


def _processor():
    name = _cpuinfo().get("model name", platform.processor())
    vectors = [flag for flag in ("avx512f", "avx2") if flag in _flags()]
    return ", ".join([name, *vectors[:1]])


def _flags():
    return _cpuinfo().get("flags", "").split()


def _cpuinfo():
    if not CPUINFO.exists():
        return {}
    fields = [line.split(":", 1) for line in CPUINFO.read_text().splitlines()]
    return {f[0].strip(): f[1].strip() for f in fields if len(f) == 2}


def _commit():
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
