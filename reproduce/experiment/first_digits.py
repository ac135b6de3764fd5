"""The first colored digits of each class, as rows of pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reproduce.experiment import plots


def choose(splits: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Chooses digits: rows with one of each class.

    Args:
        splits: splits of colored digits by name.
        count: number of rows of each split.

    Returns:
        List of points: the name of the split, and for each digit its row
        there, its label and its color.
    """
    points = []
    for name, split in splits.items():
        chosen = [
            np.flatnonzero(split.labels == label)[:count]
            for label in np.unique(split.labels)
        ]
        points += [
            {
                "split": name,
                "row": column.tolist(),
                "label": split.labels[column].tolist(),
                "color": split.inputs[column].max((1, 2)).tolist(),
            }
            for column in np.transpose(chosen)
        ]
    return points


def draw(
    splits: Mapping[str, Any], points: list[dict[str, Any]], figure: Any = None
) -> Any:
    """Draws the digits of `choose`, as `plots.samples` does."""
    return plots.samples(
        [list(splits[point["split"]].inputs[point["row"]]) for point in points],
        titles=[point["split"] for point in points],
        figure=figure,
    )
