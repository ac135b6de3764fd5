"""Random distortions of training images."""

import math

import tensorflow as tf


def random_affine(images, seed, *, shift=2.0, rotation=10.0, zoom=0.1):
    """Shifts, turns and scales every image on its own, about its middle.

    What leaves the image is lost, what comes in is 0. No colour changes but
    by the interpolation between pixels, which is bilinear.

    Args:
        images: `(n, height, width, channels)` tensor, integer or float.
        seed: `(2,)` integer tensor.
        shift: float, the most that an image moves along each axis, pixels.
        rotation: float, the most that it turns, degrees.
        zoom: float below 1, the most that each axis is scaled by.

    Returns:
        Tensor like `images`.
    """
    rows, height, width = tf.unstack(tf.shape(images)[:3])
    draws = tf.random.stateless_uniform((5, rows), seed, -1.0, 1.0)
    angle = draws[0] * (rotation * math.pi / 180)
    across, along = 1 + zoom * draws[1], 1 + zoom * draws[2]
    # From a pixel of the result to the place in the image that it shows.
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
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, images.shape)
