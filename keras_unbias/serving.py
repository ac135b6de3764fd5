"""A finished classifier, for use."""

import pathlib

import keras
import tensorflow as tf

# Registers the classes that a .keras file names.
from keras_unbias import methods


def load_classifier(path):
    """Loads what `export` or `save` wrote, for inference.

    Args:
        path: a SavedModel directory or a `.keras` file.

    Returns:
        A function of a batch of inputs (for the digits: uint8 images
        `(n, 28, 28, 3)`, any n) that returns `{"logits": (n, num_classes),
        "features": (n, d)}` as float32 tensors.

    Raises:
        FileNotFoundError: there is neither at `path`.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        model = tf.saved_model.load(str(path))

        def classify(inputs):
            # Through `model`: its variables live only as long as it does.
            return model.serve(inputs)

        return classify
    if path.suffix == ".keras" and path.is_file():
        model = keras.saving.load_model(path, compile=False)
        if isinstance(model, methods.RepresentationClassifier):
            return model.inference_model()
    raise FileNotFoundError(
        "No classifier to load. Expected: the directory that `export` wrote "
        f"or a .keras file that `save` wrote. Received: path={str(path)!r}."
    )
