"""Published files of colored digits, and files made in their format."""

import hashlib

import numpy as np
import pytest

from keras_unbias.data import colored_mnist, mnist, published_colored_mnist


def load(color_variance, data_dir, **settings):
    return colored_mnist.load(
        color_variance, digits="kim", data_dir=data_dir, **settings
    )


def make_published(**changes):
    generator = np.random.default_rng(3)
    return {
        "train_image": generator.integers(256, size=(12, 28, 28, 3), dtype=np.uint8),
        "train_label": np.arange(12) % 10,
        "test_image": np.zeros((4, 28, 28, 3), np.uint8),
        "test_label": np.arange(4.0),
        **changes,
    }


def write_published(directory, variance="0.020", **changes):
    path = directory / f"mnist_10color_jitter_var_{variance}.npy"
    np.save(path, make_published(**changes), allow_pickle=True)
    return path


def test_published_files_are_used_as_they_are(tmp_path):
    path = write_published(tmp_path)
    write_published(tmp_path, "0.025", train_label=np.zeros(12, int))
    first, second = (
        load(0.02, place, seed=seed) for seed, place in ((0, tmp_path), (1, path))
    )
    expected = make_published()
    for dataset in (first, second):
        np.testing.assert_array_equal(dataset.train.inputs, expected["train_image"])
        np.testing.assert_array_equal(dataset.train.labels, expected["train_label"])
        np.testing.assert_array_equal(dataset.test.labels, [0, 1, 2, 3])
    assert first.facts["source"] == "kim"
    checksum = hashlib.md5(path.read_bytes()).hexdigest()
    assert first.facts["checksum"] == checksum
    assert first.facts["train_size"] == 12
    other = load(0.025, tmp_path)
    assert other.train.labels.max() == 0


@pytest.mark.parametrize("attribute", ["bins", "bits"])
@pytest.mark.parametrize("gray_scale", [False, True])
def test_a_file_in_their_format_is_the_same_data_set(
    tmp_path, monkeypatch, attribute, gray_scale
):
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(90, 28, 28), dtype=np.uint8)
    labels = generator.integers(10, size=90, dtype=np.uint8)
    digits = mnist.GrayDigits(images[:60], labels[:60], images[60:], labels[60:], "idx")
    monkeypatch.setattr(mnist, "read_directory", lambda directory: digits)
    made = colored_mnist.load(0.03, seed=4, data_dir=tmp_path)
    content = {
        "train_image": made.train.inputs,
        "train_label": made.train.labels.astype(np.int8),
        "test_image": made.test.inputs,
        "test_label": made.test.labels.astype(np.int8),
        "test_gray": digits.test_images,
    }
    path = tmp_path / "mnist_10color_jitter_var_0.030.npy"
    np.save(path, content, allow_pickle=True)
    settings = {"attribute": attribute, "gray_scale": gray_scale}
    expected = colored_mnist.load(
        0.03, seed=4, data_dir=tmp_path, digits="mnist", **settings
    )
    read = load(0.03, tmp_path, **settings)
    for name in ("train", "test"):
        one, other = getattr(read, name), getattr(expected, name)
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.attributes, other.attributes)
        assert one.labels.dtype == other.labels.dtype
    assert read.attribute_spec == expected.attribute_spec
    origin = {
        "source": "kim",
        "checksum": hashlib.md5(path.read_bytes()).hexdigest(),
    }
    assert read.facts == {**expected.facts, **origin}


@pytest.mark.parametrize("variance", [0.03, 0.0204])
def test_a_variance_without_a_published_file_is_refused(tmp_path, variance):
    path = write_published(tmp_path)
    for place in (tmp_path, path):
        with pytest.raises(
            FileNotFoundError,
            match=f"color_variance={variance} .*Received: {path.name}. Choose",
        ):
            load(variance, place)


def test_published_files_need_a_directory(tmp_path):
    with pytest.raises(ValueError, match="Received: data_dir=None"):
        load(0.02, None)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        load(0.02, tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_image": np.zeros((12, 28, 28, 3))}, "float64 images"),
        ({"train_image": np.zeros((12, 28, 28), "u1")}, r"\(12, 28, 28\)"),
        ({"train_label": np.zeros(11, int)}, r"labels of shape \(11,\)"),
        ({"train_label": np.full(12, 10)}, "a label 0..9"),
        ({"test_label": np.full(4, 0.5)}, "unusable test arrays"),
        ({"test_label": None}, "object labels"),
        ({"test_label": [[0], [1, 2], 3, 4]}, "object labels"),
        ({"test_label": np.array([0, 1, 2, np.nan])}, "a label 0..9"),
        ({"test_label": np.eye(4)}, r"labels of shape \(4, 4\)"),
        ({"test_image": [np.zeros((28, 28, 3), "u1")] * 4}, "object images"),
        (
            {"test_image": np.zeros((0, 28, 28, 3), "u1"), "test_label": np.zeros(0)},
            "at least one",
        ),
    ],
)
def test_published_files_with_other_arrays_are_refused(tmp_path, changes, message):
    write_published(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        load(0.02, tmp_path)


def test_labels_may_be_a_list(tmp_path):
    write_published(tmp_path, test_label=[3, 1.0, 2, 0])
    assert load(0.02, tmp_path).test.labels.tolist() == [3, 1, 2, 0]


def test_lists_that_hold_one_another_are_refused(tmp_path):
    values = 0
    for _ in range(60):  # 2 ** 60 numbers, as an array
        values = [values, values]
    write_published(tmp_path, test_label=values)
    with pytest.raises(ValueError, match="object labels"):
        load(0.02, tmp_path)


def test_published_files_with_other_keys_are_refused(tmp_path):
    path = tmp_path / "mnist_10color_jitter_var_0.020.npy"
    content = make_published()
    content["labels"] = content.pop("test_label")
    np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=r"keys train_image.*Received: dict.*'labels'"):
        load(0.02, tmp_path)
    np.save(path, np.array([1, "a"], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Received: list"):
        load(0.02, tmp_path)


def test_available_digits_looks_at_the_directory_given(tmp_path):
    for name in ("idx", "kim", "empty"):
        (tmp_path / name).mkdir()
    path = write_published(tmp_path / "kim")
    for stem in mnist.CHECKSUMS:
        (tmp_path / "idx" / f"{stem}.gz").touch()
    assert colored_mnist.available_digits(tmp_path / "idx") == "mnist"
    assert colored_mnist.available_digits(tmp_path / "kim") == "kim"
    assert colored_mnist.available_digits(path) == "kim"
    with pytest.raises(
        FileNotFoundError,
        match=r"train-images-idx3.*mnist.npz.*var_0.020.*an empty directory",
    ):
        colored_mnist.available_digits(tmp_path / "empty")


def test_files_are_found_by_their_variance(tmp_path):
    first, second = (
        write_published(tmp_path),
        write_published(tmp_path, "0.025"),
    )
    (tmp_path / "mnist_10color_jitter_var_0.03.npy").touch()
    (tmp_path / "other.npy").touch()
    assert published_colored_mnist.find(tmp_path) == {
        0.02: first,
        0.025: second,
    }
    assert published_colored_mnist.find(second) == {0.025: second}
