"""Image files: what is read, what is refused, and batches of them."""

import os
import resource
import struct
import zlib

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


def test_the_content_of_a_file_is_the_image(tmp_path):
    path = save(tmp_path / "a.jpg")
    content = path.read_bytes()
    expected = image_files.read(path, 16)
    np.testing.assert_array_equal(image_files.decode(content, 16), expected)
    decode = image_files.decoder(16, image_files.decode)
    np.testing.assert_array_equal(decode(tf.constant([content])), expected[None])
    bad = [content[:-20], b""]
    for one, name in zip(bad, ["in memory", "mine"], strict=True):
        with pytest.raises(ValueError, match=f"The image {name} cannot be read"):
            image_files.decode(one, 8, name=name)
    assert list(image_files.unreadable([content, *bad], image_files.decode)) == bad


@pytest.mark.parametrize("shape", [(7, 20), (20, 7)])
def test_images_of_less_than_8_pixels_are_placeholders(tmp_path, shape):
    path = save(tmp_path / "small.png", shape)
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} pixels"):
        image_files.read(path, 8)
    smallest = save(tmp_path / "smallest.png", (8, 8))
    assert image_files.read(smallest, 8).shape == (8, 8, 3)


RAMP = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)


def deep_png(path, pixels, color_type):
    """Writes 16 bits per channel, which Pillow writes of gray alone."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b""))


def deep_pictures(place):
    """Yields paths of pictures of more than 8 bits that show `RAMP`."""
    for kind in ("PNG", "TIFF", "JPEG2000", "PPM"):
        Image.fromarray(RAMP).save(place / kind, kind)
        yield place / kind
    Image.fromarray(RAMP.astype(">u2")).save(place / "big.tiff")
    yield place / "big.tiff"
    rgb, full = np.repeat(RAMP[..., None], 3, 2), np.full_like(RAMP, 65535)
    for color_type, pixels in [
        (2, rgb),
        (4, np.dstack([RAMP, full])),
        (6, np.dstack([rgb, full])),
    ]:
        deep_png(place / f"{color_type}.png", pixels, color_type)
        yield place / f"{color_type}.png"
    for most in (1000, 4095):
        values = np.rint(RAMP * (most / 65535)).astype(">u2").tobytes()
        (place / f"{most}.pgm").write_bytes(b"P5 20 20 %d\n" % most + values)
        yield place / f"{most}.pgm"


def test_pictures_of_more_than_8_bits_are_scaled(tmp_path):
    for path in deep_pictures(tmp_path):
        image = image_files.read(path, 20)
        assert (image == image[..., :1]).all()
        # A 16-bit number consists of 257 steps for each of 8 bits.
        np.testing.assert_allclose(image[..., 0], RAMP / 257, atol=1, err_msg=path)


@pytest.mark.parametrize(
    ("kind", "pixels", "options"),
    [
        ("TIFF", RAMP.astype(np.int32), {}),
        ("TIFF", (RAMP / 65535).astype(np.float32), {}),
        ("PPM", (RAMP / 65535).astype(np.float32), {}),
        # White is zero, which Pillow does not turn.
        ("TIFF", RAMP, {"tiffinfo": {262: 0}}),
    ],
)
def test_pixels_of_an_unknown_range_are_refused(tmp_path, kind, pixels, options):
    Image.fromarray(pixels).save(tmp_path / "a", kind, **options)
    with pytest.raises(ValueError, match="cannot be read.*whose range is unknown"):
        image_files.read(tmp_path / "a", 8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "JPEG", "WEBP", "TGA"])
def test_pictures_of_8_bits_are_what_they_show(tmp_path, mode, kind):
    white = Image.new("L", (20, 20), 255)
    white.paste(0, (0, 0, 20, 10))
    try:
        white.convert("RGB").convert(mode).save(tmp_path / "a", kind)
    except (OSError, ValueError):
        pytest.skip("Pillow does not write it.")
    image = image_files.read(tmp_path / "a", 20).astype(int)
    np.testing.assert_allclose(image, np.asarray(white)[..., None] + [0, 0, 0], atol=20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_pictures_are_upright(tmp_path, kind):
    # The red half is above. A camera that lay on its side says so.
    sides = {1: (0, 8), 3: (15, 8), 6: (8, 15), 8: (8, 0)}
    for orientation, (row, column) in sides.items():
        image = Image.new("RGB", (16, 16), (0, 0, 255))
        image.paste((255, 0, 0), (0, 0, 16, 8))
        exif = Image.Exif()
        exif[0x112] = orientation
        image.save(tmp_path / "a", kind, exif=exif, quality=95)
        red, _, blue = image_files.read(tmp_path / "a", 16)[row, column].astype(int)
        assert red > 200 > 60 > blue


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_does_not_matter(tmp_path, kind):
    image = Image.new("RGB", (16, 16), (0, 0, 255))
    image.save(tmp_path / "a", kind, exif=b"Exif\0\0XX no EXIF")
    assert image_files.read(tmp_path / "a", 16)[8, 8, 2] > 240


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_the_first_frame_counts(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a", kind, save_all=True, append_images=frames[1:])
    red, _, blue = image_files.read(tmp_path / "a", 16)[8, 8]
    assert red > 200 and blue < 60


def test_a_changed_bit_of_a_png_is_found(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read.*checksum"):
        image_files.read(tmp_path / "a.png", 30)


def test_what_could_block_or_run_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "directory.jpg").mkdir()
    for name in ("pipe.jpg", "zero.jpg", "directory.jpg"):
        with pytest.raises(ValueError, match=f"{name} cannot.*not a regular file"):
            image_files.read(tmp_path / name, 8)
    # Pillow would start Ghostscript.
    Image.new("RGB", (20, 20)).save(tmp_path / "a.jpg", "EPS")
    with pytest.raises(ValueError, match="cannot identify image file"):
        image_files.read(tmp_path / "a.jpg", 8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(ValueError, match="30 x 20 pixels"), pytest.warns(match="bomb"):
        image_files.read(save(tmp_path / "large.png", (30, 20)), 8)


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
