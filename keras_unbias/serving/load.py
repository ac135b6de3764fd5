"""A finished classifier, for use."""

import pathlib

import keras
import tensorflow as tf

# Registers the classes that a .keras file names.
from keras_unbias import methods

# Of every classifier; probabilities are left out of some.
OUTPUTS = {"logits", "features"}


class Classifier:
    """A function of a batch of inputs, and the names of its classes.

    Args:
        function: from inputs to a dict of tensors.
        class_names: list of str, or `None` where they are not known.
    """

    def __init__(self, function, class_names=None):
        self.function = function
        self.class_names = class_names

    def __call__(self, inputs):
        return self.function(inputs)


def load_classifier(path, *, activation="softmax"):
    """Loads what `export` or `save` wrote, for inference.

    Args:
        path: a SavedModel directory or a `.keras` file.
        activation: from logits to probabilities, as in `export`, for a
            `.keras` file; a SavedModel has its own. Defaults to `"softmax"`.

    Returns:
        A `Classifier`: a function of a batch of inputs (for the digits: uint8
        images `(n, 28, 28, 3)`, any n) that returns `{"logits": (n,
        num_classes), "probabilities": (n, num_classes), "features": (n, d)}`
        as float32 tensors, without the probabilities where the activation is
        `None`. Its `class_names` are those of a SavedModel, a list of str,
        or `None`.

    Raises:
        FileNotFoundError: there is neither at `path`.
        ValueError: there is another model at `path`.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        model = tf.saved_model.load(str(path))
        if not hasattr(model, "serve"):
            raise _no_classifier("a SavedModel without the endpoint `serve`")
        (function,) = model.serve.concrete_functions
        outputs = function.structured_outputs
        if not isinstance(outputs, dict) or not OUTPUTS <= outputs.keys():
            raise _no_classifier(f"a SavedModel that returns {outputs}")
        names = None
        if hasattr(model, "class_names"):
            strings = model.class_names()["class_names"].numpy()
            names = [string.decode() for string in strings]
        (arguments, _) = function.structured_input_signature
        # Through `model`: its variables live only as long as it does.
        return Classifier(
            lambda inputs: model.serve(_like(arguments[0], inputs)), names
        )
    if path.suffix == ".keras" and path.is_file():
        model = keras.saving.load_model(path, compile=False)
        if not isinstance(model, methods.RepresentationClassifier):
            raise _no_classifier(type(model).__name__)
        return Classifier(model.inference_model(activation=activation))
    raise FileNotFoundError(
        "No classifier to load. Expected: the directory that `export` wrote "
        f"or a .keras file that `save` wrote. Received: path={str(path)!r}."
    )


def _no_classifier(received):
    return ValueError(
        "The model is no classifier of this package. Expected: what a "
        "RepresentationClassifier's `export` or `save` wrote. Received: "
        f"{received}. Load it with Keras or TensorFlow, or export such a "
        "classifier."
    )


def _like(specs, inputs):
    """Inputs as the numbers that the SavedModel takes; no fraction is cut."""

    def cast(spec, values):
        values = tf.convert_to_tensor(values)
        whole = spec.dtype.is_integer and values.dtype.is_integer
        number = spec.dtype.is_floating and values.dtype != tf.string
        return tf.cast(values, spec.dtype) if whole or number else values

    return keras.tree.map_structure_up_to(specs, cast, specs, inputs)
