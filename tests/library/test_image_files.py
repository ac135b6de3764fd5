"""Image files: what is read, what is refused, and batches of them."""

import resource

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_unbias.data import BiasedDataset, Split, image_files


def save(path, shape=(20, 30), mode="RGB", color=(250, 10, 99)):
    Image.new(mode, shape, color).save(path)
    return path


def test_images_are_rgb_of_the_size_that_is_wanted(tmp_path):
    gradient = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    Image.fromarray(gradient).save(tmp_path / "gray.png")
    gray = image_files.read(tmp_path / "gray.png", 10)
    assert gray.shape == (10, 10, 3) and gray.dtype == np.uint8
    # A triangle filter on a ramp gives its mean, but at the edges.
    means = gradient[0].reshape(10, 3).mean(1)
    np.testing.assert_allclose(gray[5, 1:-1, 0], means[1:-1], atol=1)
    assert (gray == gray[:, :, :1]).all()
    colored = image_files.read(save(tmp_path / "a.png"), 12)
    assert (colored == [250, 10, 99]).all()
    cmyk = save(tmp_path / "b.jpg", mode="CMYK", color=(0, 0, 0, 255))
    assert image_files.read(cmyk, 9).max() < 5


def damaged(tmp_path):
    whole = save(tmp_path / "whole.jpg", (64, 64))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-200])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    return [
        cut,
        text,
        tmp_path / "missing.jpg",
        save(tmp_path / "pixel.jpg", (1, 1)),
    ]


def test_bad_images_are_named(tmp_path):
    bad = damaged(tmp_path)
    for path in bad:
        with pytest.raises(ValueError, match=f"{path.name} cannot be read"):
            image_files.read(path, 8)
    paths = [str(path) for path in [*bad, tmp_path / "whole.jpg"]]
    problems = image_files.unreadable(paths)
    assert list(problems) == paths[:-1]
    assert "1 x 1 pixels" in problems[paths[3]]


@pytest.mark.parametrize("shape", [(7, 20), (20, 7)])
def test_images_of_less_than_8_pixels_are_placeholders(tmp_path, shape):
    path = save(tmp_path / "small.png", shape)
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} pixels"):
        image_files.read(path, 8)
    smallest = save(tmp_path / "smallest.png", (8, 8))
    assert image_files.read(smallest, 8).shape == (8, 8, 3)


def dataset(paths, size=16):
    split = Split(
        np.array([str(path) for path in paths]),
        np.zeros(len(paths), int),
        np.zeros((len(paths), 1)),
    )
    return BiasedDataset(
        name="files",
        train=split,
        test=split,
        num_classes=2,
        decode=image_files.decoder(size),
        facts={},
    )


def test_a_data_set_reads_files_in_order(tmp_path):
    colors = [(40 * n, 0, 255 - 40 * n) for n in range(5)]
    paths = [save(tmp_path / f"{n}.png", color=color) for n, color in enumerate(colors)]
    data = dataset(paths)
    assert data.input_shape == (16, 16, 3)
    images = [x for x, _ in data.batches("train", 2)]
    assert [len(x) for x in images] == [2, 2, 1]
    np.testing.assert_array_equal(tf.concat(images, 0)[:, 3, 3], colors)
    chosen = list(data.batches("train", 2, np.array([4, 0])))
    np.testing.assert_array_equal(chosen[0][0][:, 0, 0], [colors[4], colors[0]])


def test_a_file_that_vanishes_is_named_by_the_pipeline(tmp_path):
    paths = [save(tmp_path / f"{n}.png") for n in range(3)]
    data = dataset(paths)
    paths[1].unlink()
    with pytest.raises(tf.errors.OpError, match=r"1.png cannot be read"):
        list(data.batches("train", 3))


@pytest.mark.slow
def test_memory_stays_flat(tmp_path):
    paths = [save(tmp_path / f"{n}.jpg", (16, 16)) for n in range(500)]
    stream = iter(dataset(paths, size=100).stream(100, seed=0))

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    for _ in range(20):
        next(stream)
    before = peak()
    for _ in range(100):
        next(stream)
    # 10,000 images of 30 kB are 300 MB.
    assert peak() - before < 30
