import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_unbias
from keras_unbias.methods import RepresentationClassifier
from keras_unbias.networks import digit_encoder

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
numpy.save(sys.argv[3], served["logits"].numpy())
"""
FRESH_PROCESS = """
import sys, numpy, keras_unbias
classifier = keras_unbias.load_classifier(sys.argv[1])
served = classifier(numpy.load(sys.argv[2]))
numpy.save(sys.argv[3], served["logits"].numpy())
"""
ROOT = pathlib.Path(__file__).parents[1]


def test_a_classifier_serves_uint8_images(tmp_path):
    model = RepresentationClassifier(digit_encoder(), 10)
    model.compile()
    model.build((None, 28, 28, 3))
    model.export(tmp_path / "model", verbose=False)
    model.save(tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 28, 28, 3)).astype("uint8")
    expected = model.predict(images, verbose=0)
    for name in ("model", "model.keras"):
        classifier = keras_unbias.load_classifier(tmp_path / name)
        for rows in (1, 5):
            served = classifier(tf.constant(images[:rows]))
            for key in ("logits", "features"):
                np.testing.assert_allclose(
                    served[key], expected[key][:rows], atol=1e-5
                )
    np.save(tmp_path / "images.npy", images)
    for code, name, cwd in (
        (PLAIN_TENSORFLOW, "model", tmp_path),
        (FRESH_PROCESS, "model.keras", ROOT),
    ):
        paths = (tmp_path / name, tmp_path / "images.npy", tmp_path / "out.npy")
        subprocess.run(
            [sys.executable, "-c", code, *map(str, paths)], check=True, cwd=cwd
        )
        np.testing.assert_allclose(
            np.load(tmp_path / "out.npy"), expected["logits"], atol=1e-5
        )
        (tmp_path / "out.npy").unlink()


def test_nothing_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="No classifier to load"):
        keras_unbias.load_classifier(tmp_path)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(FileNotFoundError, match="No classifier to load"):
        keras_unbias.load_classifier(tmp_path / "other.keras")
