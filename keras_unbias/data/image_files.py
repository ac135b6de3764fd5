"""Image files that are read when a batch needs them."""

import contextlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from keras_unbias.data import regular_file

# Smaller images are placeholders.
MIN_SIDE = 8
LARGEST = 2**28
# Pillow's others hold measurements, or run another program, as EPS does.
FORMATS = (
    *("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF"),
    *("DIB", "ICO", "PCX", "QOI", "SGI", "SUN", "TGA", "XBM", "XPM"),
)
# Tags of TIFF, and the code of a scale whose zero is black.
BITS_PER_SAMPLE, PHOTOMETRIC, BLACK_IS_ZERO = 258, 262, 1


def read(path: str | os.PathLike, size: int) -> np.ndarray:
    """Reads one image file.

    Args:
        path: path of a file of one of the `FORMATS`. Its first frame counts.
        size: int, height and width of the result.

    Returns:
        Uint8 array of shape `(size, size, 3)`, RGB, upright as the camera
        says. Gray images get three equal channels, 16 bits become 8, and
        transparency is ignored.

    Raises:
        ValueError: if the file is missing, damaged or not a regular file, if
            the image has less than 8 pixels in height or width or more than
            Pillow's `MAX_IMAGE_PIXELS`, or if its values have no known range,
            as floats do.

    Example:

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     Image.new("L", (20, 10), 77).save(file.name)
    ...     read(file.name, 8)[0, 0]
    array([77, 77, 77], dtype=uint8)
    """
    name = os.fsdecode(path)
    try:
        content = regular_file.read(path, largest=LARGEST)
    # A name may hold what no path can, such as a zero byte.
    except (OSError, ValueError) as error:
        raise _refusal(name, error) from error
    return decode(content, size, name=name)


def decode(content: bytes, size: int, *, name: str = "in memory") -> np.ndarray:
    """Decodes the content of one image file.

    Args:
        content: bytes, the content of the file.
        size: int, height and width of the result.
        name: str, what an error calls the image. Defaults to `"in memory"`.

    Returns:
        Uint8 array of shape `(size, size, 3)`, as `read` returns it.

    Raises:
        ValueError: as `read`.

    Example:

    >>> file = io.BytesIO()
    >>> Image.new("L", (20, 10), 77).save(file, "PNG")
    >>> decode(file.getvalue(), 8)[0, 0]
    array([77, 77, 77], dtype=uint8)
    """
    try:
        content = io.BytesIO(content)
        with Image.open(content, formats=FORMATS) as image:
            width, height = image.size
            most = Image.MAX_IMAGE_PIXELS or width * height
            if min(image.size) < MIN_SIDE or width * height > most:
                raise ValueError(f"{width} x {height} pixels")
            # Otherwise Pillow does not look at the checksums of PNG.
            image.verify()
        with Image.open(content, formats=FORMATS) as image:
            image.load()
            # What cameras write besides the picture is often not to be read.
            with contextlib.suppress(Exception):
                ImageOps.exif_transpose(image, in_place=True)
            image = _with_8_bits(image).convert("RGB")
            return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    # Pillow's plugins fail in many ways on damaged files.
    except Exception as error:
        raise _refusal(name, error) from error


def _refusal(name, reason):
    return ValueError(
        f"The image {name} cannot be read. Expected: an image of 8 or 16 bits, of "
        f"{MIN_SIDE} x {MIN_SIDE} to {Image.MAX_IMAGE_PIXELS} pixels, in one of the "
        f"formats {', '.join(FORMATS)}. Received: {reason}. Fetch it again, save it "
        "as PNG of 8 bits, or leave it out."
    )


def _with_8_bits(image):
    """Scales 16 bits to 8, where Pillow would cut off all above 255."""
    # All other modes have 8 bits.
    if not image.mode.startswith(("I", "F")):
        return image
    tags = getattr(image, "tag_v2", {})
    (bits,) = tags.get(BITS_PER_SAMPLE, (16,))
    known = image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")
    if not known or tags.get(PHOTOMETRIC, BLACK_IS_ZERO) != BLACK_IS_ZERO:
        raise ValueError(f"pixels of the mode {image.mode}, whose range is unknown")
    values = np.asarray(image).astype(np.float64) * 255 / (2**bits - 1)
    return Image.fromarray(np.rint(values).astype(np.uint8))


def decoder(
    size: int, read: Callable[[str | bytes, int], np.ndarray] = read
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes a function from inputs to images, for `BiasedDataset.decode`.

    Several threads read the images of a batch.

    Args:
        size: int, height and width of the images.
        read: function from an input and a size to an image. Defaults to
            `read`, for paths. `decode` is for contents of files.

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

    def read_all(inputs):
        images = list(threads.map(lambda one: read(one, size), inputs))
        return np.stack(images) if images else empty

    empty = np.empty((0, size, size, 3), np.uint8)

    def decode_batch(inputs):
        images = tf.numpy_function(read_all, [inputs], tf.uint8, stateful=False)
        return tf.ensure_shape(images, (None, size, size, 3))

    return decode_batch


def unreadable(
    inputs: Sequence[str | bytes],
    read: Callable[[str | bytes, int], np.ndarray] = read,
) -> dict[str | bytes, str]:
    """Finds the images that cannot be read.

    Args:
        inputs: sequence of paths, or of other inputs of `read`.
        read: as in `decoder`.

    Returns:
        Dict from those inputs to the message of the error.

    Example:

    >>> list(unreadable(["no such file.png"]))
    ['no such file.png']
    """

    def problem(one):
        try:
            read(one, MIN_SIDE)
        except ValueError as error:
            return str(error)
        return None

    with futures.ThreadPoolExecutor() as threads:
        problems = list(threads.map(problem, inputs))
    return {one: text for one, text in zip(inputs, problems, strict=True) if text}
