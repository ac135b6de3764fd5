import subprocess
import sys

import numpy as np
import pytest

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
            served = classifier(images[:rows])
            for key in ("logits", "features"):
                np.testing.assert_allclose(
                    served[key], expected[key][:rows], atol=1e-5
                )
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [
            sys.executable,
            "-c",
            PLAIN_TENSORFLOW,
            *(str(tmp_path / n) for n in ("model", "images.npy", "out.npy")),
        ],
        check=True,
        cwd=tmp_path,
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), expected["logits"], atol=1e-5
    )


def test_nothing_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="No classifier to load"):
        keras_unbias.load_classifier(tmp_path)
