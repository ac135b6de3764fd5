"""Where and with what a run is carried out, for its record."""

import os
import pathlib
import platform
import subprocess

import keras
import numpy as np
import sklearn
import tensorflow as tf


def describe(precision, threads):
    """Describes this process.

    Args:
        precision: the dtype policy of the run.
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
        "precision": precision,
        "threads": threads or os.cpu_count(),
        "commit": _commit(),
    }


def _processor():
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    fields = dict(
        line.split("\t: ", 1)
        for line in cpuinfo.read_text().splitlines()
        if "\t: " in line
    )
    name = fields.get("model name", platform.processor())
    flags = fields.get("flags", "").split()
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
