import json

import numpy as np
import pytest
from faces import people, write

from keras_unbias import encoders, serving
from keras_unbias.data import drawn_faces, imdb_faces
from reproduce.experiment import run
from reproduce.experiment.records import RunConfig


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn") / "faces"
    return drawn_faces.write(directory, rows=400, seed=1)


def test_bins_of_age():
    ages = [0, 19, 20, 24, 25, 29, 30, 65, 69, 70, 100, 119]
    bins = [0, 0, 1, 1, 2, 2, 3, 10, 10, 11, 11, 11]
    assert imdb_faces.age_bin(ages).tolist() == bins
    # Bins of five years from 20 on.
    for age in range(20, 70):
        assert imdb_faces.age_bin(age) == 1 + (age - 20) // 5


def test_splits_labels_and_attributes(tmp_path):
    directory = write(tmp_path / "faces", people())
    data = imdb_faces.load(
        train_split="eb2", seed=3, train_size=30, data_dir=directory
    )
    assert set(data.further) == {"eb1"}
    ages = {"eb1": {0: 20, 1: 50}, "eb2": {0: 41, 1: 30}}
    for name, split in (("eb1", data.further["eb1"]), ("eb2", data.train)):
        for label, age in ages[name].items():
            rows = split.attributes[split.labels == label]
            expected = np.eye(12)[imdb_faces.age_bin(age)]
            assert (rows == expected).all() and len(rows)
    assert len(data.train) == data.facts["train_size"] == 30
    assert data.facts["split_sizes"]["test"] == len(data.test) == 32
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
    with pytest.raises(ValueError, match=".jpg cannot be read.*2 of 30"):
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
        ({"train_size": 500}, "has fewer rows.*500"),
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
    with pytest.raises(FileNotFoundError, match="IMDB.md"):
        imdb_faces.load(train_split="eb1", seed=0)


def test_no_readable_image_is_an_error(tmp_path):
    directory = write(tmp_path / "faces", people(), images=False)
    with pytest.raises(ValueError, match="No image of a split can be read"):
        imdb_faces.load(
            train_split="eb1",
            seed=0,
            train_size=5,
            skip_bad_images=True,
            data_dir=directory,
        )


def test_drawn_faces_are_what_their_files_say(drawn):
    data = imdb_faces.load(
        train_split="eb1",
        seed=0,
        train_size=None,
        faces="drawn",
        image_size=48,
        data_dir=drawn,
    )
    assert data.facts["note"] == imdb_faces.DRAWN
    left_out = sum(data.facts["left_out"].values())
    assert 0 < left_out < 30
    images = np.concatenate([x for x, _ in data.batches("train", 64)])
    # In EB1 the older are the men; their hair is greyer.
    brightness = images[:, 6:9, 20:28].mean((1, 2, 3))
    labels = data.train.labels
    assert brightness[labels == 1].mean() > 20 + brightness[labels == 0].mean()
    before = sorted(drawn.rglob("*"))
    assert drawn_faces.write(drawn, rows=10) == drawn
    assert sorted(drawn.rglob("*")) == before


def config(method, **changes):
    settings = {
        "faces": "drawn",
        "train_split": "eb1",
        "train_size": 100,
        "image_size": 32,
        "backbone": "small",
        "weights": "none",
        "batch_size": 10,
        "epochs": 1,
        "learning_rate": 1e-3,
        "decay": "constant",
        "weight_averaging": 0.0,
        "precision": "float32",
        "prior_strength": 0.0,
    }
    if method == "mi_backprop":
        settings.update(
            mi_weight=0.5,
            conditional=False,
            critic="concatenated",
            critic_hidden=[16],
            standardize=False,
            estimator_steps=2,
            estimator_batches=4,
            estimator_accumulate=2,
            estimator_optimizer="sgd",
            estimator_learning_rate=0.1,
            own_optimizer=True,
            clip=True,
        )
    return RunConfig(
        "imdb_faces", method, method, "test", 0, {**settings, **changes}
    )


def test_an_epoch_from_files_to_a_served_classifier(drawn, tmp_path):
    record = run.train(
        config("mi_backprop"), output_dir=tmp_path, data_dir=drawn
    )
    assert record.status == "done"
    data = imdb_faces.load(
        train_split="eb1",
        seed=0,
        train_size=100,
        faces="drawn",
        image_size=32,
        data_dir=drawn,
    )
    classifier = serving.load_classifier(
        record.config.directory(tmp_path) / "model"
    )
    for name, metric in (("test", "test_accuracy"), ("eb2", "eb2_accuracy")):
        right = [
            classifier(x)["logits"].numpy().argmax(-1) == y["label"].numpy()
            for x, y in data.batches(name, 50)
        ]
        assert record.metrics[metric] == pytest.approx(
            np.concatenate(right).mean()
        )
    assert {"mutual_information", "conditional_mutual_information"} == set(
        record.audit
    )
    text = json.dumps(record.data)
    assert "split_sizes" in text and imdb_faces.DRAWN in text


@pytest.mark.slow
def test_weights_of_a_file_are_what_a_run_begins_with(drawn, tmp_path):
    body = encoders.face_encoder(
        shape=(32, 32, 3), backbone="small", weights="none"
    ).layers[1]
    weights = [w + 0.25 for w in body.get_weights()]
    body.set_weights(weights)
    body.save_weights(drawn / "body.weights.h5")
    body.save(drawn / "body.keras")
    for name in ("body.weights.h5", "body.keras"):
        encoder = encoders.face_encoder(
            shape=(32, 32, 3), backbone="small", weights=name, data_dir=drawn
        )
        for one, other in zip(
            encoder.layers[1].get_weights(), weights, strict=True
        ):
            np.testing.assert_array_equal(one, other)
    changed = config("erm", weights="body.keras", learning_rate=1e-12)
    record = run.train(changed, output_dir=tmp_path, data_dir=drawn)
    assert len(record.data["weights_checksum"]) == 64
    with pytest.raises(FileNotFoundError, match="weights.*no.h5"):
        run.train(
            config("erm", weights="no.h5"),
            output_dir=tmp_path / "other",
            data_dir=drawn,
        )
    (drawn / "bad.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match="bad.h5 do not fit the backbone"):
        encoders.face_encoder(
            shape=(32, 32, 3),
            backbone="small",
            weights="bad.h5",
            data_dir=drawn,
        )


def test_weights_are_looked_for_before_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(
        training, "_load", lambda *_: pytest.fail("The data were read.")
    )
    for changes, message in (
        ({"weights": "no.h5"}, "no.h5"),
        ({"backbone": "LeNet"}, "Unknown backbone.*LeNet"),
    ):
        with pytest.raises((FileNotFoundError, ValueError), match=message):
            run.train(config("erm", **changes), output_dir=tmp_path)
