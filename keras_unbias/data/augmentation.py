"""Random distortions of training images."""

import math

import tensorflow as tf


def random_affine(
    images: tf.Tensor,
    seed: tf.Tensor,
    *,
    shift: float = 2.0,
    rotation: float = 10.0,
    zoom: float = 0.1,
) -> tf.Tensor:
    """Shifts, rotates and scales every image at random about its center.

    A pixel of the result is a copy of the nearest of the image, so an image of
    two colors keeps them, at its edges too. Pixels that leave the image are
    lost, and 0 comes in from outside.

    Args:
        images: int or float tensor of shape `(n, height, width, channels)`.
        seed: int tensor of shape `(2,)`. The same seed distorts alike.
        shift: float, the largest shift along each axis, in pixels. Defaults
            to 2.
        rotation: float, the largest rotation, in degrees. Defaults to 10.
        zoom: float below 1, the largest change of the scale of each axis.
            Defaults to 0.1.

    Returns:
        Tensor of the shape and dtype of `images`.

    Example:

    >>> images = np.zeros((5, 28, 28, 3), "uint8")
    >>> random_affine(images, (0, 1)).shape
    TensorShape([5, 28, 28, 3])
    """
    images = tf.convert_to_tensor(images)
    rows, height, width = tf.unstack(tf.shape(images)[:3])
    draws = tf.random.stateless_uniform((5, rows), seed, -1.0, 1.0)
    angle = draws[0] * (rotation * math.pi / 180)
    across, along = 1 + zoom * draws[1], 1 + zoom * draws[2]
    # The matrix maps a pixel of the result to the place in the image that it
    # shows: rotation and scales, then what keeps the center, then the shift.
    a, b = across * tf.cos(angle), -along * tf.sin(angle)
    c, d = across * tf.sin(angle), along * tf.cos(angle)
    x = tf.cast(width - 1, tf.float32) / 2
    y = tf.cast(height - 1, tf.float32) / 2
    zero = tf.zeros_like(angle)
    transforms = tf.stack(
        [
            *(a, b, x - a * x - b * y + shift * draws[3]),
            *(c, d, y - c * x - d * y + shift * draws[4]),
            *(zero, zero),
        ],
        axis=1,
    )
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, images.shape)


def random_mirror(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Exchanges left and right in each image with probability 1/2.

    Args:
        images: tensor of shape `(n, height, width, channels)`.
        seed: int tensor of shape `(2,)`. The same seed mirrors alike.

    Returns:
        Tensor of the shape and dtype of `images`.

    Example:

    >>> images = np.zeros((5, 48, 48, 3), "uint8")
    >>> random_mirror(images, (0, 1)).shape
    TensorShape([5, 48, 48, 3])
    """
    images = tf.convert_to_tensor(images)
    draws = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed)
    return tf.where(draws < 0.5, tf.reverse(images, [2]), images)
