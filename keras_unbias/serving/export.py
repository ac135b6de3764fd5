"""Exports a trained classifier: the encoder and the classifier alone."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def inference_model(
    model: keras.Model,
    *,
    preprocessing: Callable | None = None,
    activation: str | Callable | None = "softmax",
) -> keras.Model:
    """Returns the encoder and the classifier of a model, without the rest.

    The two share their weights with the model.

    Args:
        model: a built `RepresentationClassifier`.
        preprocessing: a Keras layer or model, or a function of TensorFlow
            ops, from raw inputs to the inputs of the encoder. The raw inputs
            of a model are its `Input`. Those of anything else have the
            shapes and dtypes of the encoder's inputs. Defaults to `None`, no
            preprocessing.
        activation: a Keras activation, from logits to probabilities. Use
            `"sigmoid"` where a row has several labels, and `None` to leave
            the probabilities out, for regression. Defaults to `"softmax"`.

    Returns:
        Functional model from inputs to `{"logits": (n, num_classes),
        "probabilities": (n, num_classes), "features": (n, d)}`. It computes
        in inference mode by default. All outputs of a row are NaN if a float that the
        encoder gets is not a finite float32. A single input has the name
        `inputs`. Inputs in a dict are named by their keys, inputs in a list
        `inputs_0`, `inputs_1`, ...

    Raises:
        ValueError: if the encoder takes integers and the preprocessing
            returns fractions, or if a softmax is applied to a single logit.

    Example:

    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = ku.RepresentationClassifier(encoder, num_classes=3)
    >>> model.build((None, 6))
    >>> outputs = inference_model(model)(np.zeros((2, 6)))
    >>> outputs["probabilities"].shape, outputs["features"].shape
    (TensorShape([2, 3]), TensorShape([2, 4]))
    """
    if activation == "softmax" and model.num_classes == 1:
        raise ValueError(
            "The softmax of a single logit is always 1. Expected: activation='sigmoid' "
            "for a binary label, None for regression. Received: activation='softmax'."
        )
    taken = known_inputs(model.encoder)
    if taken is None:
        taken = model.seen_inputs
    raw = known_inputs(preprocessing)
    inputs = _named_inputs(taken if raw is None else raw)
    encoded = inputs
    # `training` is always passed, for a layer may depend on its default.
    if preprocessing is not None:
        encoded = PreprocessingLayer(preprocessing)(inputs, training=False)
        _check_fractions(encoded, taken)
    features = model.encoder(encoded, training=False)
    logits = model.classifier(features)
    if features.dtype != "float32":
        features = keras.layers.Activation("linear", dtype="float32")(features)
    outputs = {"logits": logits, "features": features}
    if activation is not None:
        to_probabilities = keras.layers.Activation(activation, dtype="float32")
        outputs["probabilities"] = to_probabilities(logits)
    # A preprocessing may fill gaps. One that makes integers of them does not.
    judged = encoded if _floats(encoded) else inputs
    return keras.Model(inputs, nan_for_nan(judged, outputs))


def export(
    model: keras.Model,
    filepath: str | os.PathLike,
    *,
    class_names: Sequence | None = None,
    preprocessing: Callable | None = None,
    activation: str | Callable | None = "softmax",
    **kwargs: Any,
) -> None:
    """Writes a SavedModel of the `inference_model`, for any batch size.

    The endpoint `serve`, also the signature `serving_default`, maps inputs to
    `{"logits", "probabilities", "features"}`. The endpoint and signature
    `class_names` takes nothing and returns `{"class_names": (names,)}`, a
    string tensor.

    Args:
        model: a built `RepresentationClassifier`.
        filepath: path of the directory to write.
        class_names: sequence with a name for each class, in the order of the
            labels. A single logit has one or two names. Defaults to `None`,
            which leaves the endpoint out.
        preprocessing: see `inference_model`.
        activation: see `inference_model`.
        **kwargs: arguments of `keras.export.ExportArchive.write_out`, such as
            `verbose=False`.

    Raises:
        ValueError: if there is not one name per class, or for the reasons
            that `inference_model` gives.

    Example:

    >>> import tempfile
    >>> encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    >>> model = ku.RepresentationClassifier(encoder, num_classes=2)
    >>> model.build((None, 6))
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     export(model, directory, class_names=["no", "yes"], verbose=False)
    ...     ku.load_classifier(directory).class_names
    ['no', 'yes']
    """
    inference = inference_model(
        model, preprocessing=preprocessing, activation=activation
    )
    archive = keras.export.ExportArchive()
    archive.track_and_add_endpoint("serve", inference, [inference.input])
    if class_names is not None:
        names = _checked_names(class_names, model.num_classes)
        archive.add_endpoint(
            "class_names", lambda: {"class_names": tf.constant(names)}, []
        )
    archive.write_out(filepath, **kwargs)


def known_inputs(layer: Any) -> Any:
    """Returns the inputs that a model declares.

    Args:
        layer: a Keras layer or model, a function, or `None`.

    Returns:
        Structure of `keras.KerasTensor`, or `None` if they are not known.
    """
    # A Sequential that was never called has `inputs` but no `input`.
    if isinstance(layer, keras.Sequential):
        return layer.inputs[0] if layer.built else None
    # Other layers remember, as `input`, what they happened to be called on.
    return layer.input if hasattr(layer, "inputs") else None


def specify(inputs: Any) -> Any:
    """Returns what a model takes if it was given such inputs.

    Args:
        inputs: structure of arrays, tensors, or their specifications.

    Returns:
        The same structure of `keras.KerasTensor`, for any batch size.
    """

    def spec(values):
        dtype = str(getattr(values.dtype, "name", values.dtype))
        if dtype.startswith(("str", "bytes", "object")):
            dtype = "string"
        elif keras.backend.is_float_dtype(dtype):
            # Keras casts all floats that it is given.
            dtype = "float32"
        return keras.KerasTensor((None, *values.shape[1:]), dtype)

    return keras.tree.map_structure(spec, inputs)


def nan_for_nan(inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
    """Makes the outputs of rows NaN whose inputs are not finite.

    A ReLU of NaN is 0, so the network would answer with confidence.

    Args:
        inputs: structure of tensors. Only floats count.
        outputs: dict of float tensors of shape `(n, ...)`.

    Returns:
        Dict of tensors like `outputs`.
    """
    # Keras's own operations, for a saved model to load without this package.
    for part in _floats(inputs):
        finite = keras.ops.isfinite(keras.ops.cast(part, "float32"))
        if len(part.shape) > 1:
            finite = keras.ops.all(finite, tuple(range(1, len(part.shape))))
        finite = keras.ops.expand_dims(finite, -1)
        outputs = {
            name: keras.ops.where(finite, output, float("nan"))
            for name, output in outputs.items()
        }
    return outputs


class PreprocessingLayer(keras.layers.Layer):
    """Makes a layer of what stands in front of an encoder.

    Unlike `keras.layers.Lambda` it does not cast its inputs, and Keras finds
    the dtypes of its outputs by tracing it.

    Args:
        function: a Keras layer or model, or a function of TensorFlow ops.
    """

    def __init__(self, function: Callable):
        super().__init__(autocast=False)
        self.function = function

    def call(self, inputs, training=False):
        """Preprocesses the inputs. Keras passes `training` on to layers."""
        return self.function(inputs)


def _named_inputs(known):
    """Creates inputs with names that the clients of a server can rely on.

    Keras would number unnamed inputs through the whole process.
    """
    inputs = []
    for path, tensor in keras.tree.flatten_with_path(known):
        if not path or not isinstance(path[0], str):
            path = ("inputs", *path)
        name = "_".join(map(str, path))
        inputs.append(
            keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        )
    return keras.tree.pack_sequence_as(known, inputs)


def _floats(inputs):
    return [
        part
        for part in keras.tree.flatten(inputs)
        if not isinstance(part, (tf.RaggedTensor, tf.SparseTensor))
        and keras.backend.is_float_dtype(keras.backend.standardize_dtype(part.dtype))
    ]


def _check_fractions(encoded, taken):
    """Checks that no fraction would be cut off: images in 0..1 would be 0."""
    is_float, is_int = keras.backend.is_float_dtype, keras.backend.is_int_dtype
    for given, known in zip(
        keras.tree.flatten(encoded), keras.tree.flatten(taken), strict=False
    ):
        if is_float(given.dtype) and is_int(known.dtype):
            raise ValueError(
                "The encoder takes integers, but the preprocessing returns fractions. "
                f"Expected: {known.dtype}. Received: {given.dtype}. End the "
                "preprocessing with tf.cast, or use an encoder that takes floats."
            )


def _checked_names(class_names, num_classes):
    names = [str(name) for name in class_names]
    lengths = {num_classes, max(2, num_classes)}
    if isinstance(class_names, str) or len(names) not in lengths:
        raise ValueError(
            "Every class must have one name. Expected: class_names of length "
            f"{' or '.join(map(str, sorted(lengths)))}. Received: "
            f"{len(names)} names. List them in the order of the labels."
        )
    return names
