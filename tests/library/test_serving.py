import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

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
ROOT = pathlib.Path(__file__).parents[1]
NAMES = ["crème brûlée", "tea", "soup"]


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def built(encoder, shape, num_classes=3):
    model = RepresentationClassifier(encoder, num_classes)
    model.build(shape)
    return model


def small_classifier(**kwargs):
    return built(
        keras.Sequential(
            [
                keras.Input((8, 8, 3), dtype="uint8"),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.MaxPooling2D(2),
                keras.layers.Flatten(),
                keras.layers.Dense(5),
            ]
        ),
        (None, 8, 8, 3),
        **kwargs,
    )


def some_images(shape=(5, 8, 8, 3)):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


def assert_equal(served, expected, atol=1e-5):
    assert served.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(served[key], value, atol=atol, err_msg=key)


@pytest.mark.slow
def test_a_classifier_serves_uint8_images(tmp_path):
    model = RepresentationClassifier(digit_encoder(), 10)
    model.compile()
    model.build((None, 28, 28, 3))
    model.export(tmp_path / "model", class_names=range(10), verbose=False)
    model.save(tmp_path / "model.keras")
    images = some_images((5, 28, 28, 3))
    expected = model.predict(images, verbose=0)
    expected["probabilities"] = softmax(expected["logits"])
    for name in ("model", "model.keras"):
        classifier = keras_unbias.load_classifier(tmp_path / name)
        for rows in (1, 5):
            assert_equal(
                classifier(tf.constant(images[:rows])),
                {key: value[:rows] for key, value in expected.items()},
            )
        # Numbers of another size are the same images.
        assert_equal(classifier(images.astype("int64")), expected)
    np.save(tmp_path / "images.npy", images)
    for code, name, cwd in (
        (PLAIN_TENSORFLOW, "model", tmp_path),
        (FRESH_PROCESS, "model.keras", ROOT),
    ):
        paths = (tmp_path / name, tmp_path / "images.npy", tmp_path / "out.npz")
        subprocess.run(
            [sys.executable, "-c", code, *map(str, paths)], check=True, cwd=cwd
        )
        with np.load(tmp_path / "out.npz") as served:
            assert_equal(served, expected)
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
    expected = model.predict(some_images(), verbose=0)
    if reference is not None:
        expected["probabilities"] = reference(expected["logits"])
    for classifier in (
        keras_unbias.load_classifier(tmp_path / "model"),
        keras_unbias.load_classifier(
            tmp_path / "model.keras", activation=activation
        ),
    ):
        assert_equal(classifier(some_images()), expected)
        assert classifier.class_names is None


def test_features_are_float32_whatever_the_encoder_computes_in(tmp_path):
    encoder = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, dtype="mixed_bfloat16")]
    )
    model = built(encoder, (None, 3))
    model.export(tmp_path / "model", verbose=False)
    served = keras_unbias.load_classifier(tmp_path / "model")(np.ones((2, 3)))
    assert {value.dtype for value in served.values()} == {tf.float32}


def test_class_names_are_in_the_saved_model(tmp_path):
    model = small_classifier()
    with pytest.raises(ValueError, match="length 3. Received: 2 names"):
        model.export(tmp_path / "model", class_names=NAMES[:2])
    assert not (tmp_path / "model").exists()
    model.export(tmp_path / "model", class_names=NAMES, verbose=False)
    classifier = keras_unbias.load_classifier(tmp_path / "model")
    assert classifier.class_names == NAMES
    served = tf.saved_model.load(tmp_path / "model").class_names()
    assert served["class_names"].shape == (3,)
    binary = small_classifier(num_classes=1)
    with pytest.raises(ValueError, match="length 1 or 2. Received: 3 names"):
        binary.export(tmp_path / "b", class_names=NAMES, activation="sigmoid")
    binary.export(
        tmp_path / "b",
        class_names=NAMES[:2],
        activation="sigmoid",
        verbose=False,
    )
    classifier = keras_unbias.load_classifier(tmp_path / "b")
    assert classifier.class_names == NAMES[:2]


def halved(images):
    means = tf.nn.avg_pool2d(tf.cast(images, "float32"), 2, 2, "VALID")
    return tf.cast(means, "uint8")


HALVED = keras.Sequential(
    [
        # Of any size, unlike the encoder's.
        keras.Input((None, None, 3), dtype="uint8"),
        keras.layers.Lambda(halved),
    ]
)


def halved_reference(images):
    parts = images.reshape(-1, 8, 2, 8, 2, 3)
    return parts.mean((2, 4)).astype("uint8")


@pytest.mark.parametrize(
    ("preprocessing", "raw_shape", "reference"),
    [
        (lambda x: 255 - x, (8, 8, 3), lambda x: 255 - x),
        (
            keras.layers.Permute((2, 1, 3)),
            (8, 8, 3),
            lambda x: x.swapaxes(1, 2),
        ),
        (HALVED, (16, 16, 3), halved_reference),
    ],
    ids=["function", "layer", "model"],
)
def test_preprocessing_is_part_of_the_graph(
    preprocessing, raw_shape, reference, tmp_path
):
    model = small_classifier()
    model.export(tmp_path / "model", preprocessing=preprocessing, verbose=False)
    served = tf.saved_model.load(tmp_path / "model")
    for rows in (1, 5):
        images = some_images((rows, *raw_shape))
        expected = model.predict(reference(images), verbose=0)
        assert np.ptp(expected["logits"], 0).max() > 0 or rows == 1
        outputs = dict(served.serve(images))
        del outputs["probabilities"]
        assert_equal(outputs, expected)


def test_an_encoder_of_integers_gets_no_fractions(tmp_path):
    with pytest.raises(ValueError, match="Expected: uint8. Received: float32"):
        small_classifier().export(
            tmp_path / "model", preprocessing=lambda x: tf.cast(x, "float32")
        )


def test_nothing_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="No classifier to load"):
        keras_unbias.load_classifier(tmp_path)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="no classifier.*Received: Sequential"):
        keras_unbias.load_classifier(tmp_path / "other.keras")
    other.export(tmp_path / "other", verbose=False)
    with pytest.raises(ValueError, match="no classifier.*a SavedModel that"):
        keras_unbias.load_classifier(tmp_path / "other")
    tf.saved_model.save(tf.Module(), str(tmp_path / "module"))
    with pytest.raises(ValueError, match="a SavedModel without the endpoint"):
        keras_unbias.load_classifier(tmp_path / "module")


class Doubled(keras.layers.Layer):
    """An encoder that does not say what it takes."""

    def call(self, inputs):
        return 2 * inputs


def two_inputs(structure):
    parts = [keras.Input((2,), name=name) for name in ("left", "right")]
    features = keras.layers.Concatenate()(parts)
    return keras.Model(structure(*parts), features)


@pytest.mark.parametrize(
    ("encoder", "inputs", "names"),
    [
        (Doubled(), np.eye(2), ["inputs"]),
        (
            two_inputs(lambda a, b: {"left": a, "right": b}),
            {"left": np.eye(2), "right": -np.eye(2)},
            ["left", "right"],
        ),
        (
            two_inputs(lambda a, b: [a, b]),
            [np.eye(2), -np.eye(2)],
            ["inputs_0", "inputs_1"],
        ),
    ],
    ids=["one", "dict", "list"],
)
def test_inputs_have_names_that_a_client_can_know(
    encoder, inputs, names, tmp_path
):
    inputs = keras.tree.map_structure(lambda x: x.astype("float32"), inputs)
    shapes = keras.tree.map_structure(lambda _: (None, 2), inputs)
    model = built(encoder, shapes)
    model.export(
        tmp_path / "model",
        preprocessing=lambda x: keras.tree.map_structure(lambda t: t + 1, x),
        verbose=False,
    )
    served = tf.saved_model.load(tmp_path / "model").signatures[
        "serving_default"
    ](**dict(zip(names, map(tf.constant, keras.tree.flatten(inputs)))))
    expected = model(keras.tree.map_structure(lambda x: x + 1, inputs))
    np.testing.assert_allclose(served["logits"], expected["logits"], atol=1e-5)
    # NumPy's and scikit-learn's numbers are float64.
    classifier = keras_unbias.load_classifier(tmp_path / "model")
    for kind in (np.float64, np.int64):
        again = classifier(keras.tree.map_structure(kind, inputs))
        np.testing.assert_allclose(
            again["logits"], expected["logits"], atol=1e-5
        )
    with pytest.raises(TypeError):
        classifier(keras.tree.map_structure(lambda x: x.astype(str), inputs))


def negative(images):
    # TFLite does not subtract uint8.
    return tf.cast(255 - tf.cast(images, "int32"), "uint8")


def exported(model, path):
    """Writes a SavedModel of all there is; returns what it should serve."""
    model.export(path, class_names=NAMES, preprocessing=negative, verbose=False)
    expected = model.predict(255 - some_images(), verbose=0)
    return {**expected, "probabilities": softmax(expected["logits"])}


# TensorFlow wants it to be taken from ai_edge_litert, which is not installed
# with it; its own is the same.
@pytest.mark.filterwarnings(
    r"ignore:\s+Warning. tf.lite.Interpreter is deprecated:UserWarning"
)
def test_conversion_to_tflite(tmp_path):
    pytest.importorskip("tensorflow.lite", reason="TensorFlow without TFLite")
    path = str(tmp_path / "model")
    expected = exported(small_classifier(), path)
    content = tf.lite.TFLiteConverter.from_saved_model(path).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    runner = interpreter.get_signature_runner("serving_default")
    for rows in (1, 5):
        assert_equal(
            runner(inputs=some_images()[:rows]),
            {key: value[:rows] for key, value in expected.items()},
        )


def test_conversion_to_onnx(tmp_path):
    tf2onnx = pytest.importorskip("tf2onnx", reason="needs tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    path = str(tmp_path / "model")
    expected = exported(small_classifier(), path)
    model = tf.saved_model.load(path)
    tf2onnx.convert.from_function(
        model.serve, model.serve.input_signature, output_path=f"{path}.onnx"
    )
    session = onnxruntime.InferenceSession(f"{path}.onnx")
    keys = [output.name for output in session.get_outputs()]
    for rows in (1, 5):
        outputs = session.run(None, {"inputs": some_images()[:rows]})
        assert_equal(
            dict(zip(keys, outputs)),
            {key: value[:rows] for key, value in expected.items()},
            atol=1e-4,
        )
