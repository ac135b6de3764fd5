"""TensorFlow in a process of an experiment: its variables, and its silence."""

import contextlib
import logging
import os
from collections.abc import Iterator

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Fatal errors alone.
SILENT = "3"

# One thread per process is as fast in total as fewer processes with more
# threads, and the results do not depend on the number of jobs. TensorFlow
# leaves oneDNN off on some processors where it halves the time of a step.
# Without its own allocator it requests every large tensor from the system.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    LOG_LEVEL: SILENT,
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
}


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Sets the environment variables of a run, and restores them at the end.

    TensorFlow reads them at its import, and the numbers of threads at its
    first operation, so both belong inside. Variables that the user has set
    keep their values.

    Example:

    >>> with environment():
    ...     "TF_ENABLE_ONEDNN_OPTS" in os.environ
    True
    """
    added = {k: v for k, v in ENVIRONMENT.items() if k not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def import_tensorflow() -> None:
    """Imports TensorFlow with the variables of a run.

    Its log is silent, unless the user has set TF_CPP_MIN_LOG_LEVEL.

    Example:

    >>> import_tensorflow()
    >>> import tensorflow as tf
    """
    with environment():
        silent = os.environ[LOG_LEVEL] == SILENT
        with _without_stderr() if silent else contextlib.nullcontext():
            import tensorflow  # noqa: F401
    if silent:
        # TensorFlow warns that each of many small runs is traced anew, and
        # tensorflow-datasets of what it has not downloaded yet.
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def _without_stderr():
    """Discards stderr: no variable stops what TensorFlow's import writes."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
