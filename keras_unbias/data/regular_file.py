"""Whole contents of files, of those that can be read in bounded time alone."""

import os
import stat
from pathlib import Path


def read(path: str | bytes | os.PathLike, *, largest: int) -> bytes:
    """Reads a regular file that is not larger than it can rightly be.

    A pipe or a device may block for ever, or never end. A sparse file may ask
    for more memory than there is.

    Args:
        path: path of the file. Symbolic links are followed.
        largest: int, the largest size in bytes.

    Returns:
        The content as bytes.

    Raises:
        OSError: if there is no such file, or if it is not a regular one, too
            large, or cannot be read. Its text is the reason alone, for the
            message of the caller.

    Example:

    >>> read("/dev/zero", largest=100)
    Traceback (most recent call last):
    OSError: it is not a regular file
    """
    path = Path(os.fsdecode(path))
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    if status.st_size > largest:
        raise OSError(f"it has {status.st_size} bytes, more than {largest}")
    with path.open("rb") as file:
        return file.read(largest + 1)
