"""Encoders of the experiments: functions returning a `keras.Model`."""

import inspect
import pathlib
import sys

import keras
import tensorflow as tf
from keras import layers

BATCH_NORMS = ("inference", "training")
PREPROCESSINGS = ("backbone", "released")


def digit_encoder(dtype="float32", shape=(28, 28, 3)):
    """The convolutional encoder of the coloured digits (paper, 5.1).

    conv 5x5x64 - pool - conv 5x5x64 - pool - dense 512 - dense 64, ReLU, with
    unpadded convolutions, as in the released code.

    Args:
        dtype: dtype policy of the layers, e.g. `"mixed_bfloat16"`. The
            features are float32 in any case. Defaults to `"float32"`.
        shape: tuple, of an image. Defaults to `(28, 28, 3)`.

    Returns:
        A model from uint8 images `(n, *shape)` to features `(n, 64)`.
    """
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="images"),
            layers.Rescaling(1 / 255, dtype=dtype),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(512, activation="relu", dtype=dtype),
            layers.Dense(64, activation="relu", dtype="float32"),
        ],
        name="digit_encoder",
    )


def customer_encoder(dtype="float32", shape=(60,)):
    """The one layer of 64 ReLU units of German credit (paper, 5.3).

    Args:
        dtype: dtype policy of the layer. The features are float32 in any
            case. Defaults to `"float32"`.
        shape: tuple, of an input. Defaults to `(60,)`.

    Returns:
        A model from float inputs `(n, *shape)` to features `(n, 64)`.
    """
    return keras.Sequential(
        [
            keras.Input(shape, name="inputs"),
            layers.Dense(64, activation="relu", dtype=dtype),
            layers.Activation("linear", dtype="float32"),
        ],
        name="customer_encoder",
    )


SMALL = "small"
# Of the released code: means of B, G, R taken from R, G, B, a slip.
RELEASED_MEANS = (103.939, 116.779, 123.68)


def face_encoder(
    dtype="float32",
    shape=(224, 224, 3),
    *,
    backbone="ResNet50",
    weights="imagenet",
    batch_norm="inference",
    preprocessing="backbone",
    data_dir=None,
):
    """A pretrained backbone and a dense layer of 128 (paper, 5.2).

    z is a ReLU layer on the flattened last block, as in the released code
    (whose 7 x 7 convolution is the same).

    Args:
        dtype: as in `digit_encoder`.
        shape: tuple, of an image. Defaults to `(224, 224, 3)`.
        backbone: name of a model in `keras.applications`, or `"small"`, four
            convolutions for small images and short tests. Defaults to
            `"ResNet50"`, the paper's.
        weights: `"imagenet"` (the default; Keras downloads them), `"none"`, or
            the name of a `.h5` or `.keras` file in `data_dir`.
        batch_norm: `"inference"` (the default), with the statistics and the
            scales that `weights` brings, so that a batch of 24 or the rows of
            the estimator do not change them; or `"training"`.
        preprocessing: `"backbone"` (the default), what `keras.applications`
            prescribes, or `"released"`, what the released code does: it
            subtracts the means 103.939, 116.779, 123.68 of blue, green, red
            from red, green, blue.
        data_dir: directory of a weights file.

    Returns:
        A model from uint8 RGB images `(n, *shape)` to features `(n, 128)`.

    Raises:
        ValueError: an argument is none of these, or the weights do not fit.
        FileNotFoundError: there is no such file.
    """
    _check_choice("batch_norm", batch_norm, BATCH_NORMS)
    _check_choice("preprocessing", preprocessing, PREPROCESSINGS)
    path = weights_file(backbone, weights, data_dir)
    body = _body(backbone, weights, path, dtype, shape)
    for layer in body.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = batch_norm == "training"
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="images"),
            Preprocessing(
                "released" if preprocessing == "released" else backbone
            ),
            body,
            layers.Flatten(dtype=dtype),
            layers.Dense(128, activation="relu", dtype=dtype),
            layers.Activation("linear", dtype="float32"),
        ],
        name="face_encoder",
    )


def backbones():
    """The names that `face_encoder` takes, a list."""
    return [SMALL] + [
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    ]


def weights_file(backbone="ResNet50", weights="imagenet", data_dir=None):
    """The file of the weights that a `face_encoder` begins with.

    Args:
        backbone: as in `face_encoder`.
        weights: as in `face_encoder`.
        data_dir: as in `face_encoder`.

    Returns:
        Its path, or `None` if they are no file's.

    Raises:
        ValueError: there is no such backbone, or it has no such weights.
        FileNotFoundError: there is no such file.
    """
    _check_choice("backbone", backbone, backbones())
    if weights == "imagenet" and backbone == SMALL:
        raise ValueError(
            "The small backbone was never trained on ImageNet. Expected: "
            "weights='none', or the name of a file. Received: "
            "weights='imagenet'."
        )
    if weights in ("imagenet", "none"):
        return None
    path = pathlib.Path(data_dir or ".", weights)
    if path.suffix not in (".h5", ".keras") or not path.is_file():
        raise FileNotFoundError(
            "The weights of the backbone are not there. Expected: 'imagenet', "
            "'none', or the name of an .h5 or .keras file in the directory of "
            f"the data. Received: weights={weights!r}, and no such file as "
            f"{path}."
        )
    return path


@keras.saving.register_keras_serializable("keras_unbias")
class Preprocessing(layers.Layer):
    """RGB images 0..255 to what a backbone was trained on.

    Args:
        of: str, a name in `keras.applications`, `"small"` for -1 to 1, or
            `"released"` (`face_encoder`).
    """

    def __init__(self, of, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.of = of

    def call(self, images):
        images = tf.cast(images, tf.float32)
        if self.of == SMALL:
            return images / 127.5 - 1.0
        if self.of == "released":
            return images - tf.constant(RELEASED_MEANS)
        module = getattr(keras.applications, self.of).__module__
        return sys.modules[module].preprocess_input(images)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        del config["dtype"]
        return {**config, "of": self.of}


def _check_choice(name, value, known):
    if value not in known:
        raise ValueError(
            f"Unknown {name}. Expected: one of {known}. Received: "
            f"{name}={value!r}. Correct the name."
        )


def _body(backbone, weights, path, dtype, shape):
    if backbone == SMALL:
        body = keras.Sequential([keras.Input(shape)], name=SMALL)
        for filters in (16, 32, 64, 64):
            body.add(
                layers.Conv2D(
                    filters,
                    3,
                    strides=2,
                    padding="same",
                    activation="relu",
                    dtype=dtype,
                )
            )
    else:
        before = keras.config.dtype_policy()
        # keras.applications knows no other way to say it.
        keras.config.set_dtype_policy(dtype)
        try:
            body = getattr(keras.applications, backbone)(
                include_top=False,
                weights="imagenet" if weights == "imagenet" else None,
                input_shape=shape,
            )
        finally:
            keras.config.set_dtype_policy(before)
    if path is not None:
        _load_weights(body, path)
    return body


def _load_weights(body, path):
    try:
        if path.suffix == ".keras":
            loaded = keras.models.load_model(path, compile=False)
            body.set_weights(loaded.get_weights())
        else:
            body.load_weights(path)
    # Keras and h5py fail in many ways on files of another architecture.
    except Exception as error:
        raise ValueError(
            f"The weights in {path} do not fit the backbone {body.name}. "
            "Expected: those of the same architecture without its top. "
            f"Received: {error}. Fetch the file whose name says 'notop'."
        ) from error


ENCODERS = {
    "colored_mnist": digit_encoder,
    "german_credit": customer_encoder,
    "imdb_faces": face_encoder,
}
