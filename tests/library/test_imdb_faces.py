"""Faces as a data set: splits, labels, ages, and images that are bad."""

import numpy as np
import pytest
from faces import people, write

from keras_unbias.data import age_bias, imdb_faces


def test_splits_labels_and_attributes(tmp_path):
    directory = write(tmp_path / "faces", people())
    data = imdb_faces.load(train_split="eb2", seed=3, train_size=30, data_dir=directory)
    assert set(data.further) == {"eb1"}
    ages = {"eb1": {0: 20, 1: 50}, "eb2": {0: 41, 1: 30}}
    for name, split in (("eb1", data.further["eb1"]), ("eb2", data.train)):
        for label, age in ages[name].items():
            rows = split.attributes[split.labels == label]
            expected = np.eye(12)[age_bias.age_bin(age)]
            assert (rows == expected).all() and len(rows)
    assert len(data.train) == data.facts["train_size"] == 30
    assert data.facts["split_sizes"]["test"] == len(data.test) == 32
    assert data.attribute_spec.widths == (12,)
    # One number tells the gender here: I(Y;C) = H(Y) = H(C).
    share = data.train.labels.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    # (Miller and Madow's correction of one degree of freedom.)
    assert data.facts["floor_nats"] == pytest.approx(entropy + 1 / 60)
    x, _ = next(iter(data.batches("train", 7)))
    assert x.shape == (7, 224, 224, 3) and (x.numpy() == 77).all()
    everything = imdb_faces.load(
        train_split="eb2", seed=3, train_size=None, data_dir=directory
    )
    assert len(everything.train) == data.facts["split_sizes"]["eb2"]


def test_the_seed_draws_the_training_rows(tmp_path):
    directory = write(tmp_path / "faces", people())

    def rows(seed):
        data = imdb_faces.load(
            train_split="eb1", seed=seed, train_size=30, data_dir=directory
        )
        return data.train.inputs.tolist(), data.test.inputs.tolist()

    assert rows(1) == rows(1)
    assert sorted(rows(1)[0]) != sorted(rows(2)[0])
    assert rows(1)[1] == rows(2)[1]


def test_bad_images_are_named_or_skipped_and_counted(tmp_path):
    directory = write(tmp_path / "faces", people())
    settings = {"train_split": "eb1", "seed": 0, "data_dir": directory}
    data = imdb_faces.load(**settings, train_size=30)
    (first, second), test = data.train.inputs[:2], data.test.inputs[0]
    with open(first, "wb") as file:
        file.write(b"\xff\xd8 no more")
    for path in (second, test):
        (directory / path).unlink()
    with pytest.raises(ValueError, match=r".jpg cannot be read.*2 of 30"):
        imdb_faces.load(**settings, train_size=30)
    again = imdb_faces.load(**settings, train_size=30, skip_bad_images=True)
    assert again.facts["left_out"]["bad image"] == 3
    rows = again.facts["split_sizes"]["eb1"]
    with pytest.raises(ValueError, match=f"<= {rows - 2}. .* 2 of {rows} im"):
        imdb_faces.load(**settings, train_size=rows, skip_bad_images=True)
    # Two others take their place.
    assert len(again.train) == 30 and len(again.test) == len(data.test) - 1
    assert set(data.train.inputs[2:]) < set(again.train.inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_split": "eb3"}, "Unknown train_split.*eb3"),
        ({"faces": "celeba"}, "Unknown faces.*celeba"),
        ({"train_size": 0}, "train_size"),
        ({"train_size": 500}, "has too few rows.*500"),
        ({"seed": -1}, "seed"),
        ({"image_size": 0}, "image_size"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, changes, message):
    directory = write(tmp_path / "faces", people(), images=False)
    settings = {"train_split": "eb1", "seed": 0, "data_dir": directory}
    with pytest.raises(ValueError, match=message):
        imdb_faces.load(**{**settings, **changes})


def test_without_a_directory_the_error_says_where_to_look():
    with pytest.raises(FileNotFoundError, match=r"imdb-wiki.*the directory"):
        imdb_faces.load()


def test_no_readable_image_is_an_error(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    with pytest.raises(ValueError, match="No image of the split eb1 can be read"):
        imdb_faces.load(
            train_split="eb1",
            seed=0,
            train_size=5,
            skip_bad_images=True,
            data_dir=directory,
        )
