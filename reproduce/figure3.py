"""Figure 3, left: coloured digits, training and test."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np

from keras_unbias import plots
from reproduce import figures, sweep
from reproduce.settings import FIRST_SEED, colored_mnist

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
        from keras_unbias.datasets.colored_mnist import available_digits, load
    try:
        digits = available_digits(options.data_dir)
        dataset = load(
            color_variance=options.variance,
            seed=options.seed,
            attribute="bins",
            digits=digits,
            data_dir=options.data_dir,
        )
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    pictures, titles, points = [], [], []
    for name in ("training", "test"):
        split = dataset.train if name == "training" else dataset.test
        chosen = np.concatenate(
            [
                np.flatnonzero(split.labels == label)[:PICTURES]
                for label in range(dataset.num_classes)
            ]
        ).reshape(dataset.num_classes, PICTURES)
        for column in chosen.T:
            pictures.append(list(split.inputs[column]))
            titles.append(name)
            points.append(
                {
                    "split": name,
                    "row": column.tolist(),
                    "label": split.labels[column].tolist(),
                    "color": split.inputs[column].max((1, 2)).tolist(),
                }
            )
    figure = plots.samples(pictures, titles=titles)
    about = f"color variance {options.variance:.3f}, seed {options.seed}"
    figure.suptitle(about, fontsize="medium")
    words = ["figure3"]
    for flag in ("variance", "seed"):
        # Another choice must not take the place of the usual figure.
        if getattr(options, flag) != parser.get_default(flag):
            words.append(f"{flag}_{getattr(options, flag)}")
    path = pathlib.Path(options.figures_dir, "_".join(words))
    facts = {key: dataset.facts[key] for key in ("source", "checksum")}
    plots.write(figure, {"about": about, "data": facts, "points": points}, path)
    print(f"{path}.png, .pdf and .json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
