"""Whole runs on drawn faces: from files to a served classifier."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_unbias import data, encoders, load_classifier
from keras_unbias.data import drawn_faces, imdb_faces
from reproduce.experiment import groups, run
from reproduce.experiment.settings import Settings, change


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn") / "faces"
    return drawn_faces.write(directory, rows=400, seed=1)


def settings(method, **changes):
    chosen = Settings(
        data=groups.ImdbFaces(faces="drawn", train_size=100, image_size=32),
        network=groups.Network(backbone="small", weights="none"),
        training=groups.Training(batch_size=10, epochs=1),
        method=method,
        seed=0,
    )
    return change(chosen, **changes)


@pytest.mark.slow
def test_an_epoch_from_files_to_a_served_classifier(drawn, tmp_path):
    chosen = settings(
        groups.MutualInformation(mi_weight=0.5),
        critic="concatenated",
        critic_hidden=(16,),
        standardize=False,
        estimator_steps=2,
        estimator_batches=4,
        estimator_accumulate=2,
        estimator_optimizer="sgd",
        estimator_learning_rate=0.1,
    )
    record = run.train(chosen, output_dir=tmp_path, data_dir=drawn)
    assert record.status == "done"
    faces = data.load(
        "imdb_faces",
        train_size=100,
        faces="drawn",
        image_size=32,
        data_dir=drawn,
    )
    classifier = load_classifier(run.directory(chosen, tmp_path) / "model")
    for name, metric in (("test", "test_accuracy"), ("eb2", "eb2_accuracy")):
        right = [
            classifier(x)["logits"].numpy().argmax(-1) == y["label"].numpy()
            for x, y in faces.batches(name, 50)
        ]
        assert record.metrics[metric] == pytest.approx(np.concatenate(right).mean())
    assert set(record.estimates) == {
        "mutual_information",
        "conditional_mutual_information",
        "probe_accuracy",
        "majority_accuracy",
    }
    outputs = classifier(next(iter(faces.batches("test", 2000)))[0])
    expected = pd.DataFrame(
        {
            "label": faces.test.labels,
            "bin": faces.test.attributes.argmax(1),
            "correct": outputs["logits"].numpy().argmax(1) == faces.test.labels,
        }
    ).pivot_table("correct", ["label", "bin"], aggfunc=["mean", "size"])
    for (label, age), row in expected.iterrows():
        group = f"{label}, {age}"
        assert record.metrics["rows_by_group"][group] == row["size"].item()
        accuracy = record.metrics["accuracy_by_group"][group]
        assert accuracy == pytest.approx(row["mean"].item())
    assert len(record.metrics["rows_by_group"]) == len(expected)
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
        for one, other in zip(encoder.layers[1].get_weights(), weights, strict=True):
            np.testing.assert_array_equal(one, other)
    changed = settings(groups.Erm(), weights="body.keras", learning_rate=1e-12)
    record = run.train(changed, output_dir=tmp_path, data_dir=drawn)
    assert len(record.data["weights_checksum"]) == 64
    (drawn / "bad.h5").write_bytes(b"no HDF5")
    with pytest.raises(ValueError, match=r"bad.h5 do not fit the backbone"):
        encoders.face_encoder(
            shape=(32, 32, 3),
            backbone="small",
            weights="bad.h5",
            data_dir=drawn,
        )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": "no.h5"}, FileNotFoundError, r"weights.*no.h5"),
        ({"backbone": "LeNet"}, ValueError, r"Unknown backbone.*LeNet"),
    ],
)
def test_weights_are_looked_for_before_the_images(
    tmp_path, monkeypatch, changes, error, message
):
    def load(**settings):
        pytest.fail("The data were read.")

    monkeypatch.setitem(data.DATASETS, "imdb_faces", load)
    with pytest.raises(error, match=message):
        run.train(settings(groups.Erm(), **changes), output_dir=tmp_path)
