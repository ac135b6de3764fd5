"""Data sets: each loader returns one frozen `BiasedDataset`."""

import inspect

from keras_unbias.data import colored_mnist, german_credit, imdb_faces
from keras_unbias.data.attribute_encoder import AttributeEncoder
from keras_unbias.data.attributes import AttributeSpec
from keras_unbias.data.dataset import BiasedDataset, Split

__all__ = [
    "DATASETS",
    "AttributeEncoder",
    "AttributeSpec",
    "BiasedDataset",
    "Split",
    "load",
]

DATASETS = {
    "colored_mnist": colored_mnist.load,
    "german_credit": german_credit.load,
    "imdb_faces": imdb_faces.load,
}


def load(name, **settings):
    """Loads a data set by name.

    Args:
        name: A key of `DATASETS`.
        **settings: The arguments of that data set's `load`.

    Returns:
        A `BiasedDataset`.

    Raises:
        ValueError: If the name or a setting is unknown.
    """
    if name not in DATASETS:
        raise ValueError(
            f"Unknown data set. Expected: one of {sorted(DATASETS)}. "
            f"Received: name={name!r}. Correct the name or add a loader to "
            "DATASETS."
        )
    known = list(inspect.signature(DATASETS[name]).parameters)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(
            f"Data set '{name}' has no such settings. Expected: some of "
            f"{known}. Received: {unknown}. Correct or leave out the names."
        )
    return DATASETS[name](**settings)
