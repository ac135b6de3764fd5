"""Image files, read while they are needed: a `decode` of `BiasedDataset`."""

import os
from concurrent import futures

import joblib
import numpy as np
import tensorflow as tf
from PIL import Image

# What is smaller is a placeholder.
MIN_SIDE = 8


def read(path, size):
    """Reads one image file.

    Args:
        path: The file, of any format that Pillow knows.
        size: Integer, height and width of the result.

    Returns:
        A uint8 array of shape `(size, size, 3)`, RGB; grey images have three
        equal channels.

    Raises:
        ValueError: If the file is missing, damaged, or less than 8 pixels
            high or wide.
    """
    try:
        with Image.open(path) as image:
            if min(image.size) < MIN_SIDE:
                width, height = image.size
                raise ValueError(f"{width} x {height} pixels")
            return np.asarray(
                image.convert("RGB").resize(
                    (size, size), Image.Resampling.BILINEAR
                )
            )
    # Pillow's plugins fail in many ways on damaged files.
    except Exception as error:
        raise ValueError(
            f"The image {os.fsdecode(path)} cannot be read. Expected: an image "
            f"of {MIN_SIDE} x {MIN_SIDE} pixels or more. Received: {error}. "
            "Fetch it again, or leave it out."
        ) from error


def decoder(size):
    """Makes a function from paths to images, for `BiasedDataset.decode`.

    The images of a batch are read by as many threads as there are cores.

    Args:
        size: As in `read`.

    Returns:
        A function from a string tensor `(n,)` to a uint8 tensor
        `(n, size, size, 3)`. A file that cannot be read is named in the
        error that the pipeline raises.
    """
    threads = futures.ThreadPoolExecutor(joblib.cpu_count())

    def read_all(paths):
        images = list(threads.map(lambda path: read(path, size), paths))
        return np.stack(images) if images else empty

    empty = np.empty((0, size, size, 3), np.uint8)

    def decode(paths):
        images = tf.numpy_function(read_all, [paths], tf.uint8, stateful=False)
        return tf.ensure_shape(images, (None, size, size, 3))

    return decode


def unreadable(paths):
    """Finds the files that cannot be read.

    Args:
        paths: List of paths.

    Returns:
        Dict from those paths to the error's message.
    """

    def problem(path):
        try:
            read(path, MIN_SIDE)
        except ValueError as error:
            return str(error)
        return None

    with futures.ThreadPoolExecutor(joblib.cpu_count()) as threads:
        problems = list(threads.map(problem, paths))
    return {p: text for p, text in zip(paths, problems, strict=True) if text}
