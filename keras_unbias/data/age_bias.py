"""What the data sets of faces share: splits where age and gender go together.

The definitions are those of section 5.2 of the paper on mutual information
backpropagation and of its released code.
"""

import numpy as np

from keras_unbias.data.attributes import AttributeSpec

# As in the paper's released code: one bin up to 20, then bins of five years,
# one bin from 70 on.
AGE_EDGES = (0, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 120)
AGE_BINS = len(AGE_EDGES) - 1
SPEC = AttributeSpec((AGE_BINS,), ("age",))
SPLITS = ("eb1", "eb2")


def age_bin(ages: np.ndarray) -> np.ndarray:
    """Numbers the bins of ages.

    Args:
        ages: array of years in 0..119.

    Returns:
        Int array of the same shape, 0..11.

    Example:

    >>> age_bin([19, 20, 24, 25, 80])
    array([ 0,  1,  1,  2, 11])
    """
    return np.digitize(ages, AGE_EDGES) - 1


def one_hot_bins(ages: np.ndarray) -> np.ndarray:
    """Encodes ages as attribute vectors.

    Args:
        ages: array of shape `(rows,)`, years in 0..119.

    Returns:
        Float32 array of shape `(rows, 12)`.

    Example:

    >>> one_hot_bins([19, 80])[:, [0, 11]]
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return np.eye(AGE_BINS, dtype=np.float32)[age_bin(ages)]


def split_masks(ages: np.ndarray, genders: np.ndarray) -> dict[str, np.ndarray]:
    """Finds the rows of both splits.

    Args:
        ages: array of shape `(rows,)`, years.
        genders: array of shape `(rows,)`, 0 female or 1 male.

    Returns:
        Dict of bool arrays of shape `(rows,)`: `"eb1"`, the women of 0 to 30
        years and the men over 40, and `"eb2"`, the men of 0 to 30 years and
        the women over 40.

    Example:

    >>> split_masks(np.array([30, 30, 35]), np.array([0, 1, 1]))["eb1"]
    array([ True, False, False])
    """
    young, old, man = ages <= 30, ages > 40, genders == 1
    return {
        "eb1": (young & ~man) | (old & man),
        "eb2": (young & man) | (old & ~man),
    }
