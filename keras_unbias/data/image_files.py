"""Image files that are read when a batch needs them."""

import os
from collections.abc import Callable, Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf
from PIL import Image

# Smaller images are placeholders.
MIN_SIDE = 8


def read(path: str | os.PathLike, size: int) -> np.ndarray:
    """Reads one image file.

    Args:
        path: path of a file of any format that Pillow reads.
        size: int, height and width of the result.

    Returns:
        Uint8 array of shape `(size, size, 3)`, RGB. Gray images get three
        equal channels.

    Raises:
        ValueError: if the file is missing, damaged, or less than 8 pixels
            high or wide.

    Example:

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     Image.new("L", (20, 10), 77).save(file.name)
    ...     read(file.name, 8)[0, 0]
    array([77, 77, 77], dtype=uint8)
    """
    try:
        with Image.open(path) as image:
            if min(image.size) < MIN_SIDE:
                width, height = image.size
                raise ValueError(f"{width} x {height} pixels")
            return np.asarray(
                image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
            )
    # Pillow's plugins fail in many ways on damaged files.
    except Exception as error:
        raise ValueError(
            f"The image {os.fsdecode(path)} cannot be read. Expected: an image "
            f"of {MIN_SIDE} x {MIN_SIDE} pixels or more. Received: {error}. "
            "Fetch it again, or leave it out."
        ) from error


def decoder(size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function from paths to images, for `BiasedDataset.decode`.

    Several threads read the images of a batch.

    Args:
        size: int, height and width of the images.

    Returns:
        Function from a string tensor of shape `(n,)` to a uint8 tensor of
        shape `(n, size, size, 3)`. If a file cannot be read, the error that
        the pipeline raises names it.

    Example:

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     Image.new("RGB", (20, 10)).save(file.name)
    ...     decoder(32)(tf.constant([file.name])).shape
    TensorShape([1, 32, 32, 3])
    """
    threads = futures.ThreadPoolExecutor()

    def read_all(paths):
        images = list(threads.map(lambda path: read(path, size), paths))
        return np.stack(images) if images else empty

    empty = np.empty((0, size, size, 3), np.uint8)

    def decode(paths):
        images = tf.numpy_function(read_all, [paths], tf.uint8, stateful=False)
        return tf.ensure_shape(images, (None, size, size, 3))

    return decode


def unreadable(paths: Sequence[str]) -> dict[str, str]:
    """Finds the files that cannot be read.

    Args:
        paths: sequence of paths.

    Returns:
        Dict from those paths to the message of the error.

    Example:

    >>> list(unreadable(["no such file.png"]))
    ['no such file.png']
    """

    def problem(path):
        try:
            read(path, MIN_SIDE)
        except ValueError as error:
            return str(error)
        return None

    with futures.ThreadPoolExecutor() as threads:
        problems = list(threads.map(problem, paths))
    return {p: text for p, text in zip(paths, problems, strict=True) if text}
