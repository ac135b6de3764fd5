"""Figure 3, left: coloured digits, training and test."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
from reproduce.settings import FIRST_SEED, colored_mnist

from keras_unbias import plots
from reproduce import figures, pages, sweep

PICTURES = 2  # of each digit


def main(argv=None):
    """Draws the first digits of each class; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="MNIST, or Kim et al.'s files")
    parser.add_argument(
        "--variance",
        type=float,
        choices=colored_mnist.ALL_VARIANCES,
        default=colored_mnist.VARIANCES[0],
    )
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    figures.add_directory(parser)
    options = parser.parse_args(argv)
    with sweep.environment():
        from keras_unbias.datasets import colored_mnist as coloring
    try:
        digits = coloring.available_digits(options.data_dir)
        dataset = coloring.load(
            color_variance=options.variance,
            seed=options.seed,
            attribute="bins",
            digits=digits,
            data_dir=options.data_dir,
        )
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    splits = {"training": dataset.train, "test": dataset.test}
    points = _points(splits, dataset.num_classes)
    figure = plots.samples(
        [list(splits[p["split"]].inputs[p["row"]]) for p in points],
        titles=[point["split"] for point in points],
    )
    facts = dataset.facts
    about = f"color variance {options.variance:.3f}, seed {options.seed}"
    figures.save(
        figure,
        {
            "about": ", ".join(filter(None, [about, facts["note"]])),
            "data": {key: facts[key] for key in ("source", "checksum")},
            "points": points,
        },
        options,
        # Another choice must not take the place of the usual figure.
        words=[
            "figure3",
            *pages.unusual(
                options,
                variance=parser.get_default("variance"),
                seed=parser.get_default("seed"),
            ),
            *figures.other_data([{"digits": digits}]),
        ],
    )
    return 0


def _points(splits, num_classes):
    """Columns of digits, one of each class: rows, labels and colors."""
    points = []
    for name, split in splits.items():
        chosen = [
            np.flatnonzero(split.labels == label)[:PICTURES]
            for label in range(num_classes)
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


if __name__ == "__main__":
    sys.exit(main())
