"""The columns of `imdb.mat`, read by a process of its own.

SciPy's reader can crash on a damaged file, or ask for all memory. This file is
both the function that starts the process and the script that the process runs,
which imports nothing of this package.
"""

import io
import json
import os
import subprocess
import sys

import numpy as np
import scipy.io

NUMBERS = ("dob", "photo_taken", "gender", "face_score", "second_face_score")
# Several times of what the real file takes, which has some 50 MB.
SECONDS, SECONDS_PER_MB = 60, 10
MEMORY, MEMORY_PER_BYTE = 2**32, 100

# As `python -P FILE`, which Python 3.10 does not know: no module of the file's
# directory, or of the working one, takes the place of another.
START = """
import sys
sys.path[:] = filter(None, sys.path)
import runpy
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def read(content: bytes) -> dict[str, list]:
    """Reads the columns in another process.

    Args:
        content: bytes, the whole file.

    Returns:
        Dict with the column `path`, a list of str, and those of `NUMBERS`
        that the file has, lists of float of the same length.

    Raises:
        ValueError: if they cannot be read. Its text is the reason alone.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from keras_unbias.data import drawn_faces
    >>> with tempfile.TemporaryDirectory() as place:
    ...     directory = drawn_faces.write(f"{place}/faces", rows=3)
    ...     columns = read((directory / "imdb_crop/imdb.mat").read_bytes())
    >>> columns["gender"]
    [0.0, 0.0, 0.0]
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        # Every thread takes memory, and none is of use.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    try:
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", START, __file__],
            input=content,
            capture_output=True,
            timeout=SECONDS + SECONDS_PER_MB * len(content) / 2**20,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"no end after {error.timeout:.0f} seconds") from None
    if process.returncode:
        last = process.stderr.decode(errors="replace").strip().splitlines()[-1:]
        crash = f"a crash of SciPy's reader ({process.returncode})"
        raise ValueError(last[0] if last and process.returncode == 1 else crash)
    return json.loads(process.stdout)


def _limit_memory(most):
    try:
        import resource
    except ImportError:  # Not on Windows.
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _columns(content):
    file = io.BytesIO(content)
    fields = scipy.io.loadmat(file, variable_names=["imdb"])["imdb"][0, 0]
    paths = [np.asarray(cell).item() for cell in fields["full_path"].ravel()]
    columns = {"path": paths}
    for name in set(NUMBERS) & set(fields.dtype.names):
        columns[name] = np.asarray(fields[name]).ravel()
        if columns[name].dtype.kind not in "biuf":
            raise TypeError(f"{name} of type {columns[name].dtype}")
        columns[name] = columns[name].astype(float).tolist()
    if not all(isinstance(path, str) for path in paths):
        raise TypeError("full_path holds more than strings")
    if len(set(map(len, columns.values()))) > 1:
        raise ValueError("columns of different lengths")
    return columns


if __name__ == "__main__":
    content = sys.stdin.buffer.read()
    _limit_memory(MEMORY + MEMORY_PER_BYTE * len(content))
    try:
        json.dump(_columns(content), sys.stdout)
    except Exception as error:
        sys.exit(repr(error)[:300])
