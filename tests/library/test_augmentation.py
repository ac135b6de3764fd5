"""Distortions of images, by the moments of what they show."""

import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.data.augmentation import random_affine, random_mirror

SIZE = 41
MIDDLE = (SIZE - 1) / 2


def bars(rows, dtype="float32"):
    """Images of a horizontal bar in the middle, in one color."""
    images = np.zeros((rows, SIZE, SIZE, 3), dtype)
    images[:, 18:23, 10:31] = (200, 100, 50)
    return images


def moments(images):
    """Centers (n, 2) and covariances (n, 2, 2) of the mass, x before y."""
    mass = images[..., 0] / images[..., 0].sum((1, 2), keepdims=True)
    y, x = np.mgrid[:SIZE, :SIZE]
    places = np.stack([x, y], -1).reshape(-1, 2)
    mass = mass.reshape(len(mass), -1)
    centers = mass @ places
    apart = places[None] - centers[:, None]
    return centers, np.einsum("np,npi,npj->nij", mass, apart, apart)


def distorted(seed=0, **most):
    given = {"shift": 0.0, "rotation": 0.0, "zoom": 0.0, **most}
    return random_affine(tf.constant(bars(400)), (seed, 1), **given).numpy()


def test_nothing_is_moved_by_nothing():
    np.testing.assert_allclose(distorted(), bars(400), atol=1e-3)


def test_shift_moves_each_image_along_both_axes_evenly():
    centers, _ = moments(distorted(shift=3.0))
    moved = centers - MIDDLE
    assert np.abs(moved).max() <= 3.01
    # Uniform: mean 0, deviation 3 / sqrt(3).
    np.testing.assert_allclose(moved.mean(0), 0, atol=0.3)
    np.testing.assert_allclose(moved.std(0), 3 / np.sqrt(3), rtol=0.1)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.15


def test_rotation_is_about_the_middle_and_in_degrees():
    centers, spread = moments(distorted(rotation=20.0))
    np.testing.assert_allclose(centers, MIDDLE, atol=0.1)
    angle = 0.5 * np.arctan2(2 * spread[:, 0, 1], spread[:, 0, 0] - spread[:, 1, 1])
    angle = np.degrees(angle)
    assert 19 < np.abs(angle).max() < 20.5
    assert angle.std() == pytest.approx(20 / np.sqrt(3), rel=0.1)


def test_zoom_scales_each_axis_on_its_own():
    _, spread = moments(distorted(zoom=0.2))
    _, original = moments(bars(1))
    scale = np.sqrt(spread[:, 0, 0] / original[0, 0, 0])
    # Of 21 pixels at least 21 / 1.2 and at most 21 / 0.8 come, an odd number.
    assert scale.min() == pytest.approx(np.sqrt((17**2 - 1) / (21**2 - 1)))
    assert scale.max() == pytest.approx(np.sqrt((27**2 - 1) / (21**2 - 1)))


def test_the_color_stays():
    images = random_affine(tf.constant(bars(50, "uint8")), (0, 1)).numpy()
    assert images.dtype == np.uint8
    # No pixel is a mixture of others.
    colors = np.unique(images.reshape(-1, images.shape[-1]), axis=0)
    np.testing.assert_array_equal(colors, np.unique(bars(1).reshape(-1, 3), axis=0))


def test_the_seed_tells():
    np.testing.assert_array_equal(distorted(3, shift=2), distorted(3, shift=2))
    assert np.any(distorted(3, shift=2) != distorted(4, shift=2))


def test_half_of_the_images_are_mirrored():
    images = np.random.default_rng(0).integers(0, 255, (400, 4, 5, 3)).astype("uint8")
    found = random_mirror(images, (0, 1)).numpy()
    assert found.dtype == np.uint8
    turned = (found != images).any((1, 2, 3))
    assert 150 < turned.sum() < 250
    np.testing.assert_array_equal(found[turned], images[turned][:, :, ::-1])
    np.testing.assert_array_equal(random_mirror(images, (0, 1)), found)
    assert (random_mirror(images, (0, 2)).numpy() != found).any()
