"""Loads a finished classifier, for use."""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Registers the classes that a .keras file names.
from keras_unbias import methods

# The outputs of every classifier. Some have no probabilities.
OUTPUTS = {"logits", "features"}


class Classifier:
    """A function of a batch of inputs, with the names of its classes.

    Args:
        function: function from inputs to a dict of tensors.
        class_names: sequence of str, or `None` if they are not known.

    Example:

    >>> Classifier(lambda x: {"logits": -x}, ["no", "yes"]).class_names
    ['no', 'yes']
    """

    def __init__(self, function: Callable, class_names: Sequence[str] | None = None):
        self.function = function
        self.class_names = class_names

    def __repr__(self):
        return f"Classifier(class_names={self.class_names})"

    def __call__(self, inputs: Any) -> dict[str, tf.Tensor]:
        """Returns the outputs for a batch of inputs."""
        return self.function(inputs)


def load_classifier(
    path: str | os.PathLike, *, activation: str | Callable | None = "softmax"
) -> Classifier:
    """Loads what `export` or `save` wrote, for inference.

    Args:
        path: path of a SavedModel directory or of a `.keras` file.
        activation: the activation from logits to probabilities of a `.keras`
            file, as in `export`. A SavedModel has its own. Defaults to
            `"softmax"`.

    Returns:
        A `Classifier`. It takes a batch of inputs of any length and returns
        `{"logits": (n, num_classes), "probabilities": (n, num_classes),
        "features": (n, d)}` as float32 tensors, without the probabilities if
        the activation is `None`. Its `class_names` are those of a
        SavedModel, a list of str, or `None`.

    Raises:
        FileNotFoundError: if there is neither at `path`.
        ValueError: if there is another model or another kind of file at
            `path`, or if the model is damaged.

    Example:

    >>> import tempfile
    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = ku.RepresentationClassifier(encoder, num_classes=2)
    >>> model.build((None, 6))
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     model.save(directory + "/model.keras")
    ...     classifier = load_classifier(directory + "/model.keras")
    >>> classifier(np.zeros((3, 6)))["probabilities"].shape
    TensorShape([3, 2])
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        model = _read(tf.saved_model.load, path)
        functions = getattr(getattr(model, "serve", None), "concrete_functions", ())
        if len(functions) != 1:
            raise _not_a_classifier("a SavedModel without the endpoint `serve`")
        (function,) = functions
        outputs = function.structured_outputs
        if not isinstance(outputs, dict) or not outputs.keys() >= OUTPUTS:
            raise _not_a_classifier(f"a SavedModel that returns {outputs}")
        names = None
        if hasattr(model, "class_names"):
            strings = model.class_names()["class_names"].numpy()
            names = [string.decode() for string in strings]
        (arguments, _) = function.structured_input_signature
        # The function refers to `model`, whose variables live as long as it.
        return Classifier(
            lambda inputs: model.serve(_cast_like(arguments[0], inputs)), names
        )
    if path.suffix == ".keras" and path.is_file():
        model = _read(keras.saving.load_model, path, compile=False)
        if not isinstance(model, methods.RepresentationClassifier):
            raise _not_a_classifier(type(model).__name__)
        return Classifier(model.inference_model(activation=activation))
    if path.is_file():
        raise _not_a_classifier(f"the file {str(path)!r}")
    received = "a directory without saved_model.pb" if path.is_dir() else "no file"
    raise FileNotFoundError(
        "No classifier to load. Expected: the directory that `export` wrote, "
        f"or the .keras file that `save` wrote. Received: {received}, "
        f"path={str(path)!r}. Check the path, or export the classifier again."
    )


def _read(load, path, **kwargs):
    """Loads a model, and names the file if its content cannot be read."""
    try:
        return load(str(path), **kwargs)
    except Exception as error:
        # Protocol buffers, h5py, zipfile and TensorFlow have errors of their
        # own for a damaged file.
        reason = str(error).strip().partition("\n")[0][:300]
        raise ValueError(
            "The model cannot be read. Expected: what `export` or `save` wrote, whole. "
            f"Received: path={str(path)!r}, {type(error).__name__}: {reason}. Export "
            "or copy it again. If it has layers of your own, register them before."
        ) from error


def _not_a_classifier(received):
    return ValueError(
        "The model is not a classifier of this package. Expected: what the `export` or "
        f"the `save` of a RepresentationClassifier wrote. Received: {received}. Load "
        "it with Keras or TensorFlow, or export such a classifier."
    )


def _cast_like(specs, inputs):
    """Casts inputs to the dtypes of the SavedModel, without loss of digits."""
    if isinstance(specs, dict) and isinstance(inputs, dict):
        if specs.keys() == inputs.keys():
            return {name: _cast_like(specs[name], inputs[name]) for name in specs}
    elif isinstance(specs, (list, tuple)) and isinstance(inputs, (list, tuple)):
        # Lists and tuples of inputs are the same.
        if len(specs) == len(inputs):
            return type(specs)(map(_cast_like, specs, inputs))
    elif not isinstance(specs, (dict, list, tuple)) and not isinstance(inputs, dict):
        if not tf.is_tensor(inputs):
            # TensorFlow would make float32 of a list.
            inputs = np.asarray(inputs)
        values = tf.convert_to_tensor(inputs)
        whole = specs.dtype.is_integer and values.dtype.is_integer
        number = specs.dtype.is_floating and values.dtype != tf.string
        return tf.cast(values, specs.dtype) if whole or number else values
    expected, received = (
        sorted(part) if isinstance(part, dict) else type(part).__name__
        for part in (specs, inputs)
    )
    raise ValueError(
        f"The inputs are not those of the classifier. Expected: {expected}. Received: "
        f"{received}. Pass what the encoder was trained on."
    )
