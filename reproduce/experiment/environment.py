"""Describes the machine and the versions of a run, for its record."""

import os
import pathlib
import platform
import subprocess

import keras
import numpy as np
import sklearn
import tensorflow as tf

from keras_unbias import backend


def describe(policy: str, threads: int | None, devices: int = 1) -> dict:
    """Describes this process.

    Args:
        policy: str, the dtype policy of the run's settings.
        threads: int, the number of threads TensorFlow was given, or `None` for
            all processors.
        devices: int, on how many devices the run was trained. Defaults to 1.

    Returns:
        Dict with `versions`, `device`, `devices`, `precision`, `threads` and
        `commit`. `commit` is empty outside a git checkout.
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
        "devices": devices,
        "precision": backend.precision(policy),
        "threads": threads or os.cpu_count(),
        "commit": _commit(),
    }


def _processor():
    """Returns the processor's name and its widest vector instructions."""
    info = backend.cpu_info()
    name = info.get("model name", platform.processor())
    flags = info.get("flags", "").split()
    vectors = [flag for flag in ("avx512f", "avx2") if flag in flags]
    return ", ".join([name, *vectors[:1]])


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
