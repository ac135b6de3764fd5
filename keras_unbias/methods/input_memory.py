"""What a model was trained on, for an encoder that does not declare its inputs."""

import json
from typing import Any

import keras
import tensorflow as tf

from keras_unbias.serving import export


class InputMemory(keras.Model):
    """A Keras model that remembers the structure and the dtypes of its inputs.

    A subclassed encoder knows neither before it is called. An exported model
    needs both, for word numbers are integers, for example.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # JSON, for Keras would wrap a structure.
        self._seen_inputs = None

    def see(self, inputs: Any) -> None:
        """Keeps the structure and the dtypes of the first inputs.

        Args:
            inputs: structure of arrays, tensors or their specifications.
        """
        parts = keras.tree.flatten(inputs)
        known = all(
            hasattr(part, "dtype") and tf.TensorShape(part.shape).rank for part in parts
        )
        if self._seen_inputs is None and known:
            seen = keras.saving.serialize_keras_object(export.specify(inputs))
            self._seen_inputs = json.dumps(seen)

    @property
    def seen_inputs(self) -> Any:
        """The inputs as a structure of `keras.KerasTensor`, for any batch size."""
        if self._seen_inputs is not None:
            return keras.saving.deserialize_keras_object(json.loads(self._seen_inputs))
        shapes = super().get_build_config()["input_shape"]
        return keras.tree.map_shape_structure(
            lambda shape: keras.KerasTensor((None, *shape[1:])),
            # Keras wraps dicts that belong to a model in a type of its own.
            dict(shapes) if isinstance(shapes, dict) else shapes,
        )

    def get_build_config(self) -> dict[str, Any]:
        """Returns the shapes and the dtypes of the inputs."""
        return {**super().get_build_config(), "seen_inputs": self._seen_inputs}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates the weights for the inputs of `get_build_config`."""
        config = dict(config)
        # Older files do not name them.
        self._seen_inputs = config.pop("seen_inputs", None)
        super().build_from_config(config)
