"""Classifiers loaded from SavedModels and `.keras` files."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from served import built, check_outputs, images, small_classifier, softmax
from small_models import TwoInputs

import keras_unbias
from keras_unbias.encoders import digit_encoder
from keras_unbias.methods import RepresentationClassifier

PLAIN_TENSORFLOW = """
import sys
sys.modules["keras_unbias"] = None  # importing it fails
import numpy, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
images = numpy.load(sys.argv[2])
for rows in (1, 5):
    served = model.serve(images[:rows])
    assert served["logits"].shape == (rows, 10)
    assert served["features"].shape == (rows, 64)
names = model.signatures["class_names"]()["class_names"]
assert names.numpy().tolist() == [b"%d" % digit for digit in range(10)]
served = model.signatures["serving_default"](inputs=tf.constant(images))
numpy.savez(sys.argv[3], **served)
"""
FRESH_PROCESS = """
import sys, numpy, keras_unbias
classifier = keras_unbias.load_classifier(sys.argv[1])
numpy.savez(sys.argv[3], **classifier(numpy.load(sys.argv[2])))
"""
ROOT = pathlib.Path(__file__).parents[2]


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


@pytest.mark.slow
def test_a_classifier_serves_uint8_images(tmp_path):
    model = RepresentationClassifier(digit_encoder(), 10)
    model.compile()
    model.build((None, 28, 28, 3))
    model.export(tmp_path / "model", class_names=range(10), verbose=False)
    model.save(tmp_path / "model.keras")
    digits = images((5, 28, 28, 3))
    expected = model.predict(digits, verbose=0)
    expected["probabilities"] = softmax(expected["logits"])
    for name in ("model", "model.keras"):
        classifier = keras_unbias.load_classifier(tmp_path / name)
        for rows in (1, 5):
            check_outputs(
                classifier(tf.constant(digits[:rows])),
                {key: value[:rows] for key, value in expected.items()},
            )
        # Other integers hold the same images.
        check_outputs(classifier(digits.astype("int64")), expected)
    np.save(tmp_path / "images.npy", digits)
    for code, name, cwd in (
        (PLAIN_TENSORFLOW, "model", tmp_path),
        (FRESH_PROCESS, "model.keras", ROOT),
    ):
        paths = (tmp_path / name, tmp_path / "images.npy", tmp_path / "out.npz")
        subprocess.run(
            [sys.executable, "-c", code, *map(str, paths)], check=True, cwd=cwd
        )
        with np.load(tmp_path / "out.npz") as served:
            check_outputs(served, expected)
        (tmp_path / "out.npz").unlink()


@pytest.mark.parametrize(
    ("activation", "reference"),
    [("softmax", softmax), ("sigmoid", sigmoid), (None, None)],
)
def test_probabilities_are_the_activation_of_the_logits(
    activation, reference, tmp_path
):
    model = small_classifier()
    model.export(tmp_path / "model", activation=activation, verbose=False)
    model.save(tmp_path / "model.keras")
    expected = model.predict(images(), verbose=0)
    if reference is not None:
        expected["probabilities"] = reference(expected["logits"])
    for classifier in (
        keras_unbias.load_classifier(tmp_path / "model"),
        keras_unbias.load_classifier(tmp_path / "model.keras", activation=activation),
    ):
        check_outputs(classifier(images()), expected)
        assert classifier.class_names is None


def test_nothing_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="No classifier to load"):
        keras_unbias.load_classifier(tmp_path)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"not a classifier.*Received: Sequential"):
        keras_unbias.load_classifier(tmp_path / "other.keras")
    other.export(tmp_path / "other", verbose=False)
    with pytest.raises(ValueError, match=r"not a classifier.*a SavedModel that"):
        keras_unbias.load_classifier(tmp_path / "other")
    tf.saved_model.save(tf.Module(), str(tmp_path / "module"))
    with pytest.raises(ValueError, match="a SavedModel without the endpoint"):
        keras_unbias.load_classifier(tmp_path / "module")


def test_other_and_damaged_files_are_named(tmp_path):
    model = small_classifier()
    model.save(tmp_path / "whole.keras")
    content = (tmp_path / "whole.keras").read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for damaged in (b"", b"text", content[:-1000], bytes(flipped)):
        (tmp_path / "damaged.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cannot be read.*damaged\.keras"):
            keras_unbias.load_classifier(tmp_path / "damaged.keras")
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(ValueError, match=r"not a classifier.*model\.h5"):
        keras_unbias.load_classifier(tmp_path / "model.h5")


def test_a_damaged_saved_model_is_named(tmp_path):
    path = tmp_path / "model"
    small_classifier().export(path, verbose=False)
    for name, kept in (
        ("variables/variables.data-00000-of-00001", 20),
        ("variables/variables.index", 0),
        ("saved_model.pb", 100),
        ("saved_model.pb", 0),
    ):
        (path / name).write_bytes((path / name).read_bytes()[:kept])
        with pytest.raises(ValueError, match=r"cannot be read.*model"):
            keras_unbias.load_classifier(path)
    (path / "saved_model.pb").unlink()
    with pytest.raises(FileNotFoundError, match=r"directory without saved_model\.pb"):
        keras_unbias.load_classifier(path)


def test_other_inputs_than_the_classifiers_are_named(tmp_path):
    model = built(TwoInputs(), {"a": (None, 5), "b": (None, 4)})
    model.export(tmp_path / "model", verbose=False)
    classifier = keras_unbias.load_classifier(tmp_path / "model")
    a, b = np.zeros((3, 5)).tolist(), np.zeros((3, 4))
    assert classifier({"a": a, "b": b})["logits"].shape == (3, 3)
    for wrong in ({"a": a}, {"a": a, "c": b}, [a, b], b):
        with pytest.raises(ValueError, match=r"Expected: \['a', 'b'\]"):
            classifier(wrong)
