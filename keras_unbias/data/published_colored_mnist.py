"""The published files of colored MNIST (Kim et al., CVPR 2019).

A file `mnist_10color_jitter_var_0.020.npy` holds a pickled dict of the pictures
and labels for one color variance. Its further key `test_gray`, the original
test digits, is not used.
"""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from keras_unbias.data import restricted_pickle

NAME = re.compile(r"mnist_10color_jitter_var_(\d\.\d{3})\.npy")
KEYS = ("train_image", "train_label", "test_image", "test_label")


def find(place: str | os.PathLike) -> dict[float, Path]:
    """Finds published files.

    Args:
        place: path of a directory or of one file.

    Returns:
        Dict from color variances to the paths of their files.

    Example:

    >>> find("no such directory")
    {}
    """
    matches = ((NAME.fullmatch(path.name), path) for path in _paths(place))
    return {float(m[1]): path for m, path in matches if m and path.is_file()}


def read(
    color_variance: float, data_dir: str | os.PathLike | None
) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, str]]:
    """Reads the published file of a color variance.

    Args:
        color_variance: float, the variance in the file's name.
        data_dir: path of the file or its directory. There is no default,
            because the files have to be downloaded by hand.

    Returns:
        Tuple of the training and test pictures, uint8 arrays of shape
        `(rows, 28, 28, 3)`, of their labels, int arrays of shape `(rows,)`,
        and of a dict with the `source` and the MD5 `checksum` of the file.

    Raises:
        ValueError: if `data_dir` is `None`, or the file is damaged.
        FileNotFoundError: if there is no file of this variance.
    """
    if data_dir is None:
        raise ValueError(
            "Published files have to be downloaded by hand. Expected: "
            "data_dir, the directory that holds them. Received: "
            "data_dir=None. Pass it, or use digits='mnist'."
        )
    # The names have three decimals. A finer variance must not be rounded.
    path = find(data_dir).get(round(float(color_variance), 9))
    if path is None:
        raise FileNotFoundError(
            f"There is no published file for color_variance={color_variance} in "
            f"{data_dir}. Expected: a file of that variance, named like "
            f"mnist_10color_jitter_var_0.020.npy. Received: {listing(data_dir)}. "
            "Choose a variance that is there, or another directory."
        )
    content = restricted_pickle.load(path)
    keys = list(content) if isinstance(content, dict) else []
    if not set(KEYS) <= set(keys):
        raise ValueError(
            f"{path} is not a colored MNIST file. Expected: a dict with the "
            f"keys {', '.join(KEYS)}. Received: {type(content).__name__} "
            f"with the keys {keys}. Fetch the file again."
        )
    pictures, labels = zip(
        *(_split(path, content, name) for name in ("train", "test")), strict=True
    )
    checksum = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return list(pictures), list(labels), {"source": "kim", "checksum": checksum}


def listing(place: str | os.PathLike) -> str:
    """Lists what is at a place, for an error message.

    Args:
        place: path of a directory or of a file.

    Returns:
        The first 20 names, or why there is none.

    Example:

    >>> listing("no such directory")
    'no such directory'
    """
    if not Path(place).exists():
        return "no such directory"
    names = [path.name for path in _paths(place)[:20]]
    return ", ".join(names) or "an empty directory"


def _paths(place):
    place = Path(place)
    return sorted(place.iterdir()) if place.is_dir() else [place]


def _split(path, content, name):
    images = _array(content[f"{name}_image"])
    labels = _array(content[f"{name}_label"])
    # The labels may be floats, as long as they are class numbers.
    if (
        not images.size
        or images.dtype != np.uint8
        or images.shape[1:] != (28, 28, 3)
        or labels.shape != images.shape[:1]
        or not np.isin(labels, np.arange(10)).all()
    ):
        raise ValueError(
            f"{path} has unusable {name} arrays. Expected: uint8 images of "
            "shape (rows, 28, 28, 3), at least one, and a label 0..9 for each. "
            f"Received: {images.dtype} images of shape {images.shape}, {labels.dtype} "
            f"labels of shape {labels.shape}. Fetch the file again."
        )
    return images, labels


def _array(value):
    """Returns an array, or a flat list of numbers as one."""
    # Lists in lists may hold one another so often that no memory is enough.
    flat = type(value) is list and {*map(type, value)} <= {int, float}
    return value if isinstance(value, np.ndarray) else np.array(value if flat else None)
