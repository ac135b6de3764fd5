"""What `inference_model` and `export` make of a classifier."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from served import (
    NAMES,
    built,
    check_outputs,
    images,
    small_classifier,
    softmax,
)

import keras_unbias
from keras_unbias.serving.export import export, inference_model


def test_a_single_logit_has_no_softmax():
    model = small_classifier(num_classes=1)
    with pytest.raises(ValueError, match="activation='sigmoid'"):
        model.inference_model()
    names = set(model.inference_model(activation="sigmoid").output)
    assert names == {"logits", "probabilities", "features"}


def test_the_methods_are_the_functions(tmp_path):
    model = small_classifier()
    for inference in (model.inference_model(), inference_model(model)):
        outputs = inference(images())
        expected = model.predict(images(), verbose=0)
        expected["probabilities"] = softmax(expected["logits"])
        check_outputs(outputs, expected)
    export(model, tmp_path / "model", verbose=False)
    served = tf.saved_model.load(tmp_path / "model")
    check_outputs(served.serve(images()), expected)


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
    with pytest.raises(ValueError, match=r"length 3. Received: 2 names"):
        model.export(tmp_path / "model", class_names=NAMES[:2])
    assert not (tmp_path / "model").exists()
    model.export(tmp_path / "model", class_names=NAMES, verbose=False)
    classifier = keras_unbias.load_classifier(tmp_path / "model")
    assert classifier.class_names == NAMES
    served = tf.saved_model.load(tmp_path / "model").class_names()
    assert served["class_names"].shape == (3,)
    binary = small_classifier(num_classes=1)
    with pytest.raises(ValueError, match=r"length 1 or 2. Received: 3 names"):
        binary.export(tmp_path / "b", class_names=NAMES, activation="sigmoid")
    binary.export(
        tmp_path / "b",
        class_names=NAMES[:2],
        activation="sigmoid",
        verbose=False,
    )
    classifier = keras_unbias.load_classifier(tmp_path / "b")
    assert classifier.class_names == NAMES[:2]


def halved(pictures):
    means = tf.nn.avg_pool2d(tf.cast(pictures, "float32"), 2, 2, "VALID")
    return tf.cast(means, "uint8")


HALVED = keras.Sequential(
    [
        # Of any size, unlike the encoder's.
        keras.Input((None, None, 3), dtype="uint8"),
        keras.layers.Lambda(halved),
    ]
)


def halved_by_hand(pictures):
    parts = pictures.reshape(-1, 8, 2, 8, 2, 3)
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
        (HALVED, (16, 16, 3), halved_by_hand),
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
        raw = images((rows, *raw_shape))
        expected = model.predict(reference(raw), verbose=0)
        assert np.ptp(expected["logits"], 0).max() > 0 or rows == 1
        outputs = dict(served.serve(raw))
        del outputs["probabilities"]
        check_outputs(outputs, expected)


class Noise(keras.layers.Layer):
    """A layer that is in training mode unless it is told otherwise."""

    def call(self, inputs, training=True):
        return inputs + 100.0 if training else inputs


@pytest.mark.parametrize("place", ["encoder", "preprocessing"])
def test_a_served_model_is_never_in_training_mode(place, tmp_path):
    inputs = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    front = Noise() if place == "encoder" else keras.layers.Identity()
    encoder = keras.Sequential([keras.Input((3,)), front, keras.layers.Dense(4)])
    model = built(encoder, (None, 3))
    preprocessing = None if place == "encoder" else Noise()
    model.export(tmp_path / "model", preprocessing=preprocessing, verbose=False)
    model.save(tmp_path / "model.keras")
    expected = model.predict(inputs, verbose=0)["logits"]
    served = tf.saved_model.load(tmp_path / "model")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"Noise": Noise}
    )
    for serve in (
        model.inference_model(preprocessing=preprocessing),
        loaded.inference_model(preprocessing=preprocessing),
        served.serve,
    ):
        logits = serve(inputs)["logits"]
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_an_encoder_of_integers_gets_no_fractions(tmp_path):
    with pytest.raises(ValueError, match=r"Expected: uint8. Received: float32"):
        small_classifier().export(
            tmp_path / "model", preprocessing=lambda x: tf.cast(x, "float32")
        )


class Doubled(keras.layers.Layer):
    """An encoder that does not show its inputs."""

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
def test_inputs_have_names_that_a_client_can_know(encoder, inputs, names, tmp_path):
    inputs = keras.tree.map_structure(lambda x: x.astype("float32"), inputs)
    shapes = keras.tree.map_structure(lambda _: (None, 2), inputs)
    model = built(encoder, shapes)
    model.export(
        tmp_path / "model",
        preprocessing=lambda x: keras.tree.map_structure(lambda t: t + 1, x),
        verbose=False,
    )
    flat = map(tf.constant, keras.tree.flatten(inputs))
    served = tf.saved_model.load(tmp_path / "model").signatures["serving_default"](
        **dict(zip(names, flat, strict=True))
    )
    expected = model(keras.tree.map_structure(lambda x: x + 1, inputs))
    np.testing.assert_allclose(served["logits"], expected["logits"], atol=1e-5)
    # NumPy's and scikit-learn's numbers are float64.
    classifier = keras_unbias.load_classifier(tmp_path / "model")
    for kind in (np.float64, np.int64):
        again = classifier(keras.tree.map_structure(kind, inputs))
        np.testing.assert_allclose(again["logits"], expected["logits"], atol=1e-5)
    with pytest.raises(TypeError):
        classifier(keras.tree.map_structure(lambda x: x.astype(str), inputs))


class Two(keras.Model):
    """A subclassed encoder of two inputs, in a dict or a list."""

    def __init__(self, keys, **kwargs):
        super().__init__(**kwargs)
        self.keys = keys
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        left, right = (inputs[key] for key in self.keys)
        return self.dense(left) + right

    def get_config(self):
        return {**super().get_config(), "keys": list(self.keys)}


@pytest.mark.parametrize("keys", [("left", "right"), (0, 1)])
def test_a_subclassed_encoder_of_several_inputs_is_exported(keys, tmp_path):
    rng = np.random.default_rng(0)
    left = rng.normal(size=(5, 2)).astype("float32")
    right = rng.normal(size=(5, 3)).astype("float32")
    inputs, shapes = [left, right], [(None, 2), (None, 3)]
    if keys[0] == "left":
        inputs = dict(zip(keys, inputs, strict=True))
        shapes = dict(zip(keys, shapes, strict=True))
    model = built(Two(keys), shapes)
    model.export(tmp_path / "model", verbose=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(
        tmp_path / "model.keras", custom_objects={"Two": Two}
    )
    expected = model(inputs)
    for serve in (
        model.inference_model(),
        loaded.inference_model(),
        keras_unbias.load_classifier(tmp_path / "model"),
    ):
        for key in ("logits", "features"):
            np.testing.assert_allclose(serve(inputs)[key], expected[key], atol=1e-5)


def negative(pictures):
    # TFLite does not subtract uint8.
    return tf.cast(255 - tf.cast(pictures, "int32"), "uint8")


def exported(model, path):
    """Writes a SavedModel of all there is; returns what it should serve."""
    model.export(path, class_names=NAMES, preprocessing=negative, verbose=False)
    expected = model.predict(255 - images(), verbose=0)
    return {**expected, "probabilities": softmax(expected["logits"])}


@keras.saving.register_keras_serializable("test_export")
class Mixture(keras.Model):
    """A subclassed encoder of words, numbers that are no floats, and a list."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.codes = keras.layers.StringLookup(vocabulary=["u", "v"])
        self.embedding = keras.layers.Embedding(3, 2)

    def call(self, inputs):
        words, (large, flag) = inputs["words"], inputs["others"]
        # In float32 both were the same.
        odd = keras.ops.cast(large % 2, "float32") + keras.ops.cast(flag, "float32")
        return self.embedding(self.codes(words)) + odd


@pytest.mark.parametrize("as_dataset", [True, False])
def test_dtypes_and_structure_are_those_of_the_training(as_dataset, tmp_path):
    inputs = {
        "words": tf.constant(["u", "v", "w", "v"] * 4),
        "others": [2**25 + np.arange(16)[:, None], np.arange(16)[:, None] < 3],
    }
    targets = {"label": np.arange(16) % 2}
    model = keras_unbias.RepresentationClassifier(Mixture(), 2)
    model.compile(run_eagerly=True)
    data = (inputs, targets)
    if as_dataset:
        nested = {**inputs, "others": tuple(inputs["others"])}
        data = (tf.data.Dataset.from_tensor_slices((nested, targets)).batch(4),)
    model.fit(*data, verbose=0)
    expected = model.predict(inputs, verbose=0)["logits"]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for number, made in enumerate((model, loaded)):
        made.export(tmp_path / str(number), verbose=False)
        served = keras_unbias.load_classifier(tmp_path / str(number))
        np.testing.assert_allclose(served(inputs)["logits"], expected, atol=1e-6)


# TensorFlow recommends the interpreter of ai_edge_litert, which is not
# installed with it. Its own is the same.
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
        check_outputs(
            runner(inputs=images()[:rows]),
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
        outputs = session.run(None, {"inputs": images()[:rows]})
        check_outputs(
            dict(zip(keys, outputs, strict=True)),
            {key: value[:rows] for key, value in expected.items()},
            atol=1e-4,
        )


def test_rows_with_nan_get_nan(tmp_path):
    """The classifier of a dict is unknown where any float of it is."""
    encoder = two_inputs(lambda a, b: {"left": a, "right": b})
    model = built(encoder, {"left": (None, 2), "right": (None, 2)})
    model.export(tmp_path / "model", verbose=False)
    inputs = {"left": np.eye(4, 2), "right": np.ones((4, 2))}
    inputs = {name: part.astype("float32") for name, part in inputs.items()}
    expected = model.predict(inputs, verbose=0)["logits"]
    inputs["left"][1, 0], inputs["right"][2, 1] = np.nan, np.inf
    expected[1:3] = np.nan
    for serve in (
        model.inference_model(),
        keras_unbias.load_classifier(tmp_path / "model"),
        lambda inputs: model.predict(inputs, verbose=0),
    ):
        outputs = serve(inputs)
        np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)
        for output in outputs.values():
            np.testing.assert_array_equal(
                np.isnan(output).all(1), [False, True, True, False]
            )


def test_a_preprocessing_may_fill_gaps():
    model = built(keras.Sequential([keras.layers.Dense(3)]), (None, 2))
    rows = np.float32([[1, 2], [np.nan, 2], [np.inf, 2]])

    def fill(x):
        return tf.where(tf.math.is_nan(x), tf.zeros_like(x), x)

    outputs = model.inference_model(preprocessing=fill)(rows)
    expected = model.predict(np.float32([[1, 2], [0, 2]]), verbose=0)
    np.testing.assert_allclose(outputs["logits"][:2], expected["logits"], atol=1e-6)
    assert np.isnan(outputs["logits"][2]).all()
