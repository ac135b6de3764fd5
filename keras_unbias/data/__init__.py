"""Data sets with a known attribute, and what their columns mean.

Every loader is a function that returns a `BiasedDataset`. To add a data set,
write a module with a `load` function and add a line to `DATASETS`.
"""

import inspect

from keras_unbias.data import colored_mnist, german_credit, imdb_faces, utk_faces
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
    "utk_faces": utk_faces.load,
}


def load(name: str, **settings) -> BiasedDataset:
    """Loads a data set by name.

    Args:
        name: str, a key of `DATASETS`.
        **settings: arguments of that data set's loader.

    Returns:
        A `BiasedDataset`.

    Raises:
        ValueError: if the name or a setting is unknown.

    Example:

    >>> import tempfile
    >>> from keras_unbias.data import drawn_faces
    >>> with tempfile.TemporaryDirectory() as place:
    ...     directory = drawn_faces.write(f"{place}/faces", rows=60)
    ...     dataset = load(
    ...         "imdb_faces", faces="drawn", train_size=9, data_dir=directory
    ...     )
    >>> dataset.attribute_spec
    AttributeSpec(widths=(12,), names=('age',))
    """
    if name not in DATASETS:
        raise ValueError(
            f"Unknown data set. Expected: one of {sorted(DATASETS)}. Received: "
            f"name={name!r}. Correct the name or add a loader to DATASETS."
        )
    known = list(inspect.signature(DATASETS[name]).parameters)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(
            f"Data set '{name}' does not have these settings. Expected: some "
            f"of {known}. Received: {unknown}. Correct or remove the names."
        )
    return DATASETS[name](**settings)
