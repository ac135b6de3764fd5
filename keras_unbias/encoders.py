"""The encoders of the package, as functions that return a model."""

import inspect
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn import preprocessing

from keras_unbias.checks import check_choice

BATCH_NORMS = ("inference", "training")
PREPROCESSINGS = ("backbone", "released")
FEATURES = ("dense", "pooled", "symmetric")
SMALL = "small"
# The released code subtracts the means of blue, green and red from red, green
# and blue.
RELEASED_MEANS = (103.939, 116.779, 123.68)


def digit_encoder(
    dtype: str = "float32", shape: tuple[int, ...] = (28, 28, 3)
) -> keras.Model:
    """Creates the convolutional encoder of the colored digits (paper, 5.1).

    The layers are conv 5x5x64, pool, conv 5x5x64, pool, dense 512 and
    dense 64, with ReLU and unpadded convolutions, as in the released code.
    The pooling layers have the names `"maps_1"` and `"maps_2"`.

    Args:
        dtype: str, the dtype policy of the layers, such as
            `"mixed_bfloat16"`. The features are always float32. Defaults to
            `"float32"`.
        shape: tuple of int, the shape of an image. Defaults to `(28, 28, 3)`.

    Returns:
        Model from uint8 images of shape `(n, *shape)` to features of shape
        `(n, 64)`.

    Example:

    >>> digit_encoder().output_shape
    (None, 64)
    """
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="images"),
            layers.Rescaling(1 / 255, dtype=dtype),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype, name="maps_1"),
            layers.Conv2D(64, 5, activation="relu", dtype=dtype),
            layers.MaxPooling2D(2, padding="same", dtype=dtype, name="maps_2"),
            layers.Flatten(dtype=dtype),
            layers.Dense(512, activation="relu", dtype=dtype),
            layers.Dense(64, activation="relu", dtype="float32"),
        ],
        name="digit_encoder",
    )


def customer_encoder(
    dtype: str = "float32", shape: tuple[int, ...] = (60,)
) -> keras.Model:
    """Creates the encoder of German credit: 64 ReLU units (paper, 5.3).

    Args:
        dtype: str, the dtype policy, see `digit_encoder`.
        shape: tuple of int, the shape of an input. Defaults to `(60,)`.

    Returns:
        Model from float inputs of shape `(n, *shape)` to features of shape
        `(n, 64)`.

    Example:

    >>> customer_encoder().output_shape
    (None, 64)
    """
    return keras.Sequential(
        [
            keras.Input(shape, name="inputs"),
            layers.Dense(64, activation="relu", dtype=dtype),
            layers.Activation("linear", dtype="float32"),
        ],
        name="customer_encoder",
    )


# In multiples of its deviation, the largest number of a column that keeps
# enough digits in float32. And the range of deviations that float32 holds.
MAX_DEVIATIONS, MAX_SCALE = 1e3, 1e30


def table_encoder(
    table: np.ndarray,
    dropout: float = 0.2,
    erasure: tuple[np.ndarray, np.ndarray] | None = None,
) -> keras.Model:
    """Creates the default encoder of `UnbiasedClassifier`.

    It standardizes the columns, in float64 if their digits lie far from 0, as
    those of times do. Two dense layers of 64 and 32 ReLU units follow.

    Args:
        table: float array of shape `(rows, columns)`, whose means and
            deviations are used.
        dropout: float, the share of the columns and of the first layer's units
            that a training step leaves out. The rows that contradict a bias
            are few, and a network easily memorizes them. Defaults to 0.2.
        erasure: matrices of shapes `(columns, r)` and `(r, columns)`. Their
            product is what is subtracted from the standardized columns.
            Defaults to `None`, nothing.

    Returns:
        Model from float32 inputs of shape `(n, columns)`, or float64 inputs,
        to features of shape `(n, 32)`.

    Example:

    >>> table_encoder(np.eye(3)).output_shape
    (None, 32)
    """
    # Unlike the `adapt` of Keras, StandardScaler keeps constant columns.
    scaler = preprocessing.StandardScaler().fit(table)
    largest = np.abs(table).max(0) * (scaler.var_ > 0)
    near = largest < MAX_DEVIATIONS * scaler.scale_
    usual = (scaler.scale_ > 1 / MAX_SCALE) & (scaler.scale_ < MAX_SCALE)
    # Not all that serve models, such as TensorFlow Lite, know float64.
    dtype = "float32" if (near & usual).all() else "float64"
    inputs = keras.Input(table.shape[1:], dtype=dtype)
    # Normalization would raise deviations below 1e-7 to that value, and have a
    # mean of float32 once it is loaded from a file.
    columns = layers.Rescaling(1.0, offset=-scaler.mean_, dtype=dtype)(inputs)
    columns = layers.Rescaling(1 / scaler.scale_, dtype=dtype)(columns)
    if erasure is not None:
        # In full precision whatever the policy is, or a part would stay.
        known = columns
        for matrix in erasure:
            product = layers.Dense(
                matrix.shape[1], use_bias=False, trainable=False, dtype="float32"
            )
            known = product(known)
            product.set_weights([matrix])
        columns = layers.Subtract(dtype="float32")([columns, known])
    units = layers.Dropout(dropout)(columns)
    units = layers.Dense(64, activation="relu")(units)
    units = layers.Dropout(dropout)(units)
    return keras.Model(inputs, layers.Dense(32, activation="relu")(units))


def face_encoder(
    dtype: str = "float32",
    shape: tuple[int, ...] = (224, 224, 3),
    *,
    backbone: str = "ResNet50",
    alpha: float = 1.0,
    weights: str = "imagenet",
    frozen: bool = False,
    features: str = "dense",
    batch_norm: str = "inference",
    preprocessing: str = "backbone",
    data_dir: str | os.PathLike | None = None,
) -> keras.Model:
    """Creates a pretrained backbone and a dense layer of 128 (paper, 5.2).

    The paper's features are a ReLU layer on the flattened last block. It
    equals the 7x7 convolution of the released code.

    Args:
        dtype: str, the dtype policy, see `digit_encoder`.
        shape: tuple of int, the shape of an image. Defaults to
            `(224, 224, 3)`.
        backbone: str, the name of a model in `keras.applications`, or
            `"small"`, four convolutions for small images and short tests.
            Defaults to `"ResNet50"`, the paper's.
        alpha: float > 0, the width of a MobileNet as a multiple of the usual
            one. Defaults to 1.
        weights: str, `"imagenet"`, which Keras downloads, `"none"`, or the
            name of a `.h5` or `.keras` file in `data_dir`. Defaults to
            `"imagenet"`.
        frozen: bool, whether the backbone keeps its weights, and the dense
            layer alone is trained. Defaults to `False`.
        features: str, `"dense"`, those of the paper, `"pooled"`, the means
            of the channels of the last block, or `"symmetric"`, the means of
            those of a picture and of its mirror image. Defaults to `"dense"`.
        batch_norm: str, `"inference"` or `"training"`. In inference mode the
            layers keep the statistics and scales of `weights`, so that a
            batch of 24 or the rows of the estimator do not change them.
            Defaults to `"inference"`.
        preprocessing: str, `"backbone"`, as `keras.applications` prescribes,
            or `"released"`, as the released code does: it subtracts the means
            103.939, 116.779, 123.68 of blue, green and red from red, green
            and blue. Defaults to `"backbone"`.
        data_dir: path of the directory with the weights. Defaults to the
            current directory.

    Returns:
        Model from uint8 RGB images of shape `(n, *shape)` to features of
        shape `(n, 128)`, or `(n, channels)` without the dense layer.

    Raises:
        ValueError: if an argument is unknown or the weights do not fit.
        FileNotFoundError: if there is no file of this name.

    Example:

    >>> face_encoder(
    ...     shape=(32, 32, 3), backbone="small", weights="none"
    ... ).output_shape
    (None, 128)
    """
    check_choice("batch_norm", batch_norm, BATCH_NORMS)
    check_choice("preprocessing", preprocessing, PREPROCESSINGS)
    check_choice("features", features, FEATURES)
    if frozen and batch_norm == "training":
        raise ValueError(
            "A frozen backbone keeps its statistics. Expected: batch_norm='inference' "
            "with frozen=True. Received: batch_norm='training'. Change one of the two."
        )
    path = weights_file(backbone, weights, data_dir)
    body = _body(backbone, alpha, weights, path, dtype, shape)
    for layer in body.layers:
        if frozen or isinstance(layer, layers.BatchNormalization):
            layer.trainable = batch_norm == "training"
    top = [layers.GlobalAveragePooling2D(dtype=dtype)]
    if features == "dense":
        top = [layers.Flatten(dtype=dtype), layers.Dense(128, "relu", dtype=dtype)]
    prepare = Preprocessing("released" if preprocessing == "released" else backbone)
    end = layers.Activation("linear", dtype="float32")
    images = keras.Input(shape, dtype="uint8", name="images")
    encoder = keras.Sequential([images, prepare, body, *top, end], name="face_encoder")
    if features != "symmetric":
        return encoder
    views = images, keras.ops.flip(images, axis=2)
    mean = layers.average([encoder(view) for view in views])
    return keras.Model(images, mean, name="symmetric_face_encoder")


def backbones() -> list[str]:
    """Returns the names of the backbones of `face_encoder`."""
    return [SMALL] + [
        name
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    ]


def weights_file(
    backbone: str = "ResNet50",
    weights: str = "imagenet",
    data_dir: str | os.PathLike | None = None,
) -> pathlib.Path | None:
    """Returns the file with the initial weights of a `face_encoder`.

    Args:
        backbone: see `face_encoder`.
        weights: see `face_encoder`.
        data_dir: see `face_encoder`.

    Returns:
        Path of the file, or `None` if the weights are not in a file.

    Raises:
        ValueError: if there is no such backbone, or if it has no such
            weights.
        FileNotFoundError: if there is no such file.
    """
    check_choice("backbone", backbone, backbones())
    if weights == "imagenet" and backbone == SMALL:
        raise ValueError(
            "The small backbone was never trained on ImageNet. Expected: "
            "weights='none', or the name of a file. Received: weights='imagenet'."
        )
    if weights in ("imagenet", "none"):
        return None
    path = pathlib.Path(data_dir or ".", weights)
    if path.suffix not in (".h5", ".keras") or not path.is_file():
        raise FileNotFoundError(
            "The weights of the backbone were not found. Expected: 'imagenet', 'none', "
            "or the name of an .h5 or .keras file in the data directory. Received: "
            f"weights={weights!r}, and there is no such file as {path}."
        )
    return path


@keras.saving.register_keras_serializable("keras_unbias")
class Preprocessing(layers.Layer):
    """Turns RGB images with values 0..255 into the inputs of a backbone.

    Args:
        of: str, a name in `keras.applications`, `"small"` for values in
            -1..1, or `"released"`, see `face_encoder`.
    """

    def __init__(self, of: str, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.of = of

    def call(self, images):
        """Preprocesses images."""
        images = tf.cast(images, tf.float32)
        if self.of == SMALL:
            return images / 127.5 - 1.0
        if self.of == "released":
            return images - tf.constant(RELEASED_MEANS)
        module = getattr(keras.applications, self.of).__module__
        return sys.modules[module].preprocess_input(images)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["dtype"]
        return {**config, "of": self.of}


def _body(backbone, alpha, weights, path, dtype, shape):
    """Creates the backbone without its top."""
    make = getattr(keras.applications, backbone, None)
    wide = make and "alpha" in inspect.signature(make).parameters
    if alpha != 1 and not wide:
        raise ValueError(
            f"The backbone {backbone} has one width. Expected: alpha=1. Received: "
            f"alpha={alpha}. Take a MobileNet, or leave `alpha` out."
        )
    if backbone == SMALL:
        body = keras.Sequential([keras.Input(shape)], name=SMALL)
        for filters in (16, 32, 64, 64):
            body.add(
                layers.Conv2D(filters, 3, 2, "same", activation="relu", dtype=dtype)
            )
    else:
        before = keras.config.dtype_policy()
        # The functions of keras.applications take no dtype.
        keras.config.set_dtype_policy(dtype)
        try:
            body = make(
                **({"alpha": alpha} if wide else {}),
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
            body.set_weights(keras.models.load_model(path, compile=False).get_weights())
        else:
            body.load_weights(path)
    # Keras and h5py raise many kinds of errors for other architectures.
    except Exception as error:
        raise ValueError(
            f"The weights in {path} do not fit the backbone {body.name}. "
            "Expected: weights of the same architecture without its top. "
            f"Received: {error}. Use the file with 'notop' in its name."
        ) from error


ENCODERS = {
    "colored_mnist": digit_encoder,
    "german_credit": customer_encoder,
    "imdb_faces": face_encoder,
    "utk_faces": face_encoder,
}
