"""The inputs of the inference path, and what may stand in front of them."""

import keras


def known_inputs(layer):
    """What a layer, model or function is known to take, else `None`."""
    # A Sequential that was never called has `inputs` but no `input`.
    if isinstance(layer, keras.Sequential):
        return layer.inputs[0] if layer.built else None
    return getattr(layer, "input", None)


def named_inputs(known):
    """Keras inputs like `known`, whose names a server's clients will use.

    Keras would number unnamed ones as they come up in this process.
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


class PreprocessingLayer(keras.layers.Layer):
    """The place of a function, layer or model in front of an encoder.

    Unlike `keras.layers.Lambda` it casts no inputs and knows the dtypes of
    its outputs, for Keras traces it.
    """

    def __init__(self, function):
        super().__init__(autocast=False)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def check_fractions(encoded, taken):
    """Keras would cut them off silently: images in 0..1 would be black."""
    is_float, is_int = keras.backend.is_float_dtype, keras.backend.is_int_dtype
    for ours, known in zip(
        keras.tree.flatten(encoded), keras.tree.flatten(taken)
    ):
        if is_float(ours.dtype) and is_int(known.dtype):
            raise ValueError(
                "The encoder takes integers and the preprocessing makes none. "
                f"Expected: {known.dtype}. Received: {ours.dtype}. Let it end "
                "with tf.cast, or use an encoder of floats."
            )
